"""Stands in for the few names of Dask that the SDK is built on: Dask is installed in images, not where this is built.

Real classes rather than mocks, so that signatures and docstrings of what inherits from them are shown.
"""

from __future__ import annotations

import sys
from types import ModuleType

_NAMES = {
    "distributed": (),
    "distributed.core": ("Status", "rpc"),
    "distributed.deploy": ("Adaptive", "Cluster"),
    "distributed.security": ("Security",),
}


def install() -> None:
    """Make the names importable, where Dask itself is not."""
    for module, names in _NAMES.items():
        stand_in = ModuleType(module)
        for name in names:
            setattr(stand_in, name, type(name, (), {"__module__": module}))
        sys.modules.setdefault(module, stand_in)
