"""What happened to a workload, as pages tell it: events in words, phases in time, the steps of a start. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from roost.model.lifecycle import Phase, Span, timeline
from roost.model.workload import Kind
from roost.store.rows import TransitionRow, moment
from roost.web.choices import SHOWN_SPANS
from roost.web.views import EventView, StepView, WorkloadView
from roost.web.words import PHASE_WORDS

SHOWN_EVENTS = 100
#: What a person did -> how the list of events says it.
_DONE: Mapping[str, str] = {
    "create": "Created",
    "start": "Started",
    "stop": "Stop asked for",
    "restart": "Restarted",
    "renew": "Started again",
    "rename": "Renamed",
    "respecify": "Settings changed",
    "scale": "Scaled",
    "extend": "Kept longer",
    "delete": "Moved to the bin",
    "restore": "Restored",
}
_PROGRAMS = {Kind.WORKSPACE: "JupyterLab", Kind.CLUSTER: "The scheduler"}


def events(happened: Sequence[TransitionRow], names: Mapping[str, str]) -> list[EventView]:
    """The newest first; `names` are of the people who did something."""
    return [_event(row, names.get(row.actor, "")) for row in reversed(happened[-SHOWN_EVENTS:])]


def _event(row: TransitionRow, actor: str) -> EventView:
    action = str(row.detail.get("action", ""))
    if action:
        text = _DONE.get(action, action.capitalize())
        detail = "" if row.reason.rstrip(".") in ("", text) or row.reason == f"Stopped by {actor}." else row.reason
        return EventView(at=moment(row.at_us), text=text, detail=detail, actor=actor)
    text = PHASE_WORDS[row.phase] if row.phase is not None else "Changed"
    return EventView(at=moment(row.at_us), text=text, detail=row.reason, phase=row.phase, actor=actor)


def spans(happened: Sequence[TransitionRow], now: datetime) -> tuple[Span, ...]:
    """The last phases and how long each lasted."""
    phases = [(moment(row.at_us), row.phase) for row in happened if row.phase is not None]
    return timeline(phases, now)[-SHOWN_SPANS:]


def steps(item: WorkloadView, now: datetime) -> list[StepView]:
    """What a start goes through; the step under way has been so since the phase began."""
    program = _PROGRAMS.get(item.kind, "The program")
    took = now - item.since
    if item.phase is Phase.RUNNING:
        return [
            StepView(text="A place on this machine", state="done"),
            StepView(text=f"{program} answers", state="done", took=took),
        ]
    if item.phase is Phase.FAILED:
        return [
            StepView(text="A place on this machine", state="done"),
            StepView(text=item.reason, state="failed"),
        ]
    if item.phase is Phase.STARTING:
        return [
            StepView(text="A place on this machine", state="done"),
            StepView(text=item.reason or f"{program} is starting.", state="now", since=item.since),
            StepView(text="It opens by itself", state="todo"),
        ]
    return [StepView(text=item.reason or f"{PHASE_WORDS[item.phase]}.", state="todo")]
