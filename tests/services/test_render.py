import pytest
from tests.services.fixed import by
from tests.store.making import NOW, person

from roost.model.access import Caller
from roost.model.errors import InvalidInput, Refused
from roost.model.specs import ClusterSpec, Environment, Spec, WorkspaceSpec
from roost.model.workload import Mount, Port, Program, Route, Workload
from roost.services import clusters, tokens, workloads
from roost.services.keys import Vault
from roost.services.machine import Machine
from roost.services.render import Renderer, internal_url, rotated_files
from roost.services.sizes import local_catalog, priced_json
from roost.settings import Settings
from roost.store.database import Store

GIB = 1 << 30
MACHINE = Machine(
    cores=8, memory_bytes=16 * GIB, memory_used_bytes=GIB, disk_total_bytes=9 * GIB, disk_free_bytes=5 * GIB
)
CATALOG = local_catalog(MACHINE)
CERTIFICATES = {name: name.encode() for name in ("ca.pem", "cert.pem", "key.pem", "client.pem", "client-key.pem")}


@pytest.fixture
def ada(store: Store) -> Caller:
    return person(store, "Ada")


def render(store: Store, settings: Settings, vault: Vault, owner: Caller, spec: Spec) -> Workload:
    row, _ = workloads.create(
        store,
        by(owner, NOW),
        "mine",
        spec,
        seal=lambda tx, id: vault.put(tx, id, CERTIFICATES, now_us=NOW) if isinstance(spec, ClusterSpec) else None,
    )
    return Renderer(settings, store, vault, CATALOG, lambda: NOW).render(row)


def test_a_workspace_is_one_lab_with_its_home_and_a_token_of_its_own(
    store: Store, settings: Settings, vault: Vault, ada: Caller
) -> None:
    spec = WorkspaceSpec(environment=Environment(size="2gb", variables={"A": "b"}))
    made = render(store, settings, vault, ada, spec)
    row = workloads.by_id(store, made.id)
    (lab,) = made.parts
    assert (made.owner, made.generation, made.image, made.pool) == (ada.person, 1, "default", CATALOG.pool.name)
    assert (lab.program, lab.memory_bytes, lab.count, lab.ports) == (Program.JUPYTERLAB, 2 * GIB, 1, (Port.HTTP,))
    assert lab.variables == {"A": "b", "ROOST_URL": "http://127.0.0.1:8000"}
    assert made.volumes == (Mount(volume=str(row.volume)),)
    assert made.routes == (Route(name="", part="lab"),)
    assert set(lab.files) == {"token", "url"}
    caller = tokens.caller_of_token(store, lab.files["token"].decode(), now_us=NOW)
    assert caller is not None
    assert (caller.person, caller.workload) == (ada.person, made.id)


def test_each_rendering_has_a_fresh_token(store: Store, settings: Settings, vault: Vault, ada: Caller) -> None:
    made = render(store, settings, vault, ada, WorkspaceSpec())
    row = workloads.by_id(store, made.id)
    again = rotated_files(store, settings, row, NOW)
    assert again["token"] != made.parts[0].files["token"]
    assert again["url"] == b"http://127.0.0.1:8000"


def test_safe_mode_is_told_to_the_program(store: Store, settings: Settings, vault: Vault, ada: Caller) -> None:
    made = render(store, settings, vault, ada, WorkspaceSpec(safe_mode=True))
    assert made.parts[0].variables["ROOST_SAFE_MODE"] == "1"


def test_a_cluster_is_a_scheduler_and_workers_with_certificates_alone(
    store: Store, settings: Settings, vault: Vault, ada: Caller
) -> None:
    made = render(store, settings, vault, ada, ClusterSpec(environment=Environment(size="1gb"), workers=3))
    scheduler, worker = made.parts
    assert [(part.program, part.count) for part in made.parts] == [
        (Program.DASK_SCHEDULER, 1),
        (Program.DASK_WORKER, 3),
    ]
    assert (scheduler.ports, worker.ports) == ((Port.HTTP, Port.DASK), ())
    assert worker.memory_bytes == GIB
    assert made.volumes == ()
    assert made.routes == (Route(name="", part="scheduler"),)
    for part in made.parts:
        assert part.files == clusters.node_files(CERTIFICATES)  # neither the client's key nor a token
        assert "ROOST_URL" not in part.variables
    none = render(store, settings, vault, person(store, "Bob"), ClusterSpec(workers=0))
    assert none.parts[1].count == 0


def test_a_size_this_machine_no_longer_has_is_refused(
    store: Store, settings: Settings, vault: Vault, ada: Caller
) -> None:
    with pytest.raises(Refused) as caught:
        render(store, settings, vault, ada, WorkspaceSpec(environment=Environment(size="512gb")))
    assert (caught.value.code, caught.value.field) == ("too-large", "size")
    with pytest.raises(InvalidInput) as unknown:
        CATALOG.find("3gb")
    assert "Did you mean" in unknown.value.hint


def test_over_tls_programs_use_the_address_of_people(settings: Settings) -> None:
    assert internal_url(settings) == "http://127.0.0.1:8000"
    tls = Settings(home=settings.home, domain="roost.example", behind_tls_proxy=True)
    assert internal_url(tls) == "https://roost.example"


def test_sizes_say_whether_they_fit_and_what_they_would_cost() -> None:
    shown = {local.size.name: priced_json(local) for local in CATALOG.sizes}
    assert CATALOG.default.name == "4gb"
    assert CATALOG.find("") is CATALOG.default
    assert (shown["8gb"]["fits"], shown["8gb"]["hourly_usd"]) == (True, "0")
    assert float(shown["8gb"]["eks_hourly_usd"]) > 0
    assert shown["8gb"]["price_date"]
    assert not shown["32gb"]["fits"]
    assert "16 GB" in shown["32gb"]["why"]
    with pytest.raises(Refused, match="no size fits"):
        local_catalog(
            Machine(cores=1, memory_bytes=GIB // 4, memory_used_bytes=0, disk_total_bytes=1, disk_free_bytes=1)
        )
