"""What of a machine a program can really have. The one place where it is computed.

A node's memory shrinks twice: the virtual machine takes its part of the nominal size (capacity), then the kubelet
reserves for itself and for eviction (allocatable). An autoscaler template that says more than `allocatable` starts
machines on which the pod then stays pending. Capacity is an argument: what was observed beats what was measured
elsewhere, which beats the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from roost.model.offers import InstanceType
from roost.model.resources import Resources
from roost.model.units import MIB

#: Capacity seen on EKS nodes (AL2023, collected July to August 2026), in MiB; of a range the low end.
MEASURED_CAPACITY_MIB = {
    "m5.large": 7_640,
    "r5.xlarge": 31_627,
    "r5.2xlarge": 63_593,
    "r5.4xlarge": 127_337,
    "r5.16xlarge": 510_333,
}
MEASURED_SOURCE = "measured on EKS AL2023 nodes, July to August 2026"
#: The overhead was 2.7 to 3 % on r5 and 6 to 7 % on m5.large; 7.5 % is on the safe side of all that was measured.
ESTIMATED_CAPACITY = Fraction(925, 1000)
ESTIMATED_SOURCE = "estimated: nominal memory less 7.5 %"
EVICTION_BYTES = 100 * MIB  # kubelet's default hard eviction threshold on EKS, memory.available<100Mi
#: Requests of the DaemonSets on every node (network, disk driver, proxy), measured together.
DAEMONSETS = Resources(memory_bytes=250 * MIB, cpu_millis=195)
#: Kept free beside a program that fills its node, for what DaemonSets may grow to.
MARGIN = Resources(memory_bytes=64 * MIB, cpu_millis=20)
#: An upper bound that managed node groups apply, below and from 30 vCPUs.
MANAGED_CAPS = (110, 250)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocatable:
    """What pods may request of a node in all, and where the capacity it rests on comes from."""

    resources: Resources
    capacity_bytes: int
    source: str


def max_pods(instance: InstanceType) -> int:
    """How many pods the addresses of an instance allow with the VPC CNI: interfaces x (IPv4 each - 1) + 2.

    >>> from roost.model.offers import instance_type
    >>> max_pods(instance_type("m5.large")), max_pods(instance_type("r5.16xlarge"))
    (29, 737)
    """
    return instance.network_interfaces * (instance.ipv4_per_interface - 1) + 2


def managed_max_pods(instance: InstanceType) -> int:
    """The same under a managed node group, which caps it."""
    return min(max_pods(instance), MANAGED_CAPS[instance.vcpus >= 30])


def capacity(instance: InstanceType) -> tuple[int, str]:
    """Memory capacity of a node in bytes and its source: measured where it was, else estimated."""
    measured_mib = MEASURED_CAPACITY_MIB.get(instance.name)
    if measured_mib is not None:
        return measured_mib * MIB, MEASURED_SOURCE
    return int(instance.memory_bytes * ESTIMATED_CAPACITY), ESTIMATED_SOURCE


def allocatable(
    instance: InstanceType, *, capacity_bytes: int | None = None, pods: int | None = None, source: str = "given"
) -> Allocatable:
    """What the kubelet of an AL2023 node lets pods request.

    `capacity_bytes` is the node's memory capacity where it is known (described by `source`); `pods` the kubelet's
    maximum where it is set, else what the addresses allow. The memory reserve grows with that maximum, so an overlay
    network with 110 pods leaves more memory than 737 addresses do.
    """
    if capacity_bytes is None:
        capacity_bytes, source = capacity(instance)
    pods = max_pods(instance) if pods is None else pods
    memory = capacity_bytes - kube_reserved_memory_bytes(pods) - EVICTION_BYTES
    return Allocatable(
        resources=Resources(
            memory_bytes=max(0, memory),
            cpu_millis=instance.vcpus * 1000 - kube_reserved_cpu_millis(instance.vcpus),
            gpus=instance.gpu_count,
            pods=pods,
        ),
        capacity_bytes=capacity_bytes,
        source=source,
    )


def kube_reserved_memory_bytes(pods: int) -> int:
    """Memory the EKS bootstrap reserves for the kubelet: 255 MiB and 11 MiB for each possible pod."""
    return (255 + 11 * pods) * MIB


def kube_reserved_cpu_millis(vcpus: int) -> int:
    """CPU the EKS bootstrap reserves: 6 % of the first core, 1 % of the second, 0.5 % of two more, 0.25 % of the rest.

    >>> [kube_reserved_cpu_millis(n) for n in (1, 2, 4, 8, 64)]
    [60, 70, 80, 90, 230]
    """
    tenths = 600 * min(vcpus, 1) + 100 * min(max(vcpus - 1, 0), 1)
    tenths += 50 * min(max(vcpus - 2, 0), 2) + 25 * max(vcpus - 4, 0)
    return -(-tenths // 10)


def whole_node_request(
    node: Allocatable, *, daemonsets: Resources = DAEMONSETS, margin: Resources = MARGIN
) -> Resources | None:
    """What one program requests to fill a node, so that nothing else lands there; None where nothing is left."""
    memory = node.resources.memory_bytes - daemonsets.memory_bytes - margin.memory_bytes
    cpu = node.resources.cpu_millis - daemonsets.cpu_millis - margin.cpu_millis
    if memory <= 0 or cpu <= 0:
        return None
    return Resources(memory_bytes=memory, cpu_millis=cpu, gpus=node.resources.gpus, pods=1)
