"""What people do in a browser, in their words: shared by the tests of the pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page
from tests.harness import Platform

PASSWORD = "four words and a horse"
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Person:
    """Somebody with a browser of their own; what their pages complain about is kept."""

    def __init__(self, browser: Browser, roost: Platform, name: str, **options: Any) -> None:
        self.name, self.roost = name, roost
        self.context: BrowserContext = browser.new_context(**{"viewport": WIDE, "timezone_id": "UTC", **options})
        self.complaints: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(30_000)
        host = urlsplit(self.roost.url).netloc

        def hear(text: str) -> None:
            """Complaints about our own pages; answers that were refused on purpose are none."""
            if urlsplit(page.url).netloc == host and not text.startswith("Failed to load resource"):
                self.complaints.append(f"{page.url}: {text}")

        page.on("pageerror", lambda error: hear(str(error)))
        page.on("console", lambda message: hear(message.text) if message.type in ("error", "warning") else None)
        return page

    def join(self, link: str) -> None:
        """Use a link that works once."""
        self.page.goto(link)
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Create account").click()
        self.page.wait_for_url(f"{self.roost.url}/")

    def sign_in(self) -> None:
        self.page.goto(f"{self.roost.url}/sign-in")
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.roost.url}/")

    def menu(self, of: str, verb: str) -> None:
        """Choose from the menu of a card or row."""
        self.page.get_by_label(f"More actions for {of}").first.click()
        self.page.locator("details.menu[open]").get_by_role("button", name=f"{verb} {of}").click()


def first_link(roost: Platform) -> str:
    """The newest link of the first administrator that `roost up` printed."""
    links: list[str] = re.findall(r"http://\S+/join/\S+", roost.output)
    return links[-1]


def snap(page: Page, directory: Path, name: str) -> None:
    """Screenshots in both themes; the theme of the page is as before afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    for theme, suffix in (("light", ""), ("dark", "-dark")):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.screenshot(path=directory / f"{name}{suffix}.png")
    page.emulate_media(color_scheme="light")


def write_notebook(page: Page, origin: str, name: str, cells: list[str]) -> None:
    """Put a notebook into the home of a workspace, the way JupyterLab itself saves one."""
    content = {
        "cells": [
            {"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": None, "id": f"c{n}"}
            for n, text in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    answer = page.evaluate(
        """async ([path, content]) => {
            const xsrf = document.cookie.match(/_xsrf=([^;]*)/)?.[1] ?? ''
            const body = JSON.stringify({type: 'notebook', format: 'json', content})
            const headers = {'Content-Type': 'application/json', 'X-XSRFToken': xsrf}
            return (await fetch(path, {method: 'PUT', body, headers})).status
        }""",
        [f"{origin}/api/contents/{name}", content],
    )
    assert answer in (200, 201), answer
