"""Addresses that people may be sent to: never another site, whatever a link says."""

from __future__ import annotations

import re

# A backslash is a slash to browsers; tabs and line ends are skipped by them; "//" begins another host.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")


def local_path(target: str) -> str:
    """The target where every browser takes it for a path on the same host, else "/".

    >>> local_path("/lab?x=1"), local_path("//evil.example/"), local_path("/\\\\evil.example")
    ('/lab?x=1', '/', '/')
    """
    return target if _LOCAL.fullmatch(target) else "/"
