"""What a person asked for: one recipe, a shared environment and a tagged union per kind.

Parsed once at the edges by `parse_spec` (strict: an unknown key is an error that names the nearest valid key);
its JSON Schema is published for editors. Sizes and images are names here; placement resolves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MAX_WORKERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What every kind shares: the image, the size and what the program finds around it."""

    image: str = "default"
    size: str = ""  # "" = the platform's default size
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSpec:
    """JupyterLab with a home volume."""

    kind: Literal["workspace"] = "workspace"
    environment: Environment = field(default_factory=Environment)
    volume: str = ""  # id of an existing home volume; "" = a new one
    idle_timeout_s: int | None = None  # None = the platform's rule; 0 = never
    safe_mode: bool = False  # start without extensions, with a disk report


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """A Dask cluster: one scheduler and `workers` workers of the environment's size."""

    kind: Literal["cluster"] = "cluster"
    environment: Environment = field(default_factory=Environment)
    workers: int = 2
    idle_timeout_s: int | None = None  # without a client; None = the platform's rule


Spec = WorkspaceSpec | ClusterSpec
