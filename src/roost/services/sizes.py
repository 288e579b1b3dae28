"""What people may pick on this machine, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roost.model.errors import Refused
from roost.model.placement import Need, Placement, Refusal, place
from roost.model.pools import Pool, local_pool
from roost.model.sizes import LocalSize, Size, default_size, eks_cost, find_size, local_sizes
from roost.model.units import format_bytes
from roost.services.machine import Machine

LOCAL_START_S = 1
EKS_START_S = 120


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # one per platform: hashed on every row shown
class Catalog:
    """The sizes of this machine and the pool they are placed in."""

    sizes: tuple[LocalSize, ...]
    default: Size
    pool: Pool

    def find(self, name: str, *, field: str = "size") -> Size:
        """The size of a name ("" = the default one); InvalidInput for an unknown one, Refused where it is too large."""
        if not name:
            return self.default
        size = find_size(name, [local.size for local in self.sizes], field=field)
        local = next(local for local in self.sizes if local.size is size)
        if not local.fits:
            largest = max(local.size.memory_bytes for local in self.sizes if local.fits)
            raise Refused(
                f"The size {name} does not fit: {local.why}",
                subject=name,
                field=field,
                code="too-large",
                hint=f"The largest size here is {format_bytes(largest)}.",
            )
        return size

    def place(self, size: Size, count: int = 1) -> Placement:
        """Where so many programs of a size go; Refused with the reason where they do not."""
        decision = place(Need(size=size, count=count), [self.pool], {})
        if isinstance(decision, Refusal):
            raise decision.error()
        return decision


def local_catalog(machine: Machine) -> Catalog:
    """The catalog of one machine."""
    sizes = local_sizes(machine.memory_bytes, machine.cores)
    default = default_size(sizes)
    if default is None:
        raise Refused(
            f"This machine has {format_bytes(machine.memory_bytes)} of memory: no size fits.",
            hint="Use a larger machine.",
        )
    return Catalog(sizes=sizes, default=default, pool=local_pool(machine.memory_bytes, machine.cores))


def size_json(size: Size) -> dict[str, Any]:
    """A size as the API shows it."""
    return {
        "name": size.name,
        "memory_bytes": size.memory_bytes,
        "cpu_millis": size.cpu_millis,
        "gpus": size.gpus,
    }


def priced_json(local: LocalSize) -> dict[str, Any]:
    """A size with what people want to know before they pick it. Running on this machine costs nothing more."""
    offer = eks_cost(local.size)
    return {
        **size_json(local.size),
        "fits": local.fits,
        "why": local.why,
        "hourly_usd": "0",
        "eks_hourly_usd": _text(offer.hourly_usd if offer else None),
        "eks_monthly_usd": _text(offer.monthly_usd if offer else None),
        "eks_instance_type": offer.instance_type if offer else None,
        "price_date": str(offer.price_date) if offer else None,
        "start_estimate_s": LOCAL_START_S,
        "eks_start_estimate_s": EKS_START_S,
    }


def _text(amount: Any) -> str | None:
    return None if amount is None else str(amount)
