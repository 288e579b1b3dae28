"""The reconciler: makes what runs equal to what is wanted. One for every runtime, level-triggered.

It looks at intent and at what the runtime sees, and closes the difference one workload at a time; it remembers
nothing that it could not see again after a crash. A missing row or an empty list never ends or removes anything:
what runs without a row is reported, and ended only when its row says stopped or deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from roost.control.ledger import Ledger
from roost.control.live import Live
from roost.control.status import Status, derive, lost, unfinished
from roost.control.workqueue import WorkQueue
from roost.model.errors import InvalidInput, NotFound, Refused, RoostError, Unavailable
from roost.model.lifecycle import Observed, Phase, Wanted
from roost.model.names import is_id
from roost.model.workload import Workload
from roost.runtimes.base import Runtime
from roost.services.workloads import part_counts, renew
from roost.store.database import Store
from roost.store.rows import WorkloadRow

log = logging.getLogger(__name__)

PERIOD_S = 3.0  # between looks when nothing happens
FULL_PERIOD_S = 60.0  # between looks at everything, not only at what should run or does
AT_ONCE = 64  # workloads acted on at the same time
_QUIET_S = 0.01  # news that come together are looked at together
_UNAVAILABLE_RETRY_S = 1.0
_RENEWALS, _RENEWAL_WINDOW_S = 3, 600.0
_WORKLOAD_IDS = ("ws", "cl", "ap", "jb")
_FINAL = (InvalidInput, NotFound, Refused)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a workload could not be started at this generation; a final one is not tried again."""

    generation: int
    message: str
    final: bool


class Reconciler:
    """Makes runtime equal intent. `render` makes the full workload of a row (secrets included), in a store thread."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        render: Callable[[WorkloadRow], Workload],
        live: Live,
        *,
        prepare: Callable[[Workload], Awaitable[None]] | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.store = store
        self.runtime = runtime
        self.live = live
        self.queue = WorkQueue(self.bring_closer, workers=AT_ONCE)
        self.seen: Mapping[str, Observed] = {}
        self.ready = asyncio.Event()  # set after the first look
        self._ledger = Ledger(store, now_us)
        self._render = render
        self._prepare = prepare
        self._now_us = now_us
        self._look = asyncio.Event()
        self._unsettled: set[str] = set()
        self._troubles: dict[str, Trouble] = {}
        self._renewed: dict[str, list[float]] = {}
        self._replaced: dict[str, tuple[int, float]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self._loop = asyncio.get_running_loop()
        unlisten = self.store.listen(self._committed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.queue.run())
                group.create_task(self._watch())
        finally:
            unlisten()
            self.queue.close()

    def wake(self, ids: Iterable[str] = ()) -> None:
        """Look now; at these workloads even where nothing seems to differ."""
        for id in ids:
            self._unsettled.add(id)
            self.queue.add(id)
        self._look.set()

    def _committed(self, changed: frozenset[str]) -> None:
        ids = [id for id in changed if is_id(id) and id[:2] in _WORKLOAD_IDS]
        if ids and not self._ledger.writing_here and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.wake, ids)

    async def _watch(self) -> None:
        """Look again after each change of the runtime or the store, and every few seconds."""
        change: asyncio.Task[bool] | None = None
        looked_at_all = -FULL_PERIOD_S
        try:
            while True:
                full = time.monotonic() - looked_at_all >= FULL_PERIOD_S
                if await self._try_look(full=full):
                    self.ready.set()
                    looked_at_all = time.monotonic() if full else looked_at_all
                    change = change or asyncio.create_task(self.runtime.wait_change(PERIOD_S))
                    change = await self._wait(change)
                else:
                    await asyncio.sleep(_UNAVAILABLE_RETRY_S)
        finally:
            if change is not None:
                change.cancel()

    async def _wait(self, change: asyncio.Task[bool]) -> asyncio.Task[bool] | None:
        """Wait for news; gives back the runtime's wait while it still waits."""
        told = asyncio.create_task(self._look.wait())
        try:
            await asyncio.wait({change, told}, timeout=PERIOD_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        await asyncio.sleep(_QUIET_S)
        self._look.clear()
        if not change.done():
            return change
        with contextlib.suppress(RoostError):
            change.result()
        return None

    async def _try_look(self, *, full: bool) -> bool:
        try:
            await self.look(full=full)
        except RoostError as error:
            log.warning("cannot look at the workloads: %s", error.message)
            return False
        except Exception:
            log.exception("looking at the workloads failed unexpectedly")
            return False
        return True

    async def look(self, *, full: bool = True) -> None:
        """Compare everything once: queue what needs a hand, write down what people should see."""
        named, self._unsettled = self._unsettled, set()
        try:
            self.seen = seen = await self.runtime.observe()
            rows = await self.store.run(self._ledger.rows, seen, named, full=full)
            stale: list[tuple[WorkloadRow, Status]] = []
            for row in rows.values():
                status = self._status(row, seen.get(row.id))
                if self._needs_hand(row, status, seen.get(row.id)):
                    self._unsettled.add(row.id)
                    self._queue(row, seen.get(row.id))
                if self._ledger.differs(row, status):
                    self._unsettled.add(row.id)
                    stale.append((row, status))
            if full:
                self._report_strangers(id for id in seen if id not in rows)
            if stale:
                await self.store.run(self._ledger.write, stale)
        except BaseException:
            self._unsettled |= named
            raise

    def _status(self, row: WorkloadRow, seen: Observed | None) -> Status:
        status = derive(row, part_counts(row), seen)
        trouble = self._troubles.get(row.id)
        if trouble is None or status.phase is not Phase.STARTING or trouble.generation != row.generation:
            return status
        return Status(phase=Phase.FAILED if trouble.final else Phase.STARTING, reason=trouble.message)

    def _needs_hand(self, row: WorkloadRow, status: Status, seen: Observed | None) -> bool:
        alive = seen is not None and bool(seen.alive)
        if row.wanted is Wanted.DELETED:
            return seen is not None
        if row.wanted is Wanted.STOPPED:
            return alive
        if status.phase is Phase.FAILED:
            return alive or (self._may_renew(row.id) and lost(row.generation, part_counts(row), seen))
        return unfinished(row.generation, part_counts(row), seen)

    def _queue(self, row: WorkloadRow, seen: Observed | None) -> None:
        """Queue at once; but workers that keep ending are replaced ever more slowly."""
        if self.queue.holds(row.id):
            return
        ended = seen is not None and any(i.exit is not None and i.index > 0 for i in seen.instances)
        if not ended or row.wanted is not Wanted.RUNNING:
            self.queue.add(row.id)
            return
        count, at = self._replaced.get(row.id, (0, 0.0))
        now = time.monotonic()
        count = 1 if now - at > 120 else count + 1
        self._replaced[row.id] = (count, now)
        self.queue.add_later(row.id, min(30.0, 0.05 * 2.0 ** min(count - 1, 20)))

    async def bring_closer(self, id: str) -> None:
        """Do the next thing for one workload: start, end or forget. Safe to repeat at any time."""
        row = await self.store.run(self._ledger.row, id)
        seen = self.seen.get(id)
        if row is None:
            return
        if row.wanted is Wanted.RUNNING:
            await self._run(row, seen)
        elif seen is not None and seen.alive:
            await self.runtime.delete(id)
            self._look.set()
        elif seen is not None and row.wanted is Wanted.DELETED:
            await self.runtime.forget(id)
            self._look.set()

    async def _run(self, row: WorkloadRow, seen: Observed | None) -> None:
        wanted = part_counts(row)
        phase = derive(row, wanted, seen).phase
        if phase is Phase.FAILED:
            if self._may_renew(row.id) and lost(row.generation, wanted, seen):
                self._renewed.setdefault(row.id, []).append(time.monotonic())
                reason = "It ended without having been asked to, so it is started again."
                await self.store.run(renew, self.store, row.id, row.generation, now_us=self._now_us(), reason=reason)
            elif seen is not None and seen.alive:
                await self.runtime.delete(row.id)  # without its first part the rest is of no use
                self._look.set()
            return
        trouble = self._troubles.get(row.id)
        if trouble is not None and trouble.final and trouble.generation == row.generation:
            return
        if unfinished(row.generation, wanted, seen):
            await self._apply(row)

    async def _apply(self, row: WorkloadRow) -> None:
        try:
            workload = await self.store.run(self._render, row)
            if self._prepare is not None:
                await self._prepare(workload)
            await self.runtime.apply(workload)
            self._troubles.pop(row.id, None)
        except RoostError as error:
            message = f"{error.message} {error.hint}".strip()
            self._troubles[row.id] = Trouble(row.generation, message, isinstance(error, _FINAL))
            if isinstance(error, Unavailable):  # something is being prepared: ask again soon
                self.queue.add_later(row.id, _UNAVAILABLE_RETRY_S)
            elif not isinstance(error, _FINAL):
                raise
        except Exception as error:
            self._troubles[row.id] = Trouble(row.generation, f"Starting failed unexpectedly: {error}.", final=False)
            raise
        finally:
            self._look.set()

    def _may_renew(self, id: str) -> bool:
        since = time.monotonic() - _RENEWAL_WINDOW_S
        recent = self._renewed[id] = [at for at in self._renewed.get(id, ()) if at > since]
        return len(recent) < _RENEWALS

    def _report_strangers(self, ids: Iterable[str]) -> None:
        strangers = frozenset(ids)
        for id in sorted(strangers - self.live.strangers):
            log.warning("%s is known to the runtime but not to the database; it is left alone", id)
        self.live.strangers = strangers
