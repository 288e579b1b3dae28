"""The pages without scripts: what is typed is kept after an error, what was done is said, nothing else is changed."""

from __future__ import annotations

import re

import pytest
from tests.api.world import Browser, World
from tests.web.forms import look, send

from roost.model.lifecycle import Phase, Wanted
from roost.model.workload import Kind
from roost.services import workloads
from roost.store import people
from roost.store import workloads as table
from roost.store.rows import WorkloadRow


def row_of(world: World, owner: Browser, name: str, kind: Kind = Kind.WORKSPACE) -> WorkloadRow:
    return workloads.find(world.store, owner.caller.person, kind, name)


async def test_who_is_not_signed_in_is_sent_there_and_back(world: World) -> None:
    seen = await look(world, None, "/workspaces?phase=failed")
    assert (seen.status, seen.location) == (303, "/sign-in?next=%2Fworkspaces%3Fphase%3Dfailed")
    seen = await look(world, None, "/sign-in?next=%2Fworkspaces%3Fphase%3Dfailed")
    assert 'name="next" value="/workspaces?phase=failed"' in seen.text


async def test_a_way_to_a_workload_is_a_navigation_of_its_own(world: World, ada: Browser) -> None:
    """A browser does not follow a form to another origin (form-action)."""
    seen = await look(world, ada, "/sign-in?next=/enter/ws-x")
    assert (seen.status, seen.location) == (200, "")
    assert '<meta http-equiv="refresh" content="0;url=/enter/ws-x">' in seen.text


async def test_a_workspace_is_made_and_waited_for(world: World, ada: Browser) -> None:
    form = {"name": "demo", "size": "1gb", "idle": "3600", "variables": "A=1\r\nB=x=y"}
    seen = await send(world, ada, "/workspaces", form)
    row = row_of(world, ada, "demo")
    assert (seen.status, seen.location) == (303, f"/workspaces/{row.id}?open=1")
    assert row.spec["environment"] == {"image": "default", "size": "1gb", "variables": {"A": "1", "B": "x=y"}}
    assert row.spec["idle_timeout_s"] == 3600
    waiting = await look(world, ada, seen.location)
    assert "demo" in waiting.text
    assert 'http-equiv="refresh"' in waiting.text


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"name": "demo", "size": "1gb"}, 409, "There is a workspace named 'demo' already."),
        ({"name": "x" * 300, "size": "1gb"}, 422, "300"),
        ({"name": "new", "size": "huge"}, 422, "huge"),
        ({"name": "new", "size": "512gb"}, 409, "does not fit"),
        ({"name": "new", "size": "1gb", "variables": "no equals sign"}, 422, "Write NAME=value."),
        ({"name": "new", "size": "1gb", "variables": "A=1\nA=2"}, 422, "A is there twice."),
        ({"name": "new", "size": "1gb", "variables": "ROOST_X=1"}, 422, "ROOST_"),
        ({"name": "new", "size": "1gb", "volume": "vo-none"}, 422, "volume"),
        ({"name": "new", "size": "1gb", "idle": "soon"}, 422, "Use a whole number."),
    ],
)
async def test_what_was_typed_stays_beside_the_error(
    world: World, ada: Browser, form: dict[str, str], status: int, said: str
) -> None:
    world.workload(ada.caller.person, "demo")
    before = world.dump()
    seen = await send(world, ada, "/workspaces", form)
    assert (seen.status, said in seen.text) == (status, True), re.findall(r"<p[^>]*>.*", seen.text)
    assert f'value="{form["name"]}"' in seen.text
    assert form.get("variables", "") in seen.text
    assert world.dump() == before


async def test_a_panel_is_answered_in_parts(world: World, ada: Browser) -> None:
    panel = {"X-Roost-Part": "panel"}
    seen = await look(world, ada, "/clusters/new", **panel)
    assert seen.text.lstrip().startswith("<form")
    seen = await send(world, ada, "/clusters", {"name": "c", "size": "1gb", "workers": "-1"}, **panel)
    assert (seen.status, seen.text.lstrip()[:5], "workers" in seen.text) == (422, "<form", True)
    seen = await send(world, ada, "/clusters", {"name": "c", "size": "1gb", "workers": "3"}, **panel)
    row = row_of(world, ada, "c", Kind.CLUSTER)
    assert (seen.status, f"/clusters/{row.id}" in seen.text, row.spec["workers"]) == (201, True, 3)


async def test_the_first_name_and_the_largest_size_are_offered(world: World, ada: Browser) -> None:
    world.workload(ada.caller.person, "Notebook")
    seen = await look(world, ada, "/workspaces/new?size=largest")
    assert 'value="notebook-2"' in seen.text
    fitting = [local.size for local in world.platform.catalog.sizes if local.fits]
    checked = re.search(r'name="size" value="([^"]+)" checked', seen.text)
    assert checked is not None
    assert checked[1] == max(fitting, key=lambda size: size.memory_bytes).name


@pytest.mark.parametrize(
    ("verb", "form", "wanted", "notice"),
    [
        ("stop", {}, Wanted.STOPPED, "It is stopping."),
        ("start", {}, Wanted.RUNNING, "It is starting."),
        ("restart", {}, Wanted.RUNNING, "It is starting again."),
        ("extend", {}, Wanted.RUNNING, "It is kept for 2 h more."),
        ("rename", {"name": "other"}, Wanted.RUNNING, "Renamed."),
        ("safe-mode", {"safe_mode": "1"}, Wanted.RUNNING, "It is starting."),
    ],
)
async def test_buttons_work_without_scripts(
    world: World, ada: Browser, verb: str, form: dict[str, str], wanted: Wanted, notice: str
) -> None:
    row = world.workload(ada.caller.person, "demo")
    seen = await send(world, ada, f"/workspaces/{row.id}/{verb}", form)
    assert seen.status == 303
    assert workloads.by_id(world.store, row.id).wanted is wanted
    page = await look(world, ada, seen.location)
    assert (page.status, notice in page.text) == (200, True)


async def test_settings_of_a_stopped_one_change_and_of_a_running_one_say_why_not(world: World, ada: Browser) -> None:
    row = world.workload(ada.caller.person, "demo")
    seen = await send(world, ada, f"/workspaces/{row.id}/resize", {"size": "1gb"})
    assert (seen.status, "Stop it first." in seen.text or "while it is stopped" in seen.text) == (409, True)
    with world.store.write() as tx:
        table.change(tx, row.id, {"wanted": Wanted.STOPPED, "phase": Phase.STOPPED})
    for verb, form in (("resize", {"size": "1gb"}), ("idle", {"idle": "1800"}), ("idle", {"idle": ""})):
        assert (await send(world, ada, f"/workspaces/{row.id}/{verb}", form)).status == 303
    spec = workloads.by_id(world.store, row.id).spec
    assert (spec["environment"]["size"], spec["idle_timeout_s"]) == ("1gb", None)
    seen = await send(world, ada, f"/workspaces/{row.id}/rename", {"name": " "})
    assert (seen.status, 'aria-describedby="wrong-name"' in seen.text) == (422, True)


async def test_the_bin_gives_back_and_destroys_only_by_name(world: World, ada: Browser) -> None:
    row = world.workload(ada.caller.person, "demo")
    seen = await send(world, ada, f"/workspaces/{row.id}/delete", {})
    assert seen.location == "/workspaces?done=deleted"
    assert (await look(world, ada, f"/workspaces/{row.id}")).status == 404
    listed = await look(world, ada, "/volumes")
    assert f'action="/volumes/{row.volume}/restore"' in listed.text
    seen = await send(world, ada, f"/volumes/{row.volume}/restore", {})
    assert seen.location == f"/workspaces/{row.id}?done=restored"
    assert workloads.by_id(world.store, row.id).deleted_us is None
    await send(world, ada, f"/workspaces/{row.id}/delete", {})
    before = world.dump()
    seen = await send(world, ada, f"/volumes/{row.volume}/destroy", {"confirm": "Demo"})
    assert (seen.status, "Repeat the name exactly: demo" in seen.text, world.dump() == before) == (422, True, True)
    seen = await send(world, ada, f"/volumes/{row.volume}/destroy", {"confirm": "demo"})
    assert (seen.status, seen.location) == (303, "/volumes?done=destroyed")
    assert str(row.volume) not in (await look(world, ada, "/volumes")).text


async def test_invitations_are_off_where_people_are_not_kept_apart(world: World, ada: Browser) -> None:
    page = await look(world, ada, "/people")
    assert "Invitations are off" in page.text
    seen = await send(world, ada, "/people/invite", {"role": "member"})
    assert (seen.status, "Invitations are off" in seen.text) == (409, True)


async def test_the_last_administrator_stays_and_a_password_link_is_shown_once(world: World, ada: Browser) -> None:
    kim = world.person("Kim")
    seen = await send(world, ada, f"/people/{ada.caller.person}/role", {"role": "member"})
    assert (seen.status, "is the last administrator" in seen.text) == (409, True)
    seen = await send(world, ada, f"/people/{kim.person}/password-link", {})
    link = re.search(r"/join/([\w-]{43})", seen.text)
    assert link is not None
    assert link[0] not in (await look(world, ada, "/people")).text
    joined = await look(world, None, link[0])
    assert "Set a new password" in joined.text
    assert "for Kim" in joined.text


async def test_a_token_is_shown_once_and_a_theme_is_kept(world: World, ada: Browser) -> None:
    form: dict[str, str | list[str]] = {"token_name": "ci", "scopes": ["read", "clusters"], "expires_days": "7"}
    seen = await send(world, ada, "/settings/tokens", form)
    secret = re.search(r"rst_[\w-]{43}", seen.text)
    assert secret is not None
    later = await look(world, ada, "/settings")
    assert secret[0] not in later.text
    assert "clusters, read" in later.text
    seen = await send(world, ada, "/settings/tokens", {"token_name": "", "expires_days": "7"})
    assert (seen.status, "wrong-token_name" in seen.text) == (422, True)
    await send(world, ada, "/settings/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in (await look(world, ada, "/")).text
    with world.store.read() as tx:
        row = people.by_id(tx, ada.caller.person)
    assert row is not None
    assert row.preferences == {"theme": "dark"}


async def test_lists_are_sorted_filtered_and_their_address_says_so(world: World, ada: Browser) -> None:
    for name in ("alpha", "beta", "Älpha"):
        world.workload(ada.caller.person, name)
    seen = await look(world, ada, "/workspaces?q=lpha&sort=name")
    names = re.findall(r"<bdi>([^<]+)</bdi>", seen.text)
    assert names == ["alpha", "Älpha"]
    assert "sort=-name" in seen.text
    assert "Nothing matches" in (await look(world, ada, "/workspaces?q=zzz")).text
    assert "beta" not in (await look(world, ada, "/workspaces?phase=failed")).text


async def test_hostile_names_stay_text(world: World, ada: Browser) -> None:
    world.workload(ada.caller.person, '"><svg onload=alert(1)>')
    async with world.http() as http:
        for path in ("/", "/workspaces", "/machine", "/volumes"):
            answer = await http.get(path, headers={"Accept": "text/html", "Cookie": ada.cookie})
            assert "<svg onload" not in answer.text
            assert answer.status_code == 200


async def test_errors_are_pages_for_people_and_problems_for_programs(world: World, ada: Browser) -> None:
    seen = await look(world, ada, "/nothing/here")
    assert (seen.status, "There is nothing at this address" in seen.text) == (404, True)
    async with world.http() as http:
        answer = await http.get("/api/v1/nothing", headers={"Accept": "text/html", "Cookie": ada.cookie})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_static_files_are_kept_for_ever_and_sent_small(world: World) -> None:
    page = await look(world, None, "/sign-in")
    address = re.search(r'"(/static/\w+/roost\.css)"', page.text)
    assert address is not None
    async with world.http() as http:
        answer = await http.get(address[1], headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        assert "--accent" in answer.text
        assert (await http.get("/static/0000/roost.css")).status_code == 404
        assert (await http.get("/favicon.ico")).status_code == 302
