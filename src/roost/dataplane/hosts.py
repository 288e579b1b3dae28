"""Which host name leads where: the platform, one workload, or nowhere. The only thing that routes. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from roost.settings import LOOPBACK, Settings

_HOST = re.compile(rb"([a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[::1\])(?::[0-9]{1,5})?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT_LABEL = re.compile(r"p([1-9][0-9]{0,4})-([a-z]{2}-[a-z2-7]{26})")


class Place(NamedTuple):
    """Where a request is headed: `label` "" is the platform, else the first label of a workload's host."""

    label: str
    host: bytes  # as the client wrote it, lower case, with its port
    name: str  # the host name without port
    origin: bytes  # the only Origin that may change things there


class ExtraPort(NamedTuple):
    """A host name `p<port>-<workload>`: a TCP port inside a workload."""

    port: int
    workload: str


def locate(host: bytes, settings: Settings) -> Place | None:
    """The place a Host header names, or None: every other name is refused.

    The port is not compared: it may be another one behind a proxy or a tunnel, and routes nothing.
    """
    lower = host.lower()
    match = _HOST.fullmatch(lower)
    if match is None:
        return None
    name = match[1].decode()
    if name == settings.domain or (settings.host in LOOPBACK and name in ("localhost", "127.0.0.1", "[::1]")):
        return Place("", lower, name, settings.origin.encode())
    label, _, rest = name.partition(".")
    if rest == f"roost.{settings.domain}" and _LABEL.fullmatch(label):
        return Place(label, lower, name, settings.workload_origin(label).encode())
    return None


def extra_port(label: str) -> ExtraPort | None:
    """The port and workload that a label names, if it names a port.

    >>> extra_port("p8050-ws-aaaaaaaaaaaaaaaaaaaaaaaaaa")
    ExtraPort(port=8050, workload='ws-aaaaaaaaaaaaaaaaaaaaaaaaaa')
    """
    match = _PORT_LABEL.fullmatch(label)
    if match is None or int(match[1]) > 65535:
        return None
    return ExtraPort(int(match[1]), match[2])
