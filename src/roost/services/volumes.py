"""The disks of people. A volume is destroyed only when somebody asks for it by name; nothing else removes files."""

from __future__ import annotations

from collections.abc import Sequence

from roost.model.errors import Conflict, InvalidInput
from roost.model.lifecycle import Phase
from roost.services import workloads as services
from roost.services.workloads import By
from roost.store import volumes, workloads
from roost.store.database import Store, Transaction
from roost.store.rows import VolumeRow, WorkloadRow


def list_volumes(store: Store, owner: str | None) -> Sequence[tuple[VolumeRow, WorkloadRow | None]]:
    """Volumes with the workspace that has each one as its home; `owner` None = everybody's."""
    with store.read() as tx:
        return [(row, workloads.by_volume(tx, row.id)) for row in volumes.all_of(tx, owner)]


def get_volume(store: Store, id: str) -> VolumeRow:
    """One volume. Raises `NotFound`."""
    with store.read() as tx:
        return _known(tx, id)


def restore_volume(store: Store, by: By, id: str) -> VolumeRow:
    """Take a volume out of the bin. Harmless when it is not there."""
    with store.write() as tx:
        row = _known(tx, id)
        if row.destroy_wanted_us is not None:
            raise Conflict(f"The volume {row.name} is being destroyed.", subject=row.name, code="volume-destroyed")
        if row.deleted_us is not None:
            volumes.change(tx, id, {"deleted_us": None, "keep_until_us": None})
            services.log(tx, by, "volume.restore", id, name=row.name)
        return _known(tx, id)


def destroy_volume(store: Store, by: By, id: str, *, confirm: str) -> VolumeRow:
    """Have a volume that nothing uses removed for ever; `confirm` repeats its name."""
    with store.write() as tx:
        row = _known(tx, id)
        if confirm != row.name:
            raise InvalidInput(
                f"confirm is {confirm!r}, not the name of the volume.",
                subject=row.name,
                field="confirm",
                hint=f"Repeat the name exactly: {row.name}",
            )
        user = workloads.by_volume(tx, id)
        if user is not None:
            raise Conflict(
                f"The volume {row.name} is the home of {user.name}.",
                subject=row.name,
                code="volume-in-use",
                hint="Delete that workspace first.",
            )
        if row.destroy_wanted_us is None:
            volumes.change(tx, id, {"destroy_wanted_us": by.now_us, "deleted_us": row.deleted_us or by.now_us})
            services.log(tx, by, "volume.destroy", id, name=row.name)
        return _known(tx, id)


def to_destroy(store: Store) -> Sequence[VolumeRow]:
    """Volumes whose destruction was asked for and is not done, and that nothing writes to any more."""
    with store.read() as tx:
        return [row for row in volumes.to_destroy(tx) if _at_rest(workloads.last_of_volume(tx, row.id))]


def _at_rest(user: WorkloadRow | None) -> bool:
    return user is None or user.phase in (Phase.STOPPED, Phase.FAILED)


def destroyed(store: Store, id: str, *, now_us: int) -> None:
    """Write down that the files of a volume are gone."""
    with store.write() as tx:
        volumes.change(tx, id, {"destroyed_us": now_us})
        services.log(tx, By(person="", now_us=now_us), "volume.destroyed", id)


def measured(store: Store, sizes: dict[str, int]) -> None:
    """Write down how large volumes are."""
    with store.write() as tx:
        for id, size in sizes.items():
            volumes.change(tx, id, {"used_bytes": size})


def _known(tx: Transaction, id: str) -> VolumeRow:
    row = volumes.by_id(tx, id)
    if row is None or row.destroyed_us is not None:
        raise services.missing("volume", id)
    return row
