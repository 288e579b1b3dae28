"""Every page in every state, both themes, desktop and phone: axe finds nothing, nothing sticks out, nothing is loaded
from elsewhere, nothing is heavy."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response
from tests.browser.preview import serve
from tests.browser.samples import NOW, PAGES

pytestmark = pytest.mark.browser
VIEWS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
PAGE_WEIGHT_BYTES = 150_000
_AXE = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = serve()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", list(VIEWS))
def test_pages_are_accessible_and_fit(browser: Browser, address: str, theme: str, view: str) -> None:
    context = browser.new_context(
        viewport=VIEWS[view],  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.clock.set_fixed_time(NOW)
    complaints: list[str] = []

    def hear(text: str) -> None:
        complaints.append(f"{page.url}: {text}")

    page.on("pageerror", lambda error: hear(str(error)))
    page.on("console", lambda message: hear(message.text) if "Content Security" in message.text else None)
    for name in PAGES:
        page.goto(f"{address}/{name}")
        complaints += [f"{name}: {found}" for found in violations(page)]
        if page.evaluate(_WIDER) > 0:
            complaints.append(f"{name} is wider than the {view}")
    context.close()
    assert not complaints, "\n".join(complaints)


def violations(page: Page) -> list[str]:
    """What axe says, a line for each element."""
    found = Axe().run(page, options=_AXE).response["violations"]
    return [f"{rule['id']}: {node['html'][:140]}" for rule in found for node in rule["nodes"]]


def test_nothing_comes_from_elsewhere_and_pages_are_light(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    weights: dict[str, int] = {}
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda response: weights.update({response.url: sent(response)}))
    for name in PAGES:
        page.goto(f"{address}/{name}", wait_until="load")
    context.close()
    assert not [url for url in asked if not url.startswith((address, "data:"))]
    static = sum(size for url, size in weights.items() if "/static/" in url)
    heaviest = max(size for url, size in weights.items() if "/static/" not in url)
    assert static + heaviest < PAGE_WEIGHT_BYTES, (static, heaviest)


def sent(response: Response) -> int:
    """What the platform sends of it: static files compressed, pages as they are."""
    body = response.body() if response.ok else b""
    return len(gzip.compress(body, 9)) if "/static/" in response.url else len(body)


def test_the_page_is_there_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/home")
    assert page.get_by_role("link", name="New workspace").is_visible()
    assert page.locator(".card").count() > 1
    page.goto(f"{address}/sign-in")
    assert page.get_by_role("button", name="Sign in").is_visible()
    context.close()
