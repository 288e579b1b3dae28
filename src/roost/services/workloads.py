"""What people do with workspaces and clusters. Each function is one transaction with its audit row.

Only intent is written here; the reconciler makes it true. Nothing is decided from the stored phase, except whether
a person who says "start" to something that failed means a new attempt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from roost.model.errors import Conflict, InvalidInput, NotFound
from roost.model.lifecycle import Phase, Wanted
from roost.model.names import ENTROPY_BYTES, IdKind, checked_name, id_kind, is_id, new_id, printable
from roost.model.specs import ClusterSpec, Spec, WorkspaceSpec, parse_spec
from roost.model.workload import Kind
from roost.services import audit
from roost.store import idempotency, volumes, workloads
from roost.store.billing import Rate
from roost.store.database import Store, Transaction
from roost.store.paging import Page
from roost.store.rows import VolumeRow, WorkloadRow

HOUR_US = 3600 * 1_000_000
LAB, SCHEDULER, WORKER = "lab", "scheduler", "worker"  # names of parts
MAX_EXTEND_HOURS = 7 * 24
ID_KINDS: Mapping[Kind, IdKind] = {Kind.WORKSPACE: IdKind.WORKSPACE, Kind.CLUSTER: IdKind.CLUSTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who does something ("" = the platform itself), and when; `via` is the session or token used."""

    person: str
    now_us: int
    name: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What makes a repeated create harmless: the client's key and a hash of the body."""

    route: str
    key: str
    body_hash: str


def fresh_id(kind: Kind) -> str:
    """A new id for a workload of this kind."""
    return new_id(ID_KINDS[kind], os.urandom(ENTROPY_BYTES))


def create(
    store: Store,
    by: By,
    name: str,
    spec: Spec,
    *,
    id: str = "",
    retry: Retry | None = None,
    seal: Callable[[Transaction, str], None] | None = None,
) -> tuple[WorkloadRow, bool]:
    """Make a workload that should run; returns it, and whether it is new (False: the retry of an earlier create).

    `seal` writes the secrets it begins with, in the same transaction.
    """
    kind = Kind(spec.kind)
    shown = checked_name(name)
    with store.write() as tx:
        if retry is not None:
            made = idempotency.recall(tx, by.person, retry.route, retry.key, retry.body_hash)
            if made is not None:
                return _known(workloads.by_id(tx, made), kind, made), False
        _check_free(tx, by.person, kind, shown)
        row = WorkloadRow(
            id=id or fresh_id(kind),
            owner=by.person,
            kind=kind,
            name=shown,
            spec=spec_json(spec),
            spec_version=1,
            wanted=Wanted.RUNNING,
            generation=1,
            created_us=by.now_us,
            changed_us=by.now_us,
            volume=_volume(tx, by, spec, shown) if isinstance(spec, WorkspaceSpec) else None,
            phase=Phase.STARTING,
            phase_since_us=by.now_us,
        )
        workloads.add(tx, row)
        if seal is not None:
            seal(tx, row.id)
        if retry is not None:
            idempotency.remember(tx, by.person, retry.route, retry.key, retry.body_hash, row.id, now_us=by.now_us)
        _record(tx, by, row, "create", phase=Phase.STARTING, reason="Created.", detail={"name": shown})
        return row, True


def find(store: Store, owner: str, kind: Kind, reference: str) -> WorkloadRow:
    """By id (anybody's, deleted ones too) or by the owner's name for it."""
    with store.read() as tx:
        return _known(workloads.find(tx, owner, kind, reference), kind, reference)


def by_id(store: Store, id: str) -> WorkloadRow:
    """By id, whoever owns it. Raises `NotFound`."""
    with store.read() as tx:
        return _known(workloads.by_id(tx, id), None, id)


def page(store: Store, kind: Kind, **filters: Any) -> Page[WorkloadRow]:
    """A page of workloads, newest first; the filters are those of `roost.store.workloads.page`."""
    with store.read() as tx:
        return workloads.page(tx, kind, **filters)


def start(store: Store, by: By, id: str, *, safe_mode: bool | None = None) -> WorkloadRow:
    """Have it run. Of one that runs nothing changes; of one that failed this is a new attempt."""

    def change(row: WorkloadRow) -> Mapping[str, Any]:
        same_mode = safe_mode is None or row.kind is not Kind.WORKSPACE or row.spec.get("safe_mode", False) == safe_mode
        if row.wanted is Wanted.RUNNING and row.phase is not Phase.FAILED and same_mode:
            return {}
        spec = row.spec if same_mode else {**row.spec, "safe_mode": safe_mode}
        return {**_afresh(row), "spec": spec}

    return _change(store, by, id, "start", change)


def stop(store: Store, by: By, id: str, *, reason: str = "") -> WorkloadRow:
    """Have it stop; its volume stays. Harmless when it is stopped."""

    def change(row: WorkloadRow) -> Mapping[str, Any]:
        if row.wanted is not Wanted.RUNNING:
            return {}
        who = f"Stopped by {by.name}." if by.name else "Stopped."
        return {"wanted": Wanted.STOPPED, "reason": reason or who, **_ending(row)}

    return _change(store, by, id, "stop", change)


def restart(store: Store, by: By, id: str) -> WorkloadRow:
    """Have it started afresh, whatever it does now."""
    return _change(store, by, id, "restart", _afresh)


def renew(store: Store, id: str, generation: int, *, now_us: int, reason: str) -> None:
    """Have one started again that vanished at this generation; harmless when somebody was faster."""
    with store.write() as tx:
        row = workloads.by_id(tx, id)
        if row is None or row.wanted is not Wanted.RUNNING or row.generation != generation:
            return
        workloads.change(tx, id, {"generation": generation + 1})
        _record(tx, By(person="", now_us=now_us), row, "renew", reason=reason)


def alter(
    store: Store, by: By, id: str, *, name: str | None = None, edit: Callable[[Spec], Spec] | None = None
) -> WorkloadRow:
    """Give it another name and change what it asks for: both that are asked, or nothing."""
    shown = checked_name(name) if name is not None else None
    with store.write() as tx:
        row = _present(tx, id)
        if edit is not None:
            row = _changed(tx, by, row, "respecify", _respecified(row, edit))
        return row if shown is None else _renamed(tx, by, row, shown)


def rename(store: Store, by: By, id: str, name: str) -> WorkloadRow:
    """Give it another name; nothing else notices."""
    return alter(store, by, id, name=name)


def respecify(store: Store, by: By, id: str, edit: Callable[[Spec], Spec]) -> WorkloadRow:
    """Change what it asks for; a stopped one only, because a running one could not follow without a restart."""
    return alter(store, by, id, edit=edit)


def scale(store: Store, by: By, id: str, workers: int) -> WorkloadRow:
    """Change the number of workers of a cluster; running ones stay."""

    def change(row: WorkloadRow) -> Mapping[str, Any]:
        spec = spec_of(row)
        if not isinstance(spec, ClusterSpec):
            raise InvalidInput(f"{row.name} has no workers.", subject=row.name, field="workers")
        wanted = spec_json(parse_spec({**spec_json(spec), "workers": workers}))
        return {} if wanted == row.spec else {"spec": wanted}

    return _change(store, by, id, "scale", change)


def extend(store: Store, by: By, id: str, hours: float) -> WorkloadRow:
    """Do not stop it for being idle before so many hours have passed."""
    if not 0 < hours <= MAX_EXTEND_HOURS:
        raise InvalidInput(f"hours is {hours:g}.", field="hours", hint=f"Use more than 0, at most {MAX_EXTEND_HOURS}.")
    until_us = by.now_us + int(hours * HOUR_US)
    return _change(
        store, by, id, "extend", lambda row: {"keep_running_until_us": max(until_us, row.keep_running_until_us or 0)}
    )


def delete(store: Store, by: By, id: str, *, keep_s: int) -> WorkloadRow:
    """Put it into the bin: it stops; its volume is kept and both can be restored. Harmless when it is there."""
    with store.write() as tx:
        row = _known(workloads.by_id(tx, id), None, id)
        if row.deleted_us is not None:
            return row
        kept = {"deleted_us": by.now_us, "keep_until_us": by.now_us + keep_s * 1_000_000}
        values = {**kept, "wanted": Wanted.DELETED, "changed_us": by.now_us, "reason": "Deleted.", **_ending(row)}
        workloads.change(tx, id, values)
        if row.volume is not None and _user_beside(tx, row) is None:
            volumes.change(tx, row.volume, kept)
        _record(tx, by, row, "delete", phase=values.get("phase"), reason="Deleted.")
        return replace(row, **values)


def restore(store: Store, by: By, id: str) -> WorkloadRow:
    """Take it out of the bin, stopped; its volume comes with it."""
    with store.write() as tx:
        row = _known(workloads.by_id(tx, id), None, id)
        if row.deleted_us is None:
            return row
        volume = volumes.by_id(tx, row.volume) if row.volume else None
        if volume is not None and (volume.destroyed_us is not None or volume.destroy_wanted_us is not None):
            raise Conflict(
                f"The volume of {row.name} was destroyed.",
                subject=row.name,
                code="volume-destroyed",
                hint="Create a new workspace.",
            )
        _check_volume_free(tx, row)
        _check_free(tx, row.owner, row.kind, row.name, but=id)
        back: dict[str, Any] = {"deleted_us": None, "keep_until_us": None}
        values: dict[str, Any] = {**back, "wanted": Wanted.STOPPED, "changed_us": by.now_us, "reason": "Restored."}
        workloads.change(tx, id, values)
        if volume is not None:
            volumes.change(tx, volume.id, back)
        _record(tx, by, row, "restore", reason="Restored.")
        return replace(row, **values)


def _user_beside(tx: Transaction, row: WorkloadRow) -> WorkloadRow | None:
    """Another workload that is not deleted and has the same home."""
    return workloads.by_volume(tx, row.volume, but=row.id) if row.volume else None


def _check_volume_free(tx: Transaction, row: WorkloadRow) -> None:
    """A home belongs to one workspace at a time."""
    user = _user_beside(tx, row)
    if user is not None:
        raise Conflict(
            f"The volume of {row.name} is the home of {user.name} now.",
            subject=row.name,
            code="volume-in-use",
            hint=f"Delete {user.name} first, or create a new workspace.",
        )


def spec_of(row: WorkloadRow) -> Spec:
    """What was asked, parsed back from the row."""
    return parse_spec({"kind": row.kind.value, **row.spec})


def part_counts(row: WorkloadRow) -> dict[str, int]:
    """The parts of a workload and how many instances of each are wanted, the leading part first."""
    if row.kind is Kind.CLUSTER:
        return {SCHEDULER: 1, WORKER: int(row.spec.get("workers", 0))}
    return {LAB: 1}


def billed(row: WorkloadRow) -> Rate:
    """What running it costs: nothing, on this machine."""
    count = int(row.spec.get("workers", 0)) if row.kind is Kind.CLUSTER else 1
    size = str(row.spec.get("environment", {}).get("size", ""))
    return Rate(owner=row.owner, size=size, count=count, hourly_micro_usd=0, price_source="this machine")


def spec_json(spec: Spec) -> dict[str, Any]:
    """A spec as it is stored and shown."""
    return asdict(spec)


# The phase is told to people at once, so that nobody who waits is answered with the state from before.
def _afresh(row: WorkloadRow) -> dict[str, Any]:
    return {
        "wanted": Wanted.RUNNING,
        "generation": row.generation + 1,
        "reason": "",
        "phase": Phase.STARTING,
        "started_us": None,
    }


def _ending(row: WorkloadRow) -> dict[str, Any]:
    return {"phase": Phase.STOPPING} if row.phase in (Phase.RUNNING, Phase.STARTING) else {}


def _change(
    store: Store, by: By, id: str, action: str, change: Callable[[WorkloadRow], Mapping[str, Any]]
) -> WorkloadRow:
    """Apply a change of intent to one that is not deleted, with its history; an empty change leaves no trace."""
    with store.write() as tx:
        row = _present(tx, id)
        return _changed(tx, by, row, action, change(row))


def _changed(tx: Transaction, by: By, row: WorkloadRow, action: str, change: Mapping[str, Any]) -> WorkloadRow:
    if not change:
        return row
    values = {**change, "changed_us": by.now_us}
    if "phase" in values:
        values["phase_since_us"] = by.now_us
    workloads.change(tx, row.id, values)
    _record(tx, by, row, action, phase=values.get("phase"), reason=str(values.get("reason") or ""))
    return replace(row, **values)


def _renamed(tx: Transaction, by: By, row: WorkloadRow, name: str) -> WorkloadRow:
    if row.name == name:
        return row
    _check_free(tx, row.owner, row.kind, name, but=row.id)
    workloads.change(tx, row.id, {"name": name, "changed_us": by.now_us})
    _record(tx, by, row, "rename", reason=f"Renamed from {row.name}.", detail={"from": row.name, "to": name})
    return replace(row, name=name, changed_us=by.now_us)


def _respecified(row: WorkloadRow, edit: Callable[[Spec], Spec]) -> Mapping[str, Any]:
    spec = spec_json(edit(spec_of(row)))
    if spec == row.spec:
        return {}
    if row.wanted is Wanted.RUNNING and row.phase is not Phase.FAILED:
        raise Conflict(
            f"{row.name} is running; its size and settings can be changed while it is stopped.",
            subject=row.name,
            code="not-stopped",
            hint="Stop it first.",
        )
    return {"spec": spec}


def log(tx: Transaction, by: By, action: str, subject: str, **detail: Any) -> None:
    """Write the audit row of a change."""
    if by.via:
        detail["by"] = by.via
    audit.record(tx, action, subject, actor=by.person or audit.PLATFORM, now_us=by.now_us, **detail)


def _record(
    tx: Transaction,
    by: By,
    row: WorkloadRow,
    action: str,
    *,
    phase: Phase | None = None,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    shown = {"action": action, **(detail or {})}
    workloads.happened(
        tx, row.id, now_us=by.now_us, what="intent", phase=phase, reason=reason, actor=by.person, detail=shown
    )
    log(tx, by, f"{row.kind.value}.{action}", row.id, **(detail or {}))


def missing(what: str, reference: str) -> NotFound:
    """What is said of something that is not there, and in the same words of something that is somebody else's."""
    shown = printable(reference, 60)
    return NotFound(f'There is no {what} "{shown}".', subject=shown, hint=f"`roost {what} list` shows yours.")


def _known(row: WorkloadRow | None, kind: Kind | None, reference: str) -> WorkloadRow:
    if row is None:
        raise missing(kind.value if kind else _kind_of(reference), reference)
    return row


def _kind_of(id: str) -> str:
    kind = id_kind(id)
    return next((known.value for known, begins in ID_KINDS.items() if begins is kind), Kind.WORKSPACE.value)


def _present(tx: Transaction, id: str) -> WorkloadRow:
    row = _known(workloads.by_id(tx, id), None, id)
    if row.deleted_us is not None:
        raise Conflict(f"{row.name} is deleted.", subject=row.name, code="deleted", hint="Restore it first.")
    return row


def _check_free(tx: Transaction, owner: str, kind: Kind, name: str, but: str = "") -> None:
    taken = workloads.by_name(tx, owner, kind, name)
    if taken is not None and taken.id != but:
        raise Conflict(
            f"There is a {kind.value} named {taken.name!r} already.",
            subject=taken.name,
            code="name-exists",
            field="name",
            hint="Choose another name; names differ in more than case and spaces.",
        )


def _volume(tx: Transaction, by: By, spec: WorkspaceSpec, name: str) -> str:
    """The home volume: the one asked for, checked, or a new one."""
    if not spec.volume:
        id = new_id(IdKind.VOLUME, os.urandom(ENTROPY_BYTES))
        volumes.add(tx, VolumeRow(id=id, owner=by.person, name=name, created_us=by.now_us))
        return id
    row = volumes.by_id(tx, spec.volume) if is_id(spec.volume) else None
    if row is None or row.owner != by.person or row.destroyed_us is not None:
        raise InvalidInput(
            f"There is no volume {spec.volume!r} of yours.",
            subject=spec.volume,
            field="spec.volume",
            hint="Leave it out for a new one, or use an id from `roost volume list`.",
        )
    if row.deleted_us is not None:
        raise Conflict(
            f"The volume {row.name} is deleted.", subject=row.id, field="spec.volume", hint="Restore it first."
        )
    user = workloads.by_volume(tx, row.id)
    if user is not None:
        raise Conflict(
            f"The volume {row.name} is the home of {user.name}.",
            subject=row.id,
            field="spec.volume",
            hint="Delete that workspace first, or leave the volume out for a new one.",
        )
    return row.id
