"""Waiting: what people see of it (phase, reason, how long), and what is said at its end or when they had enough."""

from __future__ import annotations

import shlex
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from roost.cli.output import note, print_json
from roost.model.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from roost.client.values import Progress, Workload
    from roost.client.workloads import Workloads


class Waiting:
    """Shows what a wait waits for: moving on a terminal, a line per news elsewhere, nothing when `quiet`."""

    def __init__(self, phase: str, *, quiet: bool = False) -> None:
        self._phase = phase
        self._quiet = quiet
        self._began = time.monotonic()
        self._last = ""
        self._status: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(self)
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status is not None:
            self._status.stop()

    def __rich__(self) -> Any:
        """The line as it is now; asked for with every frame, so that the seconds count."""
        from rich.text import Text

        return Text(f"{self._last} ({format_duration(int(time.monotonic() - self._began))})")

    def news(self, seen: Workload) -> None:
        """Show the phase and its reason; that the phase waited for is there is for the caller to say."""
        text = f"{seen.name} is {seen.phase}. {seen.reason}".rstrip()
        if seen.phase != self._phase and text != self._last and self._status is None and not self._quiet:
            note(text)
        self._last = text


def finish(
    rooms: Workloads, seen: Workload, *, phase: str, wait: bool, timeout_s: float, as_json: bool, done: str
) -> None:
    """Wait where asked, then say what is."""
    if wait:
        seen = watched(
            seen, phase, as_json, lambda news: rooms.wait(seen.id, phase, timeout_s=timeout_s, progress=news)
        )
    if as_json:
        print_json(seen.json)
        return
    note(f"{seen.name} {done}." if seen.phase == phase else f"{seen.name} is {seen.phase}.")
    if phase == "running":
        print(seen.dashboard_url or seen.url)


def watched(seen: Workload, phase: str, as_json: bool, wait: Callable[[Progress], Workload | None]) -> Workload:
    """Wait and show it. Whoever had enough (Ctrl-C) is told that nothing was undone."""
    with Waiting(phase, quiet=as_json and not sys.stderr.isatty()) as waiting:
        try:
            return wait(waiting.news) or seen
        except KeyboardInterrupt:
            waiting.stop()
            note(f"No longer waiting; {seen.name} goes on. See: roost {seen.kind} show {quoted(seen.name)}")
            raise


def quoted(name: str) -> str:
    """A name as it can be pasted into a shell."""
    return shlex.quote(name)
