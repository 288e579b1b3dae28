"""Workspaces and clusters: create, find, start, stop, wait, look inside. Every call takes an id or a name."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any
from urllib.parse import quote

from roost.client.connection import Connection, Json
from roost.client.values import Credentials, Output, Progress, Workload, credentials, workload
from roost.model.errors import Conflict, NotFound, RoostError, Unavailable
from roost.model.names import fold, is_id
from roost.model.nearest import nearest

PAGE = 200
_POLL_S = 5.0  # one long poll; the reason shown while waiting is at most so old
DEFAULT_WAIT_S = 300.0


class Workloads:
    """All workloads of one kind. `kind` is the word in the address: workspaces or clusters."""

    def __init__(self, connection: Connection, kind: str) -> None:
        self._connection = connection
        self._base = f"/api/v1/{kind}"
        self._kind = kind.removesuffix("s")

    def create(
        self,
        name: str,
        *,
        size: str = "",
        image: str = "",
        variables: Mapping[str, str] | None = None,
        spec: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Workload:
        """Create and start one. `spec` is a whole recipe, `more` are further keys of it; None means the default."""
        given = {"size": size, "image": image, "variables": dict(variables or {}), **more}
        recipe = {**(spec or {}), **{key: value for key, value in given.items() if value not in ("", None, {})}}
        body = {"name": name, "spec": recipe}
        return workload(self._connection.send("POST", self._base, body, key=uuid.uuid4().hex))

    def list(self, *, name: str = "", search: str = "", deleted: bool = False) -> Iterator[Workload]:
        """All of them, page by page."""
        after: str | None = None
        while True:
            flags = {"deleted": "true" if deleted else None}
            page = self._connection.get(self._base, limit=PAGE, after=after, name=name, q=search, **flags)
            yield from map(workload, page["items"])
            after = page.get("next")
            if not after:
                return

    def get(self, which: str) -> Workload:
        """One of them as it is now."""
        with self._suggesting(which):
            return workload(self._connection.get(self._path(which)))

    def start(self, which: str, *, safe_mode: bool | None = None) -> Workload:
        """Ask for it to run; in safe mode a workspace has no extensions, and a report of what fills its disk."""
        return self._act(which, "start", {} if safe_mode is None else {"safe_mode": safe_mode})

    def stop(self, which: str) -> Workload:
        """Ask for it to stop; volumes stay."""
        return self._act(which, "stop")

    def restart(self, which: str) -> Workload:
        """Ask for a fresh start."""
        return self._act(which, "restart")

    def restore(self, which: str) -> Workload:
        """Bring a deleted one back, while it is kept."""
        return self._act(self._in_the_bin(which), "restore")

    def extend(self, which: str, hours: float) -> Workload:
        """Put off stopping for idleness."""
        return self._act(which, "extend", {"hours": hours})

    def rename(self, which: str, name: str) -> Workload:
        """Give it another name."""
        return self.change(which, name=name)

    def change(self, which: str, **changes: Any) -> Workload:
        """Change its name, size or idle_timeout_s; all but the name only while it is stopped."""
        with self._suggesting(which):
            return workload(self._connection.send("PATCH", self._path(which), changes))

    def delete(self, which: str) -> None:
        """Stop it and put it in the bin."""
        with self._suggesting(which):
            self._connection.send("DELETE", self._path(which))

    def wait(
        self, which: str, phase: str, *, timeout_s: float = DEFAULT_WAIT_S, progress: Progress | None = None
    ) -> Workload:
        """Wait for a phase (running, stopped); `progress` is called with each news.

        Raises RoostError when it failed or can no longer get there, Unavailable when the time is over.
        """
        deadline = time.monotonic() + timeout_s
        poll_s = 0.0
        while True:
            seen = workload(self._connection.get(self._path(which), wait=phase, timeout=poll_s))
            if progress is not None:
                progress(seen)
            if seen.phase == phase:
                return seen
            _refuse_hopeless(seen, phase)
            poll_s = min(_POLL_S, deadline - time.monotonic())
            if poll_s <= 0:
                raise Unavailable(
                    f"{seen.name} is still {seen.phase} after {timeout_s:g} s. {seen.reason}".rstrip(),
                    subject=seen.name,
                    code="timeout",
                    hint="Wait longer, or look at its logs and events.",
                )

    def wait_gone(
        self, which: str, *, timeout_s: float = DEFAULT_WAIT_S, progress: Progress | None = None
    ) -> Workload | None:
        """Wait until a deleted one has stopped; None when nothing is left of it."""
        try:
            return self.wait(which, "stopped", timeout_s=timeout_s, progress=progress)
        except NotFound:
            return None

    def logs(
        self, which: str, *, part: str = "", index: int = 0, offset: int = 0, follow: bool = False
    ) -> Iterator[bytes]:
        """What it printed, as it comes; with `follow` until it ends."""
        params: Json = {"part": part, "index": index, "offset": offset, "follow": "true" if follow else None}
        with self._suggesting(which), self._connection.stream("GET", self._path(which, "logs"), **params) as response:
            yield from response.iter_bytes()

    def events(self, which: str) -> Sequence[Json]:
        """What happened to it, oldest first."""
        with self._suggesting(which):
            return list(self._connection.get(self._path(which, "events"))["items"])

    def usage(self, which: str, *, since: str = "") -> Sequence[Json]:
        """Samples of memory, CPU and disk."""
        return list(self._connection.get(self._path(which, "usage"), since=since)["items"])

    def exec(self, which: str, argv: Sequence[str], *, stdin: bytes = b"") -> Iterator[Output]:
        """Run a command inside; the last output has the exit code."""
        body = {"argv": [*argv], "stdin": base64.b64encode(stdin).decode()}
        ended = False
        with self._suggesting(which), self._connection.stream("POST", self._path(which, "exec"), body) as response:
            for line in response.iter_lines():
                if not line.strip():
                    continue
                output = _output(json.loads(line))
                ended = ended or output.exit_code is not None
                yield output
        if not ended:
            raise Unavailable("The connection broke before the command ended.", subject=which)

    def _act(self, which: str, action: str, body: Mapping[str, Any] | None = None) -> Workload:
        with self._suggesting(which):
            return workload(self._connection.send("POST", self._path(which, action), body or {}))

    def _path(self, which: str, *more: str) -> str:
        # No name or id looks like this; in an address it would lead somewhere else.
        if which in ("", ".", "..") or "/" in which:
            raise self._missing(which)
        return "/".join([self._base, quote(which, safe=""), *more])

    def _missing(self, which: str) -> NotFound:
        kind = self._kind
        return NotFound(f'There is no {kind} "{which}".', subject=which, hint=f"`roost {kind} list` shows yours.")

    def _in_the_bin(self, which: str) -> str:
        """The id of the deleted one of that name; what is an id, or not in the bin, as it was given."""
        if is_id(which):
            return which
        key = fold(which)
        found = [each for each in self.list(deleted=True) if fold(each.name) == key]
        if len(found) > 1:
            raise Conflict(
                f'{len(found)} deleted {self._kind}s are called "{which}".',
                subject=which,
                hint="Use an id, newest first: " + ", ".join(each.id for each in found[:5]) + ".",
            )
        return found[0].id if found else which

    @contextmanager
    def _suggesting(self, which: str) -> Iterator[None]:
        """Of a name that does not exist, say which one was probably meant."""
        try:
            yield
        except NotFound as error:
            if error.code == NotFound.code and not is_id(which):
                with suppress(RoostError):
                    near = nearest(which, [each.name for each in islice(self.list(), PAGE)])
                    known = near is None or fold(near) == fold(which)  # then something of it is missing
                    error.hint = error.hint if known else f"Did you mean {near}? {error.hint}"
            raise


class Clusters(Workloads):
    """Dask clusters."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "clusters")

    def scale(self, which: str, workers: int) -> Workload:
        """Ask for so many workers. Surplus workers end at once: `RoostCluster.scale` moves their results first."""
        return self._act(which, "scale", {"workers": workers})

    def credentials(self, which: str, *, timeout_s: float = 0) -> Credentials:
        """What a Dask client needs, waiting up to `timeout_s` for the scheduler to listen."""
        return credentials(self._connection.get(self._path(which, "credentials"), timeout=timeout_s or None))


def _refuse_hopeless(seen: Workload, phase: str) -> None:
    if phase == "running" and (seen.phase == "failed" or seen.wanted not in ("", "running")):
        what = "failed" if seen.phase == "failed" else "is being stopped"
        raise RoostError(
            f"{seen.name} {what}. {seen.reason}".rstrip(),
            subject=seen.name,
            hint=f"Look at `roost {seen.kind} logs {seen.name}`.",
        )
    if phase == "stopped" and seen.wanted == "running":
        raise RoostError(f"{seen.name} was started again.", subject=seen.name)


def _output(line: Mapping[str, Any]) -> Output:
    if "exit_code" in line:
        return Output(exit_code=int(line["exit_code"]))
    if "error" in line:
        raise RoostError(str(line["error"]))
    return Output(stream=int(line["stream"]), data=base64.b64decode(line["data"]))
