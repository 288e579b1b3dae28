"""Phase: derived from intent and what was seen, for every combination; reasons in people's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.lifecycle import (
    Exit,
    ExitReason,
    Instance,
    Observed,
    Phase,
    Wanted,
    explain_exit,
    phase,
    ready_count,
    reason,
    time_to_ready,
    timeline,
)

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
exits = st.builds(
    Exit,
    reason=st.sampled_from(ExitReason),
    finished_at=st.just(NOW),
    code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    peak_memory_bytes=st.none() | st.integers(0, 1 << 40),
    limit_memory_bytes=st.none() | st.integers(0, 1 << 40),
    message=st.text(max_size=20),
)
instances = st.builds(
    Instance,
    part=st.sampled_from(["lab", "scheduler", "worker", "stray"]),
    index=st.integers(0, 3),
    generation=st.integers(1, 3),
    started_at=st.just(NOW),
    ready=st.booleans(),
    exit=st.none() | exits,
    message=st.text(max_size=10),
)
observed = st.none() | st.builds(Observed, id=st.just("ws-x"), instances=st.lists(instances, max_size=6).map(tuple))
part_counts = st.dictionaries(st.sampled_from(["lab", "scheduler", "worker"]), st.integers(0, 4), max_size=3)
CLUSTER = {"scheduler": 1, "worker": 2}


def instance(
    part: str, index: int = 0, *, ready: bool = True, exit: Exit | None = None, generation: int = 1
) -> Instance:
    return Instance(part=part, index=index, generation=generation, started_at=NOW, ready=ready, exit=exit)


def seen(*instances: Instance) -> Observed:
    return Observed(id="cl-x", instances=instances)


def ended(cause: ExitReason = ExitReason.EXITED) -> Exit:
    return Exit(reason=cause, finished_at=NOW, code=1)


@given(st.sampled_from(Wanted), st.integers(1, 3), part_counts, observed)
def test_every_combination_has_a_phase_that_fits_the_intent(
    wanted: Wanted, generation: int, parts: dict[str, int], looked: Observed | None
) -> None:
    now = phase(wanted, generation, parts, looked)
    if wanted is Wanted.RUNNING:
        assert now in (Phase.STARTING, Phase.RUNNING, Phase.FAILED)
    else:
        assert now is (Phase.STOPPING if looked is not None and looked.alive else Phase.STOPPED)
    sentence = reason(now, generation, parts, looked, what="JupyterLab")
    assert sentence
    assert sentence[-1] in ".…?"


@given(part_counts, observed)
def test_what_is_of_an_older_generation_never_runs_nor_fails(parts: dict[str, int], looked: Observed | None) -> None:
    if any(parts.values()):
        assert phase(Wanted.RUNNING, 9, parts, looked) is Phase.STARTING


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        (None, Phase.STARTING),
        (seen(), Phase.STARTING),
        (seen(instance("scheduler"), instance("worker", ready=False)), Phase.STARTING),
        (seen(instance("scheduler"), instance("worker")), Phase.RUNNING),
        (seen(instance("scheduler"), instance("worker"), instance("worker", 1, exit=ended())), Phase.RUNNING),
        (seen(instance("scheduler", exit=ended()), instance("worker")), Phase.FAILED),
        (seen(instance("scheduler"), instance("worker", exit=ended())), Phase.FAILED),
        (seen(instance("scheduler", generation=2), instance("worker")), Phase.STARTING),
    ],
)
def test_a_cluster(looked: Observed | None, expected: Phase) -> None:
    assert phase(Wanted.RUNNING, 1, CLUSTER, looked) is expected


def test_a_cluster_without_workers_runs_with_its_scheduler() -> None:
    assert phase(Wanted.RUNNING, 1, {"scheduler": 1, "worker": 0}, seen(instance("scheduler"))) is Phase.RUNNING


def test_ready_workers_are_counted_and_said() -> None:
    looked = seen(instance("scheduler"), instance("worker"), instance("worker", 1, ready=False))
    assert ready_count("worker", 1, looked) == 1
    assert reason(Phase.RUNNING, 1, CLUSTER, looked, what="The cluster") == "1 of 2 workers ready."


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (
            Exit(
                reason=ExitReason.OUT_OF_MEMORY,
                finished_at=NOW,
                peak_memory_bytes=4_187_593_113,
                limit_memory_bytes=4 << 30,
            ),
            "Stopped at 3.9 of 4.0 GB: the memory limit.",
        ),
        (Exit(reason=ExitReason.OUT_OF_MEMORY, finished_at=NOW), "Stopped: the memory limit."),
        (Exit(reason=ExitReason.EXITED, finished_at=NOW, code=3), "Ended by itself with code 3; the log may say why."),
        (Exit(reason=ExitReason.EXITED, finished_at=NOW, code=0), "Ended by itself with code 0."),
        (Exit(reason=ExitReason.SIGNALLED, finished_at=NOW, signal=9), "Ended, not by itself (kill)"),
        (Exit(reason=ExitReason.STOPPED, finished_at=NOW), "Stopped, as asked."),
        (Exit(reason=ExitReason.LOST, finished_at=NOW), "Ended without a trace: the machine was probably restarted."),
        (
            Exit(reason=ExitReason.NOT_STARTED, finished_at=NOW, message="the image is missing"),
            "Could not be started: the image is missing.",
        ),
    ],
)
def test_how_things_end_in_words(ending: Exit, said: str) -> None:
    assert explain_exit(ending).startswith(said)


@given(exits)
def test_every_ending_is_one_readable_text_without_the_words_of_mechanisms(ending: Exit) -> None:
    text = explain_exit(ending, what="JupyterLab")
    assert text.startswith("JupyterLab ")
    for word in ("None", "kernel", "OOM", "SIGKILL", "pod"):
        assert word not in text.replace(ending.message, "")


moments = st.lists(
    st.tuples(st.integers(-500, 500).map(lambda s: NOW + timedelta(seconds=s)), st.sampled_from(Phase)), max_size=12
)


@given(moments, st.integers(-600, 600))
def test_a_timeline_has_no_gap_no_overlap_and_nothing_negative(
    transitions: list[tuple[datetime, Phase]], later_s: int
) -> None:
    now = NOW + timedelta(seconds=later_s)
    spans = timeline(transitions, now)
    assert bool(spans) == bool(transitions)
    for before, after in pairwise(spans):
        assert before.until == after.since
        assert before.phase is not after.phase
    assert all(span.duration >= timedelta() for span in spans)
    if spans:
        assert spans[-1].until is None
        assert sum((s.duration for s in spans), timedelta()) == max(now, spans[-1].since) - spans[0].since


def test_how_long_the_last_start_took() -> None:
    def at(seconds: int) -> datetime:
        return NOW + timedelta(seconds=seconds)

    spans = timeline([(at(0), Phase.STARTING), (at(3), Phase.RUNNING), (at(9), Phase.STOPPED)], at(20))
    assert time_to_ready(spans) == timedelta(seconds=3)
    assert time_to_ready(spans[:1]) is None
