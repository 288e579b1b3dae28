"""Sizes: what people pick. Memory first, then CPU and GPUs.

On EKS a size is a machine of one's own and its name says the machine's nominal memory; what a program gets of it is
decided by `allocatable`. On one machine a size is a ceiling for the program. Which instance type stands behind an EKS
size is chosen by rule from the offers, never typed by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from roost.model.errors import InvalidInput
from roost.model.nearest import hint
from roost.model.offers import InstanceType, Offer, instance_types, list_offer
from roost.model.units import GIB, MIB, TIB, format_bytes, format_cpu

#: Left to the operating system and the platform itself on one machine: a tenth, within these bounds.
RESERVE_AT_LEAST_BYTES, RESERVE_AT_MOST_BYTES = 512 * MIB, 4 * GIB
EKS_SMALLEST_BYTES = 4 * GIB  # below it a node's own reserves eat a third of the memory and more
_LOCAL_LADDER = tuple((512 * MIB) << step for step in range(11))  # 512 MB to 512 GB
_DEFAULT_AT_MOST_BYTES = 4 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a program gets or, on EKS, the machine it gets. `gpu_name` "" = no GPU; `instance_type` "" = not on EKS."""

    name: str
    memory_bytes: int
    cpu_millis: int
    gpus: int = 0
    gpu_name: str = ""
    gpu_memory_bytes: int = 0
    instance_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSize:
    """A size on one machine: whether it fits there, and if not, why."""

    size: Size
    fits: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What an EKS size must hold. GPU memory is of one GPU; `gpus` 0 = no GPU wanted, so none is paid for."""

    memory_bytes: int
    vcpus: int = 1
    gpus: int = 0
    gpu_memory_bytes: int = 0
    architecture: str = "x86_64"


def machine_with(memory_bytes: int, architecture: str = "x86_64") -> Demand:
    """A machine of this memory with CPU in proportion: a core for 8 GB, at least two.

    Without the proportion the cheapest machine with 512 GB would be one of 16 cores.
    """
    memory = max(memory_bytes, EKS_SMALLEST_BYTES)
    return Demand(memory_bytes=memory, vcpus=max(2, -(-memory // (8 * GIB))), architecture=architecture)


#: The default catalogue of EKS.
EKS_DEMANDS = {
    **{f"{gb}gb": machine_with(gb * GIB) for gb in (4, 16, 64, 128, 256, 512)},
    "gpu-16gb": Demand(memory_bytes=16 * GIB, vcpus=4, gpus=1, gpu_memory_bytes=15 * GIB),
    "gpu-24gb": Demand(memory_bytes=32 * GIB, vcpus=8, gpus=1, gpu_memory_bytes=22 * GIB),
    "gpu-48gb": Demand(memory_bytes=64 * GIB, vcpus=8, gpus=1, gpu_memory_bytes=44 * GIB),
    "gpu-96gb": Demand(memory_bytes=64 * GIB, vcpus=8, gpus=1, gpu_memory_bytes=90 * GIB),
    "4xgpu-24gb": Demand(memory_bytes=192 * GIB, vcpus=48, gpus=4, gpu_memory_bytes=22 * GIB),
    "8xgpu-80gb": Demand(memory_bytes=1 * TIB, vcpus=96, gpus=8, gpu_memory_bytes=78 * GIB),
}


def holds(instance: InstanceType, demand: Demand) -> bool:
    """Whether an instance type is a sound choice for a demand, price apart."""
    if instance.bare_metal or not instance.current_generation or instance.architecture != demand.architecture:
        return False
    if instance.accelerated != (demand.gpus > 0) or instance.gpu_count < demand.gpus:
        return False
    return (
        instance.memory_bytes >= demand.memory_bytes
        and instance.vcpus >= demand.vcpus
        and (demand.gpus == 0 or instance.gpu_memory_bytes >= demand.gpu_memory_bytes)
    )


@cache
def cheapest(demand: Demand) -> InstanceType | None:
    """The cheapest current-generation type that holds the demand (us-east-1 list price); None where nothing does.

    Types without a known price are passed over: cheapest cannot be said of them. Burstable types compete too; a pool
    of them must run with standard credits, or the price is not what is billed.

    >>> cheapest(Demand(memory_bytes=16 << 30, vcpus=2)).name
    'r5a.large'
    """
    priced = (i for i in instance_types().values() if i.list_hourly_usd is not None and holds(i, demand))
    return min(priced, key=lambda i: (i.list_hourly_usd or Decimal(0), -i.memory_bytes, i.name), default=None)


@cache
def eks_sizes(architecture: str = "x86_64") -> tuple[Size, ...]:
    """The default catalogue for EKS; a size nothing holds on that architecture is left out."""
    chosen = {name: cheapest(replace(demand, architecture=architecture)) for name, demand in EKS_DEMANDS.items()}
    return tuple(size_of(instance, name) for name, instance in chosen.items() if instance is not None)


def size_of(instance: InstanceType, name: str) -> Size:
    """The size that is a whole machine of this type."""
    return Size(
        name=name,
        memory_bytes=instance.memory_bytes,
        cpu_millis=instance.vcpus * 1000,
        gpus=instance.gpu_count,
        gpu_name=instance.gpu_name,
        gpu_memory_bytes=instance.gpu_memory_bytes,
        instance_type=instance.name,
    )


def eks_cost(size: Size) -> Offer | None:
    """What a machine for this size would cost on EKS: on demand, us-east-1, with the date of the price.

    It is the type behind the size where it has one, else the cheapest machine of its memory, with the CPU that goes
    with it on EKS, and of its GPUs. None where no machine of AWS is large enough.
    """
    if size.instance_type:
        return list_offer(size.instance_type)
    demand = replace(machine_with(size.memory_bytes), gpus=size.gpus, gpu_memory_bytes=size.gpu_memory_bytes)
    chosen = cheapest(demand)
    return list_offer(chosen.name) if chosen is not None else None


def local_room_bytes(machine_memory_bytes: int) -> int:
    """What programs may have of one machine's memory, after the operating system's and the platform's share."""
    reserve = min(max(machine_memory_bytes // 10, RESERVE_AT_LEAST_BYTES), RESERVE_AT_MOST_BYTES)
    return max(0, machine_memory_bytes - reserve)


def local_sizes(machine_memory_bytes: int, machine_cores: float) -> tuple[LocalSize, ...]:
    """Every size people may know, smallest first, and whether this machine can hold it.

    The name of a size means the same on every machine. CPU is the machine's, in proportion to the memory, at least
    one core where there is one.
    """
    room = local_room_bytes(machine_memory_bytes)
    cores_millis = max(1, round(machine_cores * 1000))
    sizes = []
    for memory in _LOCAL_LADDER:
        share = cores_millis * memory // max(room, 1) // 500 * 500
        cpu_millis = min(max(share, 1000), cores_millis)
        size = Size(name=local_name(memory), memory_bytes=memory, cpu_millis=cpu_millis)
        fits = memory <= room
        sizes.append(LocalSize(size=size, fits=fits, why="" if fits else _why_not(memory, machine_memory_bytes, room)))
    return tuple(sizes)


def local_name(memory_bytes: int) -> str:
    """The name of a size without GPU.

    >>> local_name(512 << 20), local_name(2 << 30)
    ('512mb', '2gb')
    """
    return format_bytes(memory_bytes).replace(" ", "").lower()


def default_size(sizes: Iterable[LocalSize]) -> Size | None:
    """What somebody who says nothing gets: the largest of 4 GB or less that leaves room for three more of its kind.

    On a machine too small for that it is the smallest that fits; None where none does.
    """
    fitting = [local.size for local in sizes if local.fits]
    if not fitting:
        return None
    largest = max(size.memory_bytes for size in fitting)
    modest = [s for s in fitting if s.memory_bytes <= min(_DEFAULT_AT_MOST_BYTES, largest // 2)]
    return max(modest or fitting[:1], key=lambda size: size.memory_bytes)


def describe(size: Size) -> str:
    """A size in words.

    >>> describe(Size(name="gpu-16gb", memory_bytes=16 << 30, cpu_millis=4000, gpus=1, gpu_name="NVIDIA T4"))
    '16 GB, 4 cores, 1 NVIDIA T4'
    """
    said = f"{format_bytes(size.memory_bytes)}, {format_cpu(size.cpu_millis)}"
    return f"{said}, {size.gpus} {size.gpu_name or 'GPU'}" if size.gpus else said


def find_size(name: str, sizes: Sequence[Size], *, field: str = "size") -> Size:
    """The size of this name, or an error that names the nearest one and all others."""
    for size in sizes:
        if size.name == name:
            return size
    names = [size.name for size in sizes]
    shown = ascii(name[:60])
    raise InvalidInput(f"There is no size {shown}.", subject=shown, field=field, hint=hint(name, names))


def _why_not(wanted_bytes: int, machine_bytes: int, room_bytes: int) -> str:
    needs = f"Needs {format_bytes(wanted_bytes)}; this machine has {format_bytes(machine_bytes)}"
    if wanted_bytes > machine_bytes:
        return f"{needs}."
    return f"{needs}, of which {format_bytes(room_bytes)} can be used."
