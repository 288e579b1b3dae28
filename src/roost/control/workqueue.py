"""A queue of keys to look at: each key once however often it is added, never twice at a time, later after a failure.

It holds no work, only keys: the handler looks at the present state of a key and brings it one step further. That
is what makes a lost or repeated key harmless.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from roost.model.errors import RoostError

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 30.0


def backoff_s(failures: int, fraction: float) -> float:
    """How long to wait after so many failures in a row; `fraction` is random, 0 to 1 (full jitter, half guaranteed).

    >>> [backoff_s(n, 1.0) for n in (1, 2, 3, 20)]
    [0.2, 0.4, 0.8, 30.0]
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 30))
    return longest / 2 + longest / 2 * fraction


class WorkQueue:
    """Runs `handle(key)` for added keys, at most `workers` at a time."""

    def __init__(
        self,
        handle: Callable[[str], Awaitable[None]],
        *,
        workers: int = 16,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._handle = handle
        self._jitter = jitter
        self._workers = workers
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}

    def add(self, key: str) -> None:
        """Have the key looked at as soon as possible; a waiting delay of it is cut short."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._waiting.put_nowait(key)

    def add_later(self, key: str, delay_s: float) -> None:
        """Have the key looked at after a while, unless it is waiting already."""
        if key not in self._timers and key not in self._queued:
            self._timers[key] = asyncio.get_running_loop().call_later(delay_s, self.add, key)

    def holds(self, key: str) -> bool:
        """Whether the key is waiting (also for the end of a delay) or being looked at."""
        return key in self._queued or key in self._running or key in self._timers

    def failures(self, key: str) -> int:
        """How often in a row the key has failed."""
        return self._failures.get(key, 0)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def close(self) -> None:
        """Forget all delays."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _work(self) -> None:
        while True:
            key = await self._waiting.get()
            self._queued.discard(key)
            self._running.add(key)
            failed = True
            try:
                await self._handle(key)
                failed = False
            except RoostError as error:
                log.warning("%s: %s (%s)", key, error.message, error.code)
            except Exception:
                log.exception("%s: unexpected failure", key)
            finally:
                self._running.discard(key)
            self._settle(key, failed=failed)

    def _settle(self, key: str, *, failed: bool) -> None:
        again = key in self._again
        self._again.discard(key)
        if not failed:
            self._failures.pop(key, None)
            if again:
                self.add(key)
            return
        count = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_later(key, backoff_s(count, self._jitter()))
