"""News of workloads for pages and long polls: one poller of the transitions, shared by all subscribers.

A commit of this process wakes it at once; those of others are seen within a second. A subscriber that does not
keep up loses news, and is told so, rather than holding back the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from roost.store import workloads
from roost.store.database import Store
from roost.store.rows import WorkloadRow

POLL_S = 1.0
BACKLOG = 256


@dataclass(frozen=True, slots=True)
class News:
    """A workload as it is after transition `number`; `usage` news carry no transition and no row."""

    number: int
    id: str
    owner: str
    row: WorkloadRow | None = None
    usage: bool = False


@dataclass(eq=False, slots=True)
class Subscriber:
    """Somebody who wants the news of one owner (None = all), or of one workload."""

    owner: str | None = None
    id: str | None = None
    news: asyncio.Queue[News] = field(default_factory=lambda: asyncio.Queue(BACKLOG))
    behind: bool = False  # lost something: read the lists again

    def offer(self, news: News) -> None:
        """Take the news in if they are wanted."""
        if (self.owner is not None and news.owner != self.owner) or (self.id is not None and news.id != self.id):
            return
        try:
            self.news.put_nowait(news)
        except asyncio.QueueFull:
            self.behind = True


class Changes:
    """The poller and its subscribers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscribers: set[Subscriber] = set()
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.last = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        self._loop = asyncio.get_running_loop()
        self.last = await self._store.run(_last, self._store)
        end = self._store.listen(self._committed)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                self._woken.clear()
                await self._poll()
        finally:
            end()

    @contextlib.contextmanager
    def subscribed(self, *, owner: str | None = None, id: str | None = None) -> Iterator[Subscriber]:
        """Subscribe for the length of the block. Read the present state inside it, and nothing is missed."""
        subscriber = Subscriber(owner, id)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._subscribers)

    def publish(self, news: News) -> None:
        """Give news to those who want them."""
        for subscriber in self._subscribers:
            subscriber.offer(news)

    def _committed(self, _changed: frozenset[str]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _poll(self) -> None:
        self.last, rows = await self._store.run(_news, self._store, self.last, wanted=self.watched)
        for number, row in rows:
            self.publish(News(number, row.id, row.owner, row))


def _last(store: Store) -> int:
    with store.read() as tx:
        return workloads.last_transition(tx)


def _news(store: Store, last: int, *, wanted: bool) -> tuple[int, list[tuple[int, WorkloadRow]]]:
    """The number of the newest transition, and each workload with one since `last`, once."""
    with store.read() as tx:
        if not wanted:
            return workloads.last_transition(tx), []
        happened = workloads.since(tx, last)
        newest = {transition.workload: transition.id for transition in happened}
        rows = workloads.by_ids(tx, newest)
    found = [(number, rows[id]) for id, number in newest.items() if id in rows]
    return (happened[-1].id if happened else last), found
