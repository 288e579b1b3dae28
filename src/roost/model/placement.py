"""Where a workload goes: `place(need, pools, used) -> Placement | Refusal`. A decision, made before anything starts.

It chooses a pool, not a machine; it never lets a pool hold more than its machines can. A disk carries its zone into
the need. A refusal names what is in the way and the nearest thing that would work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from roost.model.errors import Refused
from roost.model.offers import Market, Offer
from roost.model.pools import Pool, Sharing
from roost.model.resources import Resources, total
from roost.model.sizes import Size
from roost.model.units import format_bytes

#: What is already placed, by pool name, in the order in which it was placed.
Used = Mapping[str, Sequence[Resources]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`count` programs of one size, together. `zone`: that of a disk or of what they belong to; "" = any.

    `spot`: may be taken away at two minutes' notice (workers, not notebooks).
    """

    size: Size
    count: int = 1
    zone: str = ""
    spot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to place a need: a pool, how its machine is bought, and what each program requests."""

    pool: str
    zone: str
    offer: Offer
    request: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Ways to place a need, best first; never empty. The others are for when AWS has no machine of the first."""

    choices: tuple[Choice, ...]

    @property
    def pool(self) -> str:
        return self.choices[0].pool

    @property
    def zone(self) -> str:
        return self.choices[0].zone

    @property
    def offer(self) -> Offer:
        return self.choices[0].offer

    @property
    def request(self) -> Resources:
        return self.choices[0].request


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a need cannot be placed, as a sentence, and what would work.

    `code`: no-pool, no-gpu, too-large, wrong-zone or full. `nearest`: the name of a size that would be placed now,
    "" where there is none.
    """

    code: str
    message: str
    hint: str
    need: Need
    nearest: str = ""

    def error(self) -> Refused:
        """The same as an error, for a surface that has no other way to say it."""
        return Refused(self.message, subject=self.need.size.name, hint=self.hint, field="size")


def place(need: Need, pools: Sequence[Pool], used: Used) -> Placement | Refusal:
    """Choose the cheapest pool that holds the need; of equal price the emptiest, so that zones fill evenly.

    Spot comes before on-demand where the need allows it; an unknown price comes after the known ones of its market.
    """
    ways = []
    for pool in pools:
        beside = used.get(pool.name, ())
        request = pool.request(need.size) if _zone_fits(need, pool) else None
        if request is None or not has_room(pool, beside, request, need.count):
            continue
        for offer in pool.offers:
            if offer.market is Market.ON_DEMAND or need.spot:
                choice = Choice(pool=pool.name, zone=pool.zone, offer=offer, request=request)
                ways.append((_rank(offer), len(beside), pool.name, choice))
    if not ways:
        return _refusal(need, pools, used)
    ways.sort(key=lambda way: way[:3])
    return Placement(choices=tuple(choice for *_, choice in ways))


def has_room(pool: Pool, used: Sequence[Resources], request: Resources, count: int = 1) -> bool:
    """Whether `count` more programs with this request go onto the machines of a pool beside what is there."""
    if count <= 0:
        return True
    if pool.sharing is Sharing.EXCLUSIVE:
        return len(used) + count <= pool.max_nodes
    if not pool.reserves:
        # A ceiling is not a reservation: only what cannot be shared is counted.
        scarce = Resources(gpus=request.gpus, pods=request.pods) * count
        taken = total(used)
        left = pool.room * pool.max_nodes - Resources(gpus=taken.gpus, pods=taken.pods)
        return request.fits(pool.room) and scarce.fits(left)
    nodes: list[Resources] = []
    return all(_first_fit(nodes, amount, pool) for amount in (*used, *[request] * count))


def _first_fit(nodes: list[Resources], amount: Resources, pool: Pool) -> bool:
    """Put an amount onto the first machine with room (as the scheduler may), or onto a new one."""
    for index, room in enumerate(nodes):
        if amount.fits(room):
            nodes[index] = room - amount
            return True
    if len(nodes) < pool.max_nodes and amount.fits(pool.room):
        nodes.append(pool.room - amount)
        return True
    return False


def _rank(offer: Offer) -> tuple[bool, bool, Decimal]:
    return offer.market is not Market.SPOT, offer.hourly_usd is None, offer.hourly_usd or Decimal(0)


def _zone_fits(need: Need, pool: Pool) -> bool:
    return need.zone in ("", pool.zone)


def _refusal(need: Need, pools: Sequence[Pool], used: Used) -> Refusal:
    able = [pool for pool in pools if pool.request(need.size) is not None]
    near = _nearest(need, pools, used)
    instead = f"Choose {near.name} instead." if near is not None else ""
    if not pools:
        code, message, hint = "no-pool", "There is no machine to run on.", "Ask an administrator to add a pool."
    elif not able:
        code, message = _nothing_holds(need.size, pools)
        hint = instead or "Ask an administrator for a larger machine."
    elif not any(_zone_fits(need, pool) for pool in able):
        zones = _listed(pool.zone for pool in able)
        code = "wrong-zone"
        message = f"The disk is in zone {need.zone}; machines of size {need.size.name} are only in {zones}."
        hint = f"{instead.removesuffix('.')}, or move the disk to {zones}." if near else f"Move the disk to {zones}."
    else:
        code = "full"
        message = _full(need, [pool for pool in able if _zone_fits(need, pool)], used)
        hint = f"Stop something first, or {instead[0].lower()}{instead[1:]}" if near else "Stop something first."
    return Refusal(code=code, message=message, hint=hint, need=need, nearest=near.name if near is not None else "")


def _nothing_holds(size: Size, pools: Sequence[Pool]) -> tuple[str, str]:
    if size.gpus and not any(pool.room.gpus for pool in pools):
        return "no-gpu", f"Size {size.name} has a GPU; no machine here has one."
    largest = max(pools, key=lambda pool: pool.room.memory_bytes)
    if size.memory_bytes <= largest.room.memory_bytes:
        return "no-pool", f"No pool here has machines of size {size.name}."
    needs = format_bytes(size.memory_bytes)
    has = format_bytes(largest.room.memory_bytes)
    where = "this machine" if len(pools) == 1 and pools[0].max_nodes == 1 else "the largest machine here"
    return "too-large", f"Size {size.name} needs {needs}; {where} has {has} to give."


def _full(need: Need, pools: Sequence[Pool], used: Used) -> str:
    most = sum(_capacity(pool, need.size) for pool in pools)
    taken = sum(len(used.get(pool.name, ())) for pool in pools)
    where = f" in zone {need.zone}" if need.zone and len(pools) == 1 and pools[0].sharing is Sharing.EXCLUSIVE else ""
    if need.count > most:
        return f"{need.count} programs of size {need.size.name} were asked for; at most {most} go{where or ' here'}."
    left = max(0, most - taken)
    if all(pool.sharing is Sharing.EXCLUSIVE for pool in pools):
        wanted = "" if need.count == 1 else f"; {need.count} are needed and {left} are free"
        return f"{taken} of the {most} machines of size {need.size.name}{where} are in use{wanted}."
    return f"There is no room for {need.count} of size {need.size.name} beside the {taken} programs that are here."


def _capacity(pool: Pool, size: Size) -> int:
    """How many programs of a size an empty pool holds."""
    if pool.sharing is Sharing.EXCLUSIVE:
        return pool.max_nodes
    room, pods = pool.room, pool.room.pods
    counts = [pods, room.gpus // size.gpus if size.gpus else pods]
    if pool.reserves:
        counts += [room.memory_bytes // max(1, size.memory_bytes), room.cpu_millis // max(1, size.cpu_millis)]
    return min(counts) * pool.max_nodes


def _nearest(need: Need, pools: Sequence[Pool], used: Used) -> Size | None:
    """Of the sizes that would be placed now, the one that differs least: with GPU or not, then rather larger."""
    fitting = [
        size
        for pool in pools
        for size in pool.sizes
        if size.name != need.size.name
        and _zone_fits(need, pool)
        and (request := pool.request(size)) is not None
        and has_room(pool, used.get(pool.name, ()), request, need.count)
    ]
    wanted = need.size

    def distance(size: Size) -> tuple[bool, bool, int, str]:
        gpus_differ = bool(size.gpus) != bool(wanted.gpus)
        smaller = size.memory_bytes < wanted.memory_bytes
        return gpus_differ, smaller, abs(size.memory_bytes - wanted.memory_bytes), size.name

    return min(fitting, key=distance, default=None)


def _listed(zones: Iterable[str]) -> str:
    *most, last = sorted(set(zones))
    return f"{', '.join(most)} and {last}" if most else last
