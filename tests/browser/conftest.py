"""A browser for a module of tests, people in it, and where screenshots go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.browser.browsers import launch
from tests.conftest import BuiltImage, home_with
from tests.harness import REPOSITORY, Platform, platform


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch(playwright) as launched:
        yield launched


@pytest.fixture(scope="module")
def roost(default_image: BuiltImage) -> Iterator[Platform]:
    """A real platform whose first administrator has not come yet."""
    with home_with(default_image) as home, platform(home) as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: into the docs when asked for (`make pictures`), else somewhere that is thrown away."""
    if os.environ.get("ROOST_PICTURES"):
        return REPOSITORY / "docs" / "images"
    return tmp_path_factory.mktemp("pictures")
