"""What must be alike on both sides of a cluster."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from roost.client import versions

HERE = ".".join(map(str, sys.version_info[:3]))


def test_the_same_is_fine() -> None:
    assert list(versions.differences(HERE, {})) == []
    assert list(versions.differences("", {"httpx": "0.0.1"})) == []  # not about pickles


@pytest.mark.parametrize(
    ("python", "packages", "what", "fatal"),
    [
        ("2.7.18", {}, "Python", True),
        (f"{sys.version_info[0]}.{sys.version_info[1]}.99", {}, "Python", False),
        (HERE, {"dask": "1.0"}, "dask", True),
        (HERE, {"numpy": "1.0"}, "numpy", False),
    ],
)
def test_what_differs_is_named(python: str, packages: dict[str, str], what: str, fatal: bool) -> None:
    (found,) = versions.differences(python, packages)
    assert (found.what, found.fatal) == (what, fatal)
    message, hint = versions.advice([found])
    assert what in message
    assert "image" in hint


def test_installed_versions_are_found() -> None:
    assert versions.installed("httpx") == version("httpx")
    assert versions.installed("no-such-package") == ""
