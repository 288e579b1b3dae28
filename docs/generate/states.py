"""Errors, phases, how programs end, exit codes: from the model and from where they are mapped."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import roost
from docs.generate.tables import code, prose, table
from roost.api.problems import status_of
from roost.cli import run
from roost.model import errors
from roost.model.errors import RoostError
from roost.model.lifecycle import Exit, ExitReason, Phase, explain_exit
from roost.model.units import GIB

_PHASES = {
    Phase.STARTING: "It should run and is on its way.",
    Phase.RUNNING: "Its leading program is ready. A cluster may still be short of workers: the reason says so.",
    Phase.STOPPING: "It should not run, and some of it still does.",
    Phase.STOPPED: "It should not run, and nothing of it does.",
    Phase.FAILED: "It should run, and its leading program has ended. `start` is a new attempt.",
}
_EXIT_CODES = {
    run.DONE: "Done.",
    run.FAILED: "Refused or failed, or findings (`roost doctor` misses something).",
    run.USAGE: "Usage: a verb, an option or a value that cannot be.",
    run.COULD_NOT_CHECK: "Could not check: the platform cannot be reached, or what it depends on does not answer.",
    run.INTERRUPTED: "Interrupted by Ctrl-C.",
}


def errors_markdown() -> str:
    """The error tree."""
    rows = []
    for kind in _classes():
        error = kind("")
        exit_code = _exit_code(error)
        about = (kind.__doc__ or "").partition(" HTTP ")[0].partition("\n")[0]
        rows.append((code(kind.code), code(kind.__name__), str(status_of(error)), str(exit_code), prose(about)))
    return table(("Code", "Class", "HTTP status", "Exit code", "Meaning"), rows)


def codes_markdown() -> str:
    """The finer codes that messages carry, with the class that decides their status."""
    rows = {(word, kind.__name__, str(status_of(kind("")))) for word, kind in _codes()}
    return table(
        ("Code", "Class", "HTTP status"), [(code(word), code(kind), status) for word, kind, status in sorted(rows)]
    )


def phases_markdown() -> str:
    """The phases; KeyError where a new one has no words yet."""
    return table(("Phase", "Meaning"), [(code(phase.value), prose(_PHASES[phase])) for phase in Phase])


def exits_markdown() -> str:
    """How programs end, in the sentences that people see."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for reason in ExitReason:
        ended = Exit(
            reason=reason,
            finished_at=now,
            code=1 if reason is ExitReason.EXITED else None,
            signal=9 if reason is ExitReason.SIGNALLED else None,
            peak_memory_bytes=39 * GIB // 10,
            limit_memory_bytes=4 * GIB,
            message="no such program" if reason is ExitReason.NOT_STARTED else "",
        )
        rows.append((code(reason.value), prose(explain_exit(ended, what="JupyterLab"))))
    return table(("Exit reason", "What people read"), rows)


def exit_codes_markdown() -> str:
    """The exit codes of `roost`."""
    return table(("Exit code", "Meaning"), [(str(number), prose(text)) for number, text in _EXIT_CODES.items()])


def _classes() -> list[type[RoostError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RoostError)]


def _exit_code(error: RoostError) -> int:
    if isinstance(error, errors.InvalidInput):
        return run.USAGE
    return run.COULD_NOT_CHECK if isinstance(error, errors.Unavailable) else run.FAILED


def _codes() -> Iterator[tuple[str, type[RoostError]]]:
    """Every `code="..."` given to an error anywhere in the package."""
    by_name = {kind.__name__: kind for kind in _classes()}
    for file in sorted(Path(roost.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            for given in node.keywords if name in by_name else ():
                if given.arg == "code" and isinstance(given.value, ast.Constant) and given.value.value:
                    yield str(given.value.value), by_name[name]
