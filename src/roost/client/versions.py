"""Whether this Python fits a cluster: Dask pickles code and data, so both sides must agree on what matters."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

#: What is pickled with these cannot be read by another version.
MUST_MATCH = ("cloudpickle", "dask", "distributed", "msgpack")
#: What data is made of. A look at each of an image's 150 packages would take longer than a cluster does.
SHOULD_MATCH = ("numpy", "pandas", "pyarrow", "scikit-learn")
_HINT = (
    "Use the same image for both: create the cluster with image=..., or restart the workspace to pick up its image. "
    "check_versions=False tries anyway."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; `fatal` when work sent to the cluster would fail."""

    what: str
    here: str
    cluster: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.what} is {self.here} here and {self.cluster} in the cluster"


def differences(python: str, packages: Mapping[str, str]) -> Iterator[Difference]:
    """What differs from a cluster's Python and packages. What the cluster does not tell is not compared."""
    here = ".".join(str(part) for part in sys.version_info[:3])
    if python and python != here:
        yield Difference("Python", here, python, fatal=python.split(".")[:2] != here.split(".")[:2])
    for name in (*MUST_MATCH, *SHOULD_MATCH):
        theirs = packages.get(name)
        ours = installed(name) if theirs else None
        if theirs and ours != theirs:
            yield Difference(name, ours or "missing", theirs, fatal=name in MUST_MATCH)


def advice(found: list[Difference]) -> tuple[str, str]:
    """Message and hint for what was found."""
    return "The cluster and this workspace differ: " + "; ".join(map(str, found)) + ".", _HINT


@cache
def installed(name: str) -> str:
    """The version of an installed package, "" when there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
