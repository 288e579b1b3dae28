"""What the routes do and take, where the code has no sentence of its own to take it from. Tests hold it complete."""

from __future__ import annotations

from collections.abc import Mapping

from roost.model.access import Scope

Route = tuple[str, str]


def _workloads(kind: str, spec: str) -> Mapping[Route, tuple[str, tuple[str, ...]]]:
    """The routes that both kinds have: what each does, and what it takes (`?` = query, else a key of the body)."""
    path = f"/api/v1/{kind}s"
    limits = ("?limit", "?after")
    return {
        ("GET", path): (
            f"A page of {kind}s, newest first; `next` is the `after` of the following page. Administrators may ask "
            "for `owner=all`.",
            ("?q", "?name", "?owner", "?deleted", *limits),
        ),
        ("POST", path): (
            f"Create a {kind} and start it. An `Idempotency-Key` header makes a repeated request harmless.",
            ("name", spec),
        ),
        ("GET", f"{path}/{{id}}"): (
            f"One {kind}, by id or by one's own name for it. `wait` holds the answer until it is in that phase, "
            "has failed or is stopped, at most 60 s.",
            ("?wait", "?timeout"),
        ),
        ("PATCH", f"{path}/{{id}}"): (
            "Rename it at any time; change its size and settings while it is stopped.",
            ("name", "size", "idle_timeout_s") + (("safe_mode",) if kind == "workspace" else ()),
        ),
        ("DELETE", f"{path}/{{id}}"): ("Put it into the bin: it stops, its volume is kept.", ()),
        ("POST", f"{path}/{{id}}/start"): (
            "Have it run. Of one that failed this is a new attempt.",
            ("safe_mode",) if kind == "workspace" else (),
        ),
        ("POST", f"{path}/{{id}}/stop"): ("Have it stop. Files stay.", ()),
        ("POST", f"{path}/{{id}}/restart"): ("Have it started afresh.", ()),
        ("POST", f"{path}/{{id}}/restore"): ("Take it out of the bin, stopped.", ()),
        ("POST", f"{path}/{{id}}/extend"): (
            "Do not stop it for being idle for so many hours, at most 168.",
            ("hours",),
        ),
        ("POST", f"{path}/{{id}}/exec"): (
            "Run a command inside; answers lines of JSON with `stream` and `data` (base64), the last with `exit_code`.",
            ("argv", "stdin", "part"),
        ),
        ("GET", f"{path}/{{id}}/logs"): (
            "What a part printed, also after its end; with `follow` until it ends.",
            ("?part", "?index", "?offset", "?follow"),
        ),
        ("GET", f"{path}/{{id}}/events"): ("What happened to it, oldest first.", ()),
        ("GET", f"{path}/{{id}}/usage"): (
            "Samples of memory, CPU and disk: the last hour, and the last minutes finer (`recent`).",
            ("?since",),
        ),
    }


_TOLD: Mapping[Route, tuple[str, tuple[str, ...]]] = {
    **_workloads("workspace", "spec"),
    **_workloads("cluster", "spec"),
    ("POST", "/api/v1/clusters/{id}/scale"): ("Change the number of workers; running ones stay.", ("workers",)),
    ("GET", "/api/v1/clusters/{id}/credentials"): (
        "What a Dask client needs: address, authority, certificate, key, and the versions of the image.",
        ("?timeout",),
    ),
    ("GET", "/api/v1/volumes"): ("", ("?owner",)),
    ("DELETE", "/api/v1/volumes/{id}"): ("", ("confirm",)),
    ("GET", "/api/v1/stream"): ("", ("?owner",)),
    ("PATCH", "/api/v1/people/{id}"): ("", ("role", "disabled")),
    ("POST", "/api/v1/invitations"): ("", ("role", "email_hint")),
    ("POST", "/api/v1/tokens"): ("", ("name", "scopes", "expires_days")),
}

#: Route -> what it does.
WORDS: Mapping[Route, str] = {route: words for route, (words, _) in _TOLD.items() if words}
#: Route -> what it takes.
QUERIES: Mapping[Route, tuple[str, ...]] = {route: takes for route, (_, takes) in _TOLD.items() if takes}

SCOPES: Mapping[Scope, str] = {
    Scope.READ: "see everything its person may see, and change nothing.",
    Scope.WORKSPACES: "see and change workspaces and volumes, and open workspaces.",
    Scope.CLUSTERS: "see and change Dask clusters, and open their dashboards.",
    Scope.ADMIN: "list people, change them and invite, where its person is an administrator.",
}
