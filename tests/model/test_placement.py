"""Placement: never overfills, keeps disks in their zone, prefers what is cheap, and explains refusals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.model.errors import Refused
from roost.model.offers import Market, Offer, instance_type, list_offer
from roost.model.placement import Need, Placement, Refusal, has_room, place
from roost.model.pools import POOL_LABEL, Pool, Sharing, eks_pool, local_pool
from roost.model.resources import Resources, total
from roost.model.sizes import Size, eks_sizes
from roost.model.units import GIB

A, B = "us-east-1a", "us-east-1b"
SIZES = {size.name: size for size in eks_sizes()}


def pool(size: str, zone: str = A, *, nodes: int = 2, offers: Sequence[Offer] = ()) -> Pool:
    instance = instance_type(SIZES[size].instance_type)
    return eks_pool(f"{size}-{zone}", size, instance, zone, max_nodes=nodes, offers=offers)


def shared(name: str, *, nodes: int, zone: str = A, reserves: bool = True) -> Pool:
    base = eks_pool(name, "64gb", instance_type("r5a.2xlarge"), zone, max_nodes=nodes)
    sizes = (custom("small", 8), custom("large", 40))
    return replace(base, sharing=Sharing.SHARED, sizes=sizes, reserves=reserves)


def custom(name: str, gigabytes: int, cpu_millis: int = 500, gpus: int = 0) -> Size:
    return Size(name=name, memory_bytes=gigabytes * GIB, cpu_millis=cpu_millis, gpus=gpus)


def placed(need: Need, pools: Sequence[Pool], used: dict[str, list[Resources]] | None = None) -> Placement:
    result = place(need, pools, used or {})
    assert isinstance(result, Placement), result
    return result


def refused(need: Need, pools: Sequence[Pool], used: dict[str, list[Resources]] | None = None) -> Refusal:
    result = place(need, pools, used or {})
    assert isinstance(result, Refusal), result
    return result


def test_the_request_fills_the_machine() -> None:
    result = placed(Need(size=SIZES["64gb"]), [pool("64gb")])
    assert result.pool == "64gb-us-east-1a"
    assert result.request == pool("64gb").request(SIZES["64gb"])
    assert not (result.request * 2).fits(pool("64gb").node.resources)


def test_a_small_need_never_lands_on_a_big_idle_machine() -> None:
    assert refused(Need(size=SIZES["4gb"]), [pool("512gb")]).code == "no-pool"


def test_a_disk_keeps_its_zone() -> None:
    assert placed(Need(size=SIZES["16gb"], zone=B), [pool("16gb", A), pool("16gb", B)]).zone == B


def test_zones_fill_evenly() -> None:
    pools = [pool("16gb", A, nodes=9), pool("16gb", B, nodes=9)]
    used: defaultdict[str, list[Resources]] = defaultdict(list)
    for _ in range(10):
        result = placed(Need(size=SIZES["16gb"]), pools, used)
        used[result.pool].append(result.request)
    assert [len(used[p.name]) for p in pools] == [5, 5]


def test_spot_comes_first_only_where_it_may_be_taken_away() -> None:
    normal = list_offer("r5a.large")
    spot = replace(normal, market=Market.SPOT, hourly_usd=Decimal("0.04"))
    pools = [pool("16gb", offers=(normal, spot))]
    assert [c.offer.market for c in placed(Need(size=SIZES["16gb"]), pools).choices] == [Market.ON_DEMAND]
    workers = placed(Need(size=SIZES["16gb"], spot=True, count=2), pools)
    assert [c.offer.market for c in workers.choices] == [Market.SPOT, Market.ON_DEMAND]
    assert workers.offer == spot


def test_an_unknown_price_comes_last() -> None:
    unknown = replace(list_offer("r5a.large"), hourly_usd=None, price_date=None)
    pools = [pool("16gb", A, offers=(unknown,)), pool("16gb", B)]
    assert [choice.zone for choice in placed(Need(size=SIZES["16gb"]), pools).choices] == [B, A]


def test_a_full_pool_is_said_with_numbers_and_the_next_size() -> None:
    request = pool("16gb").request(SIZES["16gb"])
    assert request is not None
    refusal = refused(Need(size=SIZES["16gb"]), [pool("16gb"), pool("64gb")], {"16gb-us-east-1a": [request] * 2})
    assert (refusal.code, refusal.nearest) == ("full", "64gb")
    assert refusal.message == "2 of the 2 machines of size 16gb are in use."
    assert refusal.hint == "Stop something first, or choose 64gb instead."


def test_more_than_there_will_ever_be_is_said_so() -> None:
    refusal = refused(Need(size=SIZES["16gb"], count=3), [pool("16gb")])
    assert refusal.message == "3 programs of size 16gb were asked for; at most 2 go here."


def test_a_disk_in_a_zone_without_machines_of_the_size() -> None:
    refusal = refused(Need(size=SIZES["64gb"], zone=A), [pool("16gb", A), pool("64gb", B)])
    assert (refusal.code, refusal.nearest) == ("wrong-zone", "16gb")
    assert refusal.message == "The disk is in zone us-east-1a; machines of size 64gb are only in us-east-1b."
    assert refusal.hint == "Choose 16gb instead, or move the disk to us-east-1b."


def test_too_large_for_this_machine() -> None:
    refusal = refused(Need(size=custom("512gb", 512)), [local_pool(16 * GIB, 4)])
    assert (refusal.code, refusal.nearest) == ("too-large", "8gb")
    assert refusal.message == "Size 512gb needs 512 GB; this machine has 14.4 GB to give."
    assert refusal.hint == "Choose 8gb instead."


def test_no_gpu_here() -> None:
    refusal = refused(Need(size=SIZES["gpu-16gb"]), [local_pool(64 * GIB, 4)])
    assert refusal.code == "no-gpu"
    assert refusal.nearest == "16gb"


def test_nothing_to_run_on() -> None:
    assert refused(Need(size=SIZES["4gb"]), []).message == "There is no machine to run on."


def test_a_refusal_can_be_raised_where_there_is_no_other_way() -> None:
    error = refused(Need(size=SIZES["4gb"]), []).error()
    assert isinstance(error, Refused)
    assert error.field == "size"


def test_one_machine_counts_programs_and_gpus_but_lets_people_share_memory() -> None:
    machine = local_pool(8 * GIB, 2, gpus=1)
    four = custom("4gb", 4)
    many = [Resources(memory_bytes=4 * GIB, pods=1)] * 20
    assert placed(Need(size=four, count=10), [machine], {"local": many}).offer.hourly_usd == 0
    gpu = custom("gpu", 4, gpus=1)
    assert placed(Need(size=gpu), [machine]).pool == "local"
    assert refused(Need(size=gpu), [machine], {"local": [Resources(gpus=1, pods=1)]}).code == "full"
    assert refused(Need(size=four, count=1000), [machine]).code == "full"


def test_labels_and_taints() -> None:
    assert pool("16gb").label == (POOL_LABEL, "16gb-us-east-1a")
    assert pool("16gb").taint == f"{POOL_LABEL}=16gb-us-east-1a:NoSchedule"
    assert local_pool(8 * GIB, 2).taint is None


needs = st.builds(
    Need,
    size=st.one_of(
        st.sampled_from([SIZES["4gb"], SIZES["16gb"], SIZES["gpu-16gb"]]),
        st.builds(custom, st.just("odd"), st.integers(1, 70), st.integers(1, 9000), st.integers(0, 1)),
    ),
    count=st.integers(1, 4),
    zone=st.sampled_from(["", A, B, "elsewhere"]),
    spot=st.booleans(),
)
pools_strategy = st.lists(
    st.one_of(
        st.builds(pool, st.sampled_from(["4gb", "16gb", "gpu-16gb"]), st.sampled_from([A, B]), nodes=st.integers(0, 5)),
        st.builds(shared, st.sampled_from(["s1", "s2"]), nodes=st.integers(0, 4), zone=st.sampled_from([A, B])),
    ),
    max_size=5,
    unique_by=lambda p: p.name,
)


@settings(max_examples=200)
@given(pools_strategy, st.lists(needs, max_size=40))
def test_many_placements_never_overfill(pools: list[Pool], wanted: list[Need]) -> None:
    used: dict[str, list[Resources]] = {p.name: [] for p in pools}
    by_name = {p.name: p for p in pools}
    for need in wanted:
        result = place(need, pools, used)
        assert result == place(need, list(reversed(pools)), used) or isinstance(result, Refusal)
        if isinstance(result, Refusal):
            check_refusal(result, pools, used)
            continue
        for choice in result.choices:
            assert need.zone in ("", choice.zone)
            assert choice.request.fits(by_name[choice.pool].room)
            assert choice.request.gpus >= need.size.gpus
            assert need.spot or choice.offer.market is Market.ON_DEMAND
        used[result.pool].extend([result.request] * need.count)
        check_not_overfilled(by_name[result.pool], used[result.pool])


def check_not_overfilled(filled: Pool, amounts: list[Resources]) -> None:
    if filled.sharing is Sharing.EXCLUSIVE:
        assert len(amounts) <= filled.max_nodes
    assert total(amounts).fits(filled.room * filled.max_nodes)


def check_refusal(refusal: Refusal, pools: list[Pool], used: dict[str, list[Resources]]) -> None:
    assert refusal.message.endswith(".")
    assert refusal.hint.endswith(".")
    if refusal.nearest:
        size = next(size for p in pools for size in p.sizes if size.name == refusal.nearest)
        assert isinstance(place(replace(refusal.need, size=size), pools, used), Placement)


@given(st.lists(st.integers(1, 40), max_size=20), st.integers(1, 4), st.integers(1, 40))
def test_a_shared_pool_packs_machine_by_machine(amounts: list[int], nodes: int, next_gib: int) -> None:
    """What `has_room` accepts can be put onto the machines one by one, in order."""
    target = shared("s", nodes=nodes)
    accepted: list[Resources] = []
    for gigabytes in [*amounts, next_gib]:
        request = Resources(memory_bytes=gigabytes * GIB, cpu_millis=10, pods=1)
        if has_room(target, accepted, request):
            accepted.append(request)
    free = [target.room] * nodes
    for request in accepted:
        index = next(i for i, room in enumerate(free) if request.fits(room))
        free[index] = free[index] - request


@pytest.mark.parametrize("count", [0, -1])
def test_nothing_always_fits(count: int) -> None:
    assert has_room(pool("4gb", nodes=0), [], Resources(), count)
