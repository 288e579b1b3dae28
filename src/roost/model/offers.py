"""What AWS offers: instance types with their hardware facts, and prices with their date and source.

The table is package data, read on first use and kept (importing reads nothing). A price that is not in it is
unknown (None), never free and never guessed. Only the on-demand list prices of us-east-1 are here; prices of
other regions and of the spot market come from AWS at the edges, as `Offer`s of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from roost.model.errors import NotFound
from roost.model.nearest import hint
from roost.model.units import MIB, monthly_usd

LIST_REGION = "us-east-1"
LIST_PRICE_DATE = date(2026, 7, 20)
LIST_PRICE_SOURCE = "AWS price list, us-east-1, Linux on-demand"


class Market(StrEnum):
    """How a machine is bought. Spot is cheaper and may be taken away with two minutes' notice."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """Hardware facts of an EC2 instance type. `memory_bytes` is nominal: a real node has less (see allocatable).

    `spot`: whether AWS sells it on the spot market at all. `gpu_count` 0 with a `gpu_name` is a slice of a GPU.
    """

    name: str
    vcpus: int
    memory_bytes: int
    architecture: str
    gpu_name: str
    gpu_count: int
    gpu_memory_bytes: int
    network_interfaces: int
    ipv4_per_interface: int
    ebs_attachments: int
    local_nvme_gb: int
    hypervisor: str
    bare_metal: bool
    burstable: bool
    current_generation: bool
    spot: bool
    list_hourly_usd: Decimal | None

    @property
    def accelerated(self) -> bool:
        """Whether it has a GPU or a slice of one."""
        return bool(self.gpu_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A machine at a price. `hourly_usd` None = unknown; `zone` "" = any zone of the region."""

    instance_type: str
    market: Market = Market.ON_DEMAND
    region: str = LIST_REGION
    zone: str = ""
    hourly_usd: Decimal | None = None
    price_date: date | None = None
    price_source: str = ""

    @property
    def monthly_usd(self) -> Decimal | None:
        """For a month of 730 hours."""
        return monthly_usd(self.hourly_usd)


#: A machine of one's own: nothing is billed for it here.
OWN_MACHINE = Offer(
    instance_type="this machine", region="", zone="local", hourly_usd=Decimal(0), price_source="your own machine"
)


@cache
def instance_types() -> Mapping[str, InstanceType]:
    """All instance types by name, in the order of the table."""
    import pkgutil

    import roost.data  # get_data alone would leave the package without its attribute on `roost`

    raw = pkgutil.get_data(roost.data.__name__, "aws_instances.csv")
    if raw is None:  # only a loader that cannot read data gives None
        raise FileNotFoundError("roost/data/aws_instances.csv")
    header, *lines = raw.decode("ascii").splitlines()
    if header != _HEADER:
        raise ValueError(f"aws_instances.csv has other columns than expected: {header}")
    return MappingProxyType({row.name: row for row in map(_row, lines)})


def instance_type(name: str) -> InstanceType:
    """Facts of one instance type; NotFound names the nearest one."""
    known = instance_types()
    if name not in known:
        raise NotFound(f"There is no instance type {name!a}.", field="instance_type", hint=hint(name, known))
    return known[name]


def list_offer(name: str) -> Offer:
    """The on-demand list price of an instance type in us-east-1, unknown where the table has none.

    >>> list_offer("r5.xlarge").hourly_usd
    Decimal('0.252000')
    """
    price = instance_type(name).list_hourly_usd
    return Offer(
        instance_type=name,
        hourly_usd=price,
        price_date=LIST_PRICE_DATE if price is not None else None,
        price_source=LIST_PRICE_SOURCE if price is not None else "",
    )


_HEADER = (
    "instance_type,vcpus,memory_mib,architecture,gpu_name,gpu_count,gpu_memory_mib,network_interfaces,"
    "ipv4_per_interface,ebs_attachments,local_nvme_gb,hypervisor,bare_metal,burstable,current_generation,spot,"
    "us_east_1_hourly_usd"
)


def _row(line: str) -> InstanceType:
    cell = line.split(",")
    return InstanceType(
        name=cell[0],
        vcpus=int(cell[1]),
        memory_bytes=int(cell[2]) * MIB,
        architecture=cell[3],
        gpu_name=cell[4],
        gpu_count=int(cell[5]),
        gpu_memory_bytes=int(cell[6] or 0) * MIB,
        network_interfaces=int(cell[7]),
        ipv4_per_interface=int(cell[8]),
        ebs_attachments=int(cell[9]),
        local_nvme_gb=int(cell[10] or 0),
        hypervisor=cell[11],
        bare_metal=cell[12] == "1",
        burstable=cell[13] == "1",
        current_generation=cell[14] == "1",
        spot=cell[15] == "1",
        list_hourly_usd=Decimal(cell[16]) if cell[16] else None,
    )
