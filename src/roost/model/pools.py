"""Pools: groups of equal machines that workloads are placed on.

On EKS a pool is a node group of one size in one zone; an exclusive pool gives each program a machine of its own
(label, taint and a request that fills the node), so a small program never lands on a big idle machine. One machine is
a single shared pool. A pool holds no status: what is used of it is an argument of `place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from roost.model.allocatable import DAEMONSETS, Allocatable, allocatable, whole_node_request
from roost.model.offers import OWN_MACHINE, InstanceType, Offer, list_offer
from roost.model.resources import Resources
from roost.model.sizes import Size, local_room_bytes, local_sizes, size_of
from roost.model.units import MIB

POOL_LABEL = "roost.dev/pool"  # on every node of a pool; also the key of the taint of an exclusive one
LOCAL_POOL, LOCAL_ZONE = "local", "local"
LOCAL_PROGRAM_BYTES = 32 * MIB  # what the smallest forked program really takes: bounds how many one machine runs


class Sharing(StrEnum):
    """Whether programs have machines of the pool to themselves."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A group of equal machines in one zone.

    `node`: what one machine gives to programs. `sizes`: the size of an exclusive pool; of a shared one, what people
    pick from. `offers`: how its machines may be bought. `reserves` False: a size is a ceiling and not a reservation;
    each program must fit alone, memory and CPU of all together may exceed the machine (GPUs and pods never).
    """

    name: str
    zone: str
    sharing: Sharing
    sizes: tuple[Size, ...]
    offers: tuple[Offer, ...]
    node: Allocatable
    overhead: Resources = field(default=DAEMONSETS)  # of what is on every machine besides programs
    min_nodes: int = 0
    max_nodes: int = 1
    reserves: bool = True

    @property
    def room(self) -> Resources:
        """What one machine has for programs, after what runs on every machine."""
        return self.node.resources - self.overhead

    @property
    def label(self) -> tuple[str, str]:
        """Key and value that select the pool's machines."""
        return POOL_LABEL, self.name

    @property
    def taint(self) -> str | None:
        """What keeps everything else off an exclusive pool; Kubernetes wants a value and an effect."""
        return f"{POOL_LABEL}={self.name}:NoSchedule" if self.sharing is Sharing.EXCLUSIVE else None

    def request(self, size: Size) -> Resources | None:
        """What one program of this size requests here; None where this pool is not for it or cannot hold it."""
        if self.sharing is Sharing.EXCLUSIVE:
            named = any(own.name == size.name for own in self.sizes)
            return whole_node_request(self.node, daemonsets=self.overhead) if named else None
        wanted = Resources(memory_bytes=size.memory_bytes, cpu_millis=size.cpu_millis, gpus=size.gpus, pods=1)
        return wanted if wanted.fits(self.room) else None


def eks_pool(
    name: str,
    size_name: str,
    instance: InstanceType,
    zone: str,
    *,
    max_nodes: int,
    min_nodes: int = 0,
    offers: Sequence[Offer] = (),
    pods: int | None = None,
) -> Pool:
    """An exclusive pool of one instance type in one zone; without offers, at the on-demand list price."""
    return Pool(
        name=name,
        zone=zone,
        sharing=Sharing.EXCLUSIVE,
        sizes=(size_of(instance, size_name),),
        offers=tuple(offers) or (list_offer(instance.name),),
        node=allocatable(instance, pods=pods),
        min_nodes=min_nodes,
        max_nodes=max_nodes,
    )


def local_pool(machine_memory_bytes: int, machine_cores: float, *, gpus: int = 0) -> Pool:
    """This machine as one shared pool with the sizes that fit it. Sizes are ceilings here, not reservations."""
    room = local_room_bytes(machine_memory_bytes)
    return Pool(
        name=LOCAL_POOL,
        zone=LOCAL_ZONE,
        sharing=Sharing.SHARED,
        sizes=tuple(local.size for local in local_sizes(machine_memory_bytes, machine_cores) if local.fits),
        offers=(OWN_MACHINE,),
        node=Allocatable(
            resources=Resources(
                memory_bytes=room,
                cpu_millis=max(1, round(machine_cores * 1000)),
                gpus=gpus,
                pods=room // LOCAL_PROGRAM_BYTES,
            ),
            capacity_bytes=machine_memory_bytes,
            source="this machine",
        ),
        overhead=Resources(),
        min_nodes=1,
        max_nodes=1,
        reserves=False,
    )
