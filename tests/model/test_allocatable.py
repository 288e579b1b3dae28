"""Allocatable memory and CPU: the measured machines to the MiB, and what must hold for all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.allocatable import (
    DAEMONSETS,
    ESTIMATED_SOURCE,
    MARGIN,
    MEASURED_SOURCE,
    allocatable,
    kube_reserved_cpu_millis,
    managed_max_pods,
    max_pods,
    whole_node_request,
)
from roost.model.offers import InstanceType, instance_type, instance_types
from roost.model.resources import Resources
from roost.model.units import GIB, MIB

any_type = st.sampled_from(sorted(instance_types())).map(instance_type)


@pytest.mark.parametrize(
    ("name", "capacity_mib", "allocatable_mib", "cpu_millis"),
    [
        ("m5.large", 7_640, 6_966, 1_930),
        ("r5.xlarge", 31_627, 30_634, 3_920),
        ("r5.2xlarge", 63_593, 62_600, 7_910),
        ("r5.4xlarge", 127_337, 124_408, 15_890),
        ("r5.16xlarge", 510_333, 501_871, 63_770),
    ],
)
def test_measured_machines(name: str, capacity_mib: int, allocatable_mib: int, cpu_millis: int) -> None:
    node = allocatable(instance_type(name))
    assert node.capacity_bytes == capacity_mib * MIB
    assert node.resources.memory_bytes == allocatable_mib * MIB
    assert node.resources.cpu_millis == cpu_millis
    assert node.source == MEASURED_SOURCE


def test_the_capacity_seen_on_a_node_beats_the_table() -> None:
    node = allocatable(instance_type("m5.large"), capacity_bytes=7_724 * MIB, source="node ip-10-0-0-1")
    assert node.resources.memory_bytes == 7_050 * MIB
    assert node.source == "node ip-10-0-0-1"


def test_the_estimate_for_what_was_not_measured() -> None:
    small = allocatable(instance_type("t3.medium"))
    large = allocatable(instance_type("r5a.16xlarge"))
    assert small.source == large.source == ESTIMATED_SOURCE
    assert small.resources.memory_bytes / MIB == pytest.approx(3_246.8, abs=0.01)
    assert large.resources.memory_bytes / MIB == pytest.approx(476_504.4, abs=0.01)


def test_the_estimate_is_on_the_safe_side_of_every_measurement() -> None:
    for name in ("m5.large", "r5.xlarge", "r5.2xlarge", "r5.4xlarge", "r5.16xlarge"):
        instance = instance_type(name)
        estimate = allocatable(instance, capacity_bytes=instance.memory_bytes * 925 // 1000)
        assert estimate.resources.memory_bytes <= allocatable(instance).resources.memory_bytes


@pytest.mark.parametrize(
    ("name", "pods", "managed"),
    [("m5.large", 29, 29), ("r5.xlarge", 58, 58), ("r5.4xlarge", 234, 110), ("r5.16xlarge", 737, 250)],
)
def test_pods_by_addresses(name: str, pods: int, managed: int) -> None:
    assert max_pods(instance_type(name)) == pods
    assert managed_max_pods(instance_type(name)) == managed


@given(any_type)
def test_less_than_the_machine_and_more_than_nothing(instance: InstanceType) -> None:
    node = allocatable(instance)
    assert 0 <= node.resources.memory_bytes < instance.memory_bytes
    assert 0 < node.resources.cpu_millis < instance.vcpus * 1000
    assert node.resources.gpus == instance.gpu_count
    if instance.memory_bytes >= 2 * GIB and instance.memory_bytes >= max_pods(instance) * 16 * MIB:
        assert node.resources.memory_bytes > 0


@given(any_type, st.integers(1 * GIB, 4096 * GIB), st.integers(1, GIB), st.integers(1, 700), st.integers(1, 50))
def test_more_capacity_gives_more_and_more_pods_less(
    instance: InstanceType, capacity: int, more: int, pods: int, more_pods: int
) -> None:
    node = allocatable(instance, capacity_bytes=capacity, pods=pods)
    assert allocatable(instance, capacity_bytes=capacity + more, pods=pods).resources.memory_bytes >= (
        node.resources.memory_bytes
    )
    assert allocatable(instance, capacity_bytes=capacity, pods=pods + more_pods).resources.memory_bytes <= (
        node.resources.memory_bytes
    )


@given(st.integers(1, 500))
def test_each_core_adds_cpu(vcpus: int) -> None:
    left = vcpus * 1000 - kube_reserved_cpu_millis(vcpus)
    assert left < (vcpus + 1) * 1000 - kube_reserved_cpu_millis(vcpus + 1)


@given(any_type)
def test_a_whole_node_request_fits_beside_the_daemonsets_and_only_once(instance: InstanceType) -> None:
    node = allocatable(instance)
    request = whole_node_request(node)
    if request is None:
        assert node.resources.memory_bytes <= DAEMONSETS.memory_bytes + MARGIN.memory_bytes or (
            node.resources.cpu_millis <= DAEMONSETS.cpu_millis + MARGIN.cpu_millis
        )
        return
    assert (request + DAEMONSETS).fits(node.resources)
    if request.memory_bytes > MARGIN.memory_bytes:
        assert not (request * 2 + DAEMONSETS).fits(node.resources)


def test_a_machine_too_small_for_its_own_daemonsets_takes_nothing() -> None:
    assert whole_node_request(allocatable(instance_type("t3.nano"))) is None


def test_amounts_add_up() -> None:
    one = Resources(memory_bytes=3, cpu_millis=5, gpus=1, pods=1)
    assert one + one == one * 2
    assert one * 3 - one == one * 2
    assert one.fits(one)
    assert not (one * 2).fits(one)
