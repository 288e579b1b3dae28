"""The small loops: usage, activity, rotation, changes, volumes; and what they keep of the present."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.control.conftest import Clock, row_of, running, until
from tests.store.making import DAY, MINUTE, NOW, person

from roost.control.activity import Activities
from roost.control.changes import BACKLOG, Changes, News
from roost.control.live import RECENT, Live, Sample
from roost.control.rotation import Rotation
from roost.control.usage import UsageLoop
from roost.control.volumes import VolumeLoop
from roost.model.access import Caller
from roost.model.errors import Unavailable
from roost.model.names import IdKind, new_id
from roost.model.specs import parse_spec
from roost.model.workload import Kind
from roost.runtimes.base import Capability, Usage
from roost.runtimes.local.owners import Owners
from roost.runtimes.local.volumes import LocalDisks
from roost.services import tokens, volumes
from roost.services import workloads as services
from roost.services.workloads import By
from roost.settings import Settings
from roost.store import usage as usage_table
from roost.store import volumes as volume_table
from roost.store.database import Store
from roost.store.rows import VolumeRow


class Seen:
    """What the loops ask of a runtime: what is used, and secret files; nothing runs."""

    capabilities = frozenset({Capability.USAGE})

    def __init__(self) -> None:
        self.used: dict[str, Usage] = {}
        self.files: dict[str, Mapping[str, bytes]] = {}
        self.away = False

    async def usage(self) -> Mapping[str, Usage]:
        return dict(self.used)

    async def write_files(self, id: str, part: str, files: Mapping[str, bytes]) -> None:
        if self.away:
            raise Unavailable("It is gone.")
        self.files[id] = files


# -- usage ----------------------------------------------------------------------------------------------------------


async def test_samples_become_shares_and_are_kept_for_charts(
    store: Store, ada: Caller, clock: Clock, tmp_path: Path
) -> None:
    volume = new_id(IdKind.VOLUME, bytes(16))
    with store.write() as tx:
        volume_table.add(tx, VolumeRow(id=volume, owner=ada.person, name="demo", created_us=NOW))
    row = running(store, ada.person, volume=volume)
    disks = LocalDisks(tmp_path, Owners(tmp_path / "owners.json", "0a1b2c3d", separate=False))
    await disks.ensure(volume, ada.person)
    (disks.path(volume) / "data").write_bytes(bytes(1 << 16))
    seen, live, changes = Seen(), Live(), Changes(store)
    loop = UsageLoop(store, seen, live, changes, clock, disks)  # type: ignore[arg-type]
    seen.used[row.id] = Usage(memory_bytes=10, memory_limit_bytes=20, cpu_seconds=5.0)
    with changes.subscribed(owner=ada.person) as mine, changes.subscribed(owner="somebody else") as theirs:
        await loop.sample()
        assert mine.news.get_nowait().usage
        assert theirs.news.empty()
    first = live.used(row.id)
    assert first is not None
    assert (first.memory_bytes, first.memory_limit_bytes, first.cpu_percent) == (10, 20, 0.0)
    assert first.disk_bytes is not None
    assert first.disk_bytes >= 1 << 16
    with store.read() as tx:
        assert [kept.memory_bytes for kept in usage_table.of(tx, row.id)] == [10]
    seen.used[row.id] = Usage(memory_bytes=11, memory_limit_bytes=20, cpu_seconds=4.0)
    await loop.sample()
    second = live.used(row.id)
    assert second is not None
    assert second.cpu_percent == 0.0, "a counter that went back is no use"
    seen.used.clear()
    await loop.sample()
    assert live.used(row.id) is None, "what ended has no present"


async def test_a_runtime_that_cannot_tell_is_not_asked(store: Store, clock: Clock) -> None:
    seen = Seen()
    seen.capabilities = frozenset()
    loop = UsageLoop(store, seen, Live(), Changes(store), clock)  # type: ignore[arg-type]
    await asyncio.wait_for(loop.run(), 5)


def test_the_present_is_bounded_and_forgets() -> None:
    live = Live()
    for at in range(RECENT + 10):
        live.sampled("a", Sample(at, 1, 2, 3.0, None))
    assert len(live.recent["a"]) == RECENT
    live.seen_active({"a": (10, 2)})
    live.seen_active({"a": (5, 1)})
    assert (live.activity["a"].last_us, live.activity["a"].connections) == (10, 1)
    live.ended("a")
    assert live.used("a") is None
    assert live.activity == {}


# -- activity -------------------------------------------------------------------------------------------------------


async def test_reports_are_written_without_news_and_survive_a_store_that_is_away(
    store: Store, ada: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = running(store, ada.person)
    activities = Activities(store, Live(), clock)
    heard: list[frozenset[str]] = []
    store.listen(heard.append)
    activities.take({"workloads": {row.id: {"last_us": clock.us + DAY, "connections": 1}}})
    with monkeypatch.context() as patched:

        def away(*_: object, **__: object) -> None:
            raise Unavailable("The database does not answer.")

        patched.setattr(store, "write", away)
        await activities.write()
    assert row_of(store, row.id).active_us is None
    await activities.write()
    assert row_of(store, row.id).active_us == clock.us, "a time in the future counts as now"
    assert all(row.id not in changed for changed in heard)
    commits = store.commits
    await activities.write()
    assert store.commits == commits, "nothing new, nothing written"


# -- rotation -------------------------------------------------------------------------------------------------------


async def test_running_workspaces_get_fresh_tokens_and_the_old_one_lasts_a_little(
    store: Store, ada: Caller, clock: Clock, tmp_path: Path
) -> None:
    row, cluster = running(store, ada.person), running(store, ada.person, Kind.CLUSTER)
    seen = Seen()
    rotation = Rotation(Settings(home=tmp_path, port=8123), store, seen, None, clock)  # type: ignore[arg-type]
    old = tokens.issue_workload_token(store, row.id, ada.person, now_us=clock.us)
    task = asyncio.create_task(rotation.run())
    await until(lambda: row.id in seen.files, "a fresh token")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert cluster.id not in seen.files
    fresh = seen.files[row.id]["token"].decode()
    assert seen.files[row.id]["url"] == b"http://127.0.0.1:8123"
    assert fresh != old
    for minutes, alive in ((1, {old, fresh}), (11, {fresh})):
        now_us = NOW + minutes * MINUTE
        assert {t for t in (old, fresh) if tokens.caller_of_token(store, t, now_us=now_us)} == alive


async def test_a_workspace_that_is_just_gone_does_not_stop_the_others(
    store: Store, ada: Caller, clock: Clock, tmp_path: Path
) -> None:
    seen = Seen()
    seen.away = True
    rotation = Rotation(Settings(home=tmp_path), store, seen, None, clock)  # type: ignore[arg-type]
    await rotation.renew(running(store, ada.person))
    assert seen.files == {}


# -- changes --------------------------------------------------------------------------------------------------------


async def test_a_subscriber_hears_of_its_own_and_one_that_falls_behind_is_told(store: Store, ada: Caller) -> None:
    bob = person(store, "Bob")
    changes = Changes(store)
    task = asyncio.create_task(changes.run())
    try:
        with (
            changes.subscribed(owner=ada.person) as mine,
            changes.subscribed() as all_of_it,
            changes.subscribed(id="another") as other,
        ):
            await asyncio.sleep(0)
            by = By(person=ada.person, name="Ada", now_us=NOW)
            spec = parse_spec({"kind": "workspace"})
            row, _ = services.create(store, by, "demo", spec)
            services.create(store, replace(by, person=bob.person, name="Bob"), "demo", spec)
            async with asyncio.timeout(5):
                news = await mine.news.get()
                heard = {(await all_of_it.news.get()).owner for _ in range(2)}
            assert (news.id, news.row and news.row.name) == (row.id, "demo")
            assert heard == {ada.person, bob.person}
            assert mine.news.empty()
            for number in range(BACKLOG + 5):
                changes.publish(News(number, row.id, ada.person))
                all_of_it.news.get_nowait()
            assert mine.behind, "it lost news and must read the lists again"
            assert not all_of_it.behind, "one that keeps up loses nothing"
            assert other.news.empty()
        assert not changes.watched
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# -- volumes --------------------------------------------------------------------------------------------------------


async def test_only_what_somebody_asked_for_is_destroyed_however_old_it_is(
    store: Store, ada: Caller, clock: Clock, tmp_path: Path
) -> None:
    disks = LocalDisks(tmp_path, Owners(tmp_path / "owners.json", "0a1b2c3d", separate=False))
    ids = {name: new_id(IdKind.VOLUME, os.urandom(16)) for name in ("used", "expired", "doomed")}
    with store.write() as tx:
        for name, id in ids.items():
            volume_table.add(tx, VolumeRow(id=id, owner=ada.person, name=name, created_us=NOW))
        volume_table.change(tx, ids["expired"], {"deleted_us": NOW, "keep_until_us": NOW + DAY})
    stranger = new_id(IdKind.VOLUME, os.urandom(16))
    for id in (*ids.values(), stranger):
        await disks.ensure(id, ada.person)
    volumes.destroy_volume(store, By(person=ada.person, now_us=NOW), ids["doomed"], confirm="doomed")
    clock.later(400 * DAY)
    task = asyncio.create_task(VolumeLoop(store, disks, clock).run())
    await until(lambda: not volumes.to_destroy(store), "the destruction")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    there = {id: await disks.exists(id) for id in (*ids.values(), stranger)}
    assert [id for id, exists in there.items() if not exists] == [ids["doomed"]]
