"""A headless Chromium: the one on the PATH, else Playwright's own download."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Playwright

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """The Chromium on the PATH, None = Playwright's own."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def launch(playwright: Playwright) -> Iterator[Browser]:
    """A browser that is gone at the end."""
    browser = playwright.chromium.launch(executable_path=executable(), args=list(_FLAGS))
    try:
        yield browser
    finally:
        browser.close()
