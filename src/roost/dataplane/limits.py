"""How much and how long: the limits of the front door, in bytes and seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Changed by tests only."""

    connections: int = 8192
    head_s: float = 10.0  # from the first byte of a head to its end
    idle_s: float = 75.0  # a kept-alive connection without a request
    body_s: float = 120.0  # no byte of a request body
    stalled_s: float = 600.0  # a client that does not read its response
    linger_s: float = 2.0  # reading on after an answer that refuses the rest of a body
    reuse_s: float = 2.0  # an upstream connection is not used again after so long (uvicorn closes after 5)
    connect_s: float = 5.0
    control_retry_s: float = 0.1  # how long to try again while the control plane restarts
    pipeline_bytes: int = 64 * 1024
    write_high_bytes: int = 256 * 1024
