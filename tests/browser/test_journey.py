"""The whole journey in a real browser, in its order: join, create, compute, Dask, stop and start, invite, sign out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.people import Person, first_link, snap, write_notebook
from tests.harness import Platform, eventually

pytestmark = [pytest.mark.browser, pytest.mark.image, pytest.mark.timeout(300)]
LAB = re.compile(r"^http://ws-[a-z2-7]{26}\.roost\.localhost:\d+/lab")
CELLS = [
    "import pathlib, sys\npathlib.Path('kept.txt').write_text('still here')\nprint('hello from', 6 * 7)",
    (
        "from roost import RoostCluster\n"
        "cluster = RoostCluster(workers=2, name='churn')\n"
        "client = cluster.get_client()\n"
        "print('sum', client.submit(sum, range(10)).result())"
    ),
    (
        "import dask.array as da\n"
        "walk = da.random.default_rng(7).normal(size=(300, 400), chunks=50).cumsum(axis=1).mean(axis=0).compute()\n"
        "from bokeh.io import output_notebook, show\nfrom bokeh.plotting import figure\n"
        "output_notebook(hide_banner=True)\n"
        "plot = figure(height=230, width=760, toolbar_location=None)\n"
        "plot.line(list(range(len(walk))), walk, line_width=2, color='#00696b')\nshow(plot)"
    ),
]


@pytest.fixture(scope="module")
def ada(browser: Browser, roost: Platform) -> Iterator[Person]:
    person = Person(browser, roost, "Ada Lovelace")
    yield person
    person.context.close()


@pytest.fixture(scope="module")
def kim(browser: Browser, roost: Platform) -> Iterator[Person]:
    person = Person(browser, roost, "Kim")
    yield person
    person.context.close()


def run_cell(lab: Page, number: int, said: str | None) -> None:
    """Run a cell by the keyboard and wait for what it prints."""
    cell = lab.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    lab.keyboard.press("Control+Enter")
    if said is not None:
        expect(cell.locator(".jp-OutputArea-output").first).to_contain_text(said, timeout=60_000)


def test_1_the_first_administrator_comes_by_the_printed_link(ada: Person, roost: Platform, pictures: Path) -> None:
    ada.page.goto(f"{roost.url}/workspaces")
    assert ada.page.url == f"{roost.url}/sign-in?next=%2Fworkspaces"
    snap(ada.page, pictures, "sign-in")
    link = first_link(roost)
    ada.join(link)
    expect(ada.page.get_by_role("heading", name="Start with one of these")).to_be_visible()
    snap(ada.page, pictures, "home-empty")
    ada.page.goto(link)
    expect(ada.page.get_by_role("heading")).to_have_text("This link was used already")
    cookies = {cookie["name"]: cookie for cookie in ada.context.cookies(roost.url.replace("http:", "https:"))}
    session = next(cookie for name, cookie in cookies.items() if name.startswith("__Host-roost-"))
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Lax")


def test_2_three_clicks_to_a_notebook(ada: Person, roost: Platform, pictures: Path) -> None:
    page = ada.page
    page.goto(f"{roost.url}/")
    page.get_by_role("link", name="Notebook JupyterLab with").click()
    dialog = page.get_by_role("dialog", name="New workspace")
    expect(dialog.get_by_label("Name")).to_have_value("notebook")
    dialog.get_by_text("larger sizes than this machine holds").click()
    expect(dialog.get_by_text("this machine has", exact=False).first).to_be_visible()
    dialog.get_by_text("larger sizes than this machine holds").click()
    snap(page, pictures, "create")
    dialog.get_by_label("Name").fill("x" * 81)
    dialog.get_by_label("Name").evaluate("node => node.removeAttribute('maxlength')")
    dialog.get_by_label("Name").fill("x" * 300)
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.locator(".wrong")).to_contain_text("300")
    dialog.get_by_label("Name").fill("churn model")
    dialog.get_by_role("button", name="Start").click()
    page.wait_for_url(LAB)
    expect(page.locator(".jp-Launcher").first).to_be_visible(timeout=60_000)
    assert not ada.complaints


def test_3_a_cell_runs_and_dask_answers_from_the_notebook(ada: Person, roost: Platform, pictures: Path) -> None:
    lab = ada.page
    origin = lab.url.partition("/lab")[0]
    write_notebook(lab, origin, "churn.ipynb", CELLS)
    lab.goto(f"{origin}/lab/tree/churn.ipynb")
    expect(lab.locator(".jp-Notebook .jp-CodeCell").nth(2)).to_be_visible(timeout=60_000)
    expect(lab.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    run_cell(lab, 0, "hello from 42")
    run_cell(lab, 1, "sum 45")
    run_cell(lab, 2, None)
    expect(lab.locator(".jp-Notebook .bk-Figure, .jp-Notebook [data-root-id]").first).to_be_visible(timeout=60_000)
    lab.keyboard.press("Control+s")
    lab.locator(".jp-Notebook").evaluate("node => node.scrollTo(0, 1e6)")
    lab.wait_for_timeout(1500)  # for the picture: the plot is drawn
    lab.screenshot(path=pictures / "lab.png")


def test_4_a_token_made_on_the_page_opens_the_command_line(ada: Person, roost: Platform) -> None:
    page = ada.page = ada.new_page()
    page.goto(f"{roost.url}/settings")
    page.get_by_text("New token").click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_role("region", name="Token", exact=True).inner_text()
    assert token.startswith("rst_")
    for arguments in (("create", "forecast"), ("create", "Ökonometrie II"), ("stop", "Ökonometrie II")):
        roost.cli("workspace", *arguments, "--wait", token=token)
    page.goto(f"{roost.url}/settings")
    expect(page.locator("main")).not_to_contain_text(token)
    expect(page.locator("li", has_text="laptop")).to_contain_text("used")


def test_5_home_shows_what_runs_and_what_it_would_cost(ada: Person, roost: Platform, pictures: Path) -> None:
    page = ada.page
    page.goto(f"{roost.url}/")
    expect(page.get_by_role("heading", name="3 running")).to_be_visible()
    card = page.locator("article.card", has_text="churn model")
    expect(card).to_contain_text("Running")
    expect(card.locator("[data-usage-words]")).to_contain_text("of 4.0 GB")
    eventually(lambda: card.locator(".bar-fill").get_attribute("width") != "0.0%")
    snap(page, pictures, "home")


def test_6_the_page_of_a_workspace_tells_all(ada: Person, pictures: Path) -> None:
    page = ada.page
    page.locator("article.card", has_text="churn model").get_by_role("link", name="churn model", exact=True).click()
    expect(page.get_by_role("heading", name="churn model", level=1)).to_be_visible()
    expect(page.locator("figure.chart")).to_have_count(3)
    eventually(lambda: "L" in (page.locator("figure.chart path.curve").first.get_attribute("d") or ""), within_s=20)
    snap(page, pictures, "workspace")
    for tab, words in (("Logs", "Jupyter Server"), ("Events", "Created"), ("Access", "nobody else gets in")):
        page.get_by_role("link", name=tab, exact=True).last.click()
        expect(page.locator("main")).to_contain_text(words)
    assert not ada.complaints


def test_7_the_page_of_a_cluster_scales_it(ada: Person, roost: Platform, pictures: Path) -> None:
    page = ada.page
    page.goto(f"{roost.url}/clusters")
    page.get_by_role("link", name="churn", exact=True).click()
    expect(page.locator("[data-live=workers]")).to_contain_text("2 of 2 ready")
    snap(page, pictures, "cluster")
    page.get_by_role("button", name="One worker more").click()
    page.get_by_role("button", name="Scale").click()
    expect(page.locator("[data-live=workers]")).to_contain_text("3 of 3 ready")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the dashboard of churn in a new tab").click()
    expect(opened.value.locator("body")).to_contain_text("Task Stream", timeout=60_000, ignore_case=True)
    opened.value.close()


def test_8_stop_can_be_undone_and_the_file_survives(ada: Person, roost: Platform) -> None:
    page = ada.page
    page.goto(f"{roost.url}/workspaces")
    row = page.locator("tr", has_text="churn model")
    ada.menu("churn model", "Stop")
    expect(page.locator(".toast")).to_contain_text("churn model is stopping.")
    page.get_by_role("button", name="Undo").click()
    expect(row).to_contain_text("Running", timeout=30_000)
    ada.menu("churn model", "Stop")
    expect(row).to_contain_text("Stopped", timeout=30_000)
    row.get_by_role("button", name="Start churn model").click()
    with page.expect_popup() as opened:
        row.get_by_role("link", name="Open churn model in a new tab").click(timeout=30_000)
    lab = opened.value
    lab.wait_for_url(LAB)
    origin = lab.url.partition("/lab")[0]
    kept = lab.evaluate("async path => (await (await fetch(path)).json()).content", f"{origin}/api/contents/kept.txt")
    assert kept == "still here"
    lab.close()


def test_9_the_keyboard_reaches_everything(ada: Person, roost: Platform, pictures: Path) -> None:
    page = ada.page
    page.goto(f"{roost.url}/")
    page.keyboard.press("Control+k")
    page.keyboard.type("stop churn mo")
    expect(page.get_by_role("option", selected=True)).to_have_text("Stop churn model")
    snap(page, pictures, "palette")
    page.keyboard.press("Enter")
    expect(page.locator("article.card", has_text="churn model")).to_contain_text("Stopped", timeout=30_000)
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_somebody_else_is_invited_and_sees_their_own(
    ada: Person, kim: Person, roost: Platform, pictures: Path
) -> None:
    ada.page.goto(f"{roost.url}/people")
    ada.page.get_by_label("For whom").fill("kim@example.org")
    ada.page.get_by_role("button", name="Make link").click()
    link = ada.page.get_by_role("region", name="Invitation link").inner_text()
    ada.page.goto(f"{roost.url}/people")
    snap(ada.page, pictures, "people")
    kim.join(link)
    expect(kim.page.get_by_role("heading", name="Start with one of these")).to_be_visible()
    kim.page.goto(f"{roost.url}/people")
    expect(kim.page.get_by_role("heading")).to_have_text("This is for administrators")
    ada.page.goto(f"{roost.url}/workspaces")
    theirs = str(ada.page.get_by_role("link", name="forecast", exact=True).get_attribute("href"))
    kim.page.goto(f"{roost.url}{theirs}")
    expect(kim.page.get_by_role("heading")).to_contain_text("There is no workspace")
    kim.page.goto(f"http://{theirs.rpartition('/')[2]}.roost.localhost:{roost.port}/")
    expect(kim.page.get_by_role("heading")).not_to_contain_text("Launcher")
    assert kim.page.locator(".jp-Launcher").count() == 0
    ada.page.goto(f"{roost.url}/machine")
    snap(ada.page, pictures, "machine")


def test_b_the_bin_keeps_and_only_a_typed_name_destroys(ada: Person, roost: Platform) -> None:
    page = ada.page
    page.goto(f"{roost.url}/workspaces")
    ada.menu("churn model", "Move to bin")
    expect(page.locator(".toast")).to_contain_text("churn model is in the bin.")
    expect(page.locator("tr", has_text="churn model")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tr", has_text="churn model")).to_contain_text("Stopped")
    ada.menu("churn model", "Move to bin")
    expect(page.locator("tr", has_text="churn model")).to_have_count(0)
    page.goto(f"{roost.url}/volumes")
    page.get_by_role("link", name="Destroy churn model").click()
    button = page.get_by_role("button", name="Destroy for ever")
    expect(button).to_be_disabled()
    page.get_by_label("Type its name to confirm").fill("churn model")
    button.click()
    expect(page.get_by_role("status")).to_contain_text("being destroyed")


def test_c_signing_out_closes_every_door(ada: Person, roost: Platform) -> None:
    page = ada.page
    page.goto(f"{roost.url}/")
    page.get_by_label("You: Ada Lovelace").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_contain_text("You are signed out.")
    page.goto(f"{roost.url}/workspaces")
    assert "/sign-in" in page.url
    ada.sign_in()
    assert not ada.complaints
