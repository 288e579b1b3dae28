"""Roost: a data science platform for a laptop, one server or Kubernetes on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roost.client.cluster import RoostCluster
    from roost.client.platform import Roost
    from roost.model.errors import RoostError

__version__ = "0.1.0"
__all__ = ["Roost", "RoostCluster", "RoostError", "__version__"]

#: Public name -> module that has it; imported when first used, so that `import roost` costs nothing.
_LAZY = {
    "Roost": "roost.client.platform",
    "RoostCluster": "roost.client.cluster",
    "RoostError": "roost.model.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
