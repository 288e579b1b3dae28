"""Sizes: chosen by rule from the offers, explained where they do not fit, priced without guessing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.allocatable import allocatable, whole_node_request
from roost.model.errors import InvalidInput
from roost.model.offers import instance_type, instance_types
from roost.model.sizes import (
    EKS_DEMANDS,
    Demand,
    Size,
    cheapest,
    default_size,
    eks_cost,
    eks_sizes,
    find_size,
    holds,
    local_room_bytes,
    local_sizes,
)
from roost.model.units import GIB, MIB

memory = st.integers(256 * MIB, 4096 * GIB)
cores = st.floats(0.25, 512)


def test_the_catalogue_has_every_size() -> None:
    assert [size.name for size in eks_sizes()] == list(EKS_DEMANDS)


def test_every_size_is_the_cheapest_machine_that_holds_it() -> None:
    for size in eks_sizes():
        chosen, demand = instance_type(size.instance_type), EKS_DEMANDS[size.name]
        assert holds(chosen, demand)
        for other in instance_types().values():
            if other.list_hourly_usd is not None and holds(other, demand):
                assert chosen.list_hourly_usd is not None
                assert chosen.list_hourly_usd <= other.list_hourly_usd


def test_every_size_leaves_most_of_its_machine_to_the_program() -> None:
    for size in eks_sizes():
        request = whole_node_request(allocatable(instance_type(size.instance_type)))
        assert request is not None
        assert request.memory_bytes >= 0.65 * size.memory_bytes


def test_nobody_pays_for_a_gpu_that_was_not_asked_for() -> None:
    assert all(bool(size.gpus) == ("gpu" in size.name) for size in eks_sizes())


def test_cores_grow_with_memory() -> None:
    plain = [size for size in eks_sizes() if not size.gpus]
    assert all(size.cpu_millis * 8 * GIB >= size.memory_bytes * 1000 for size in plain)


def test_another_architecture_has_other_machines() -> None:
    for size in eks_sizes("arm64"):
        assert instance_type(size.instance_type).architecture == "arm64"


def test_what_nothing_holds_has_no_price() -> None:
    assert cheapest(Demand(memory_bytes=1000 * 1024 * GIB)) is None
    assert eks_cost(Size(name="huge", memory_bytes=1000 * 1024 * GIB, cpu_millis=1000)) is None


def test_a_size_costs_the_same_here_and_in_the_catalogue() -> None:
    catalogue = {size.name: eks_cost(size) for size in eks_sizes()}
    for local in local_sizes(16 * GIB, 4):
        if local.size.name in catalogue:
            assert eks_cost(local.size) == catalogue[local.size.name]


@given(memory, cores)
def test_sizes_fit_or_say_why(machine_bytes: int, machine_cores: float) -> None:
    sizes = local_sizes(machine_bytes, machine_cores)
    room = local_room_bytes(machine_bytes)
    assert 0 <= room < machine_bytes
    for local in sizes:
        assert local.fits == (local.size.memory_bytes <= room) == (local.why == "")
        assert 0 < local.size.cpu_millis <= max(1, round(machine_cores * 1000))
        assert not local.size.gpus
    assert [s.fits for s in sizes] == sorted((s.fits for s in sizes), reverse=True)
    assert len({s.size.name for s in sizes}) == len(sizes)
    memories = [s.size.memory_bytes for s in sizes]
    assert memories == sorted(memories)


@given(memory, cores)
def test_the_default_size_fits_where_any_does(machine_bytes: int, machine_cores: float) -> None:
    sizes = local_sizes(machine_bytes, machine_cores)
    chosen = default_size(sizes)
    fitting = [local.size for local in sizes if local.fits]
    assert (chosen in fitting) if fitting else chosen is None


@given(memory, memory, cores)
def test_a_name_means_the_same_memory_everywhere(one: int, other: int, machine_cores: float) -> None:
    meanings = {s.size.name: s.size.memory_bytes for s in local_sizes(one, machine_cores)}
    assert meanings == {s.size.name: s.size.memory_bytes for s in local_sizes(other, machine_cores)}


def test_why_names_both_amounts() -> None:
    why = {local.size.name: local.why for local in local_sizes(16 * GIB, 8)}
    assert why["512gb"] == "Needs 512 GB; this machine has 16 GB."
    assert why["16gb"] == "Needs 16 GB; this machine has 16 GB, of which 14.4 GB can be used."
    assert why["8gb"] == ""


def test_an_unknown_size_is_answered_with_the_nearest_and_all_others() -> None:
    sizes = [local.size for local in local_sizes(8 * GIB, 2) if local.fits]
    assert find_size("4gb", sizes).memory_bytes == 4 * GIB
    with pytest.raises(InvalidInput) as refused:
        find_size("4 GB", sizes)
    assert refused.value.field == "size"
    assert refused.value.hint == "Did you mean 4gb? Valid: 512mb, 1gb, 2gb, 4gb."
