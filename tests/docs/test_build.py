"""The documentation builds strictly, holds everything there is, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from docs.generate import PIECES
from docs.generate.api_routes import api
from docs.generate.api_words import QUERIES, WORDS
from docs.generate.cli_pages import commands, options_of
from tests.docs.blocks import ROOT

from roost.model.access import RULES
from roost.settings import FIELDS

#: Attribute of a tag that makes a browser fetch something when the page is opened.
LOADING = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("source", "src"),
    ("iframe", "src"),
    ("object", "data"),
    ("video", "src"),
}


CANARY = "only-in-the-environment-of-the-build"


@dataclass
class Page(HTMLParser):
    """What one built page loads, links to, and holds."""

    path: Path
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (tag, name) in LOADING and value:
                self.loads.append(value)
            elif name == "href" and value:
                self.links.append(value)
            elif name == "id" and value:
                self.ids.add(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The documentation as `make docs` builds it, elsewhere."""
    target = tmp_path_factory.mktemp("docs")
    argv = re.search(r"\$\(BIN\)/python (-m sphinx .*) docs docs/_build/html", (ROOT / "Makefile").read_text())
    assert argv is not None, "make docs runs Sphinx"
    done = subprocess.run(
        [sys.executable, *argv[1].split(), "docs", str(target)],
        cwd=ROOT,
        env={**os.environ, "CANARY": CANARY},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"--fail-on-warning", "--nitpicky"} <= set(argv[1].split())
    yield target
    shutil.rmtree(target)


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Page]:
    """All pages that were built."""
    return {path: Page(path) for path in built.rglob("*.html")}


def test_pages_load_nothing_from_elsewhere(built: Path, pages: dict[Path, Page]) -> None:
    for page in pages.values():
        for address in page.loads:
            assert not urlsplit(address).netloc, f"{page.path.name} loads {address}"
            if not address.startswith("data:"):
                assert target_of(page.path, address).exists(), f"{page.path.name} loads {address}"
    for sheet in built.rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", sheet.read_text()):
            assert not urlsplit("".join(address)).netloc or "".join(address).startswith("data:"), sheet.name


def test_links_between_pages_lead_somewhere(pages: dict[Path, Page]) -> None:
    assert len(pages) > 40
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path, fragment = urldefrag(link)
            target = target_of(page.path, path) if path else page.path
            assert target.exists(), f"{page.path.name} links to {link}"
            if fragment and target in pages:
                assert unquote(fragment) in pages[target].ids, f"{page.path.name} links to {link}"


def test_every_setting_route_and_verb_is_in_the_reference(built: Path) -> None:
    settings, routes, verbs = (Page(built / f"reference/{name}.html") for name in ("settings", "api", "cli"))
    for name in FIELDS:
        assert f"ROOST_{name.upper()}" in settings.text
    for method, path in RULES:
        assert f"{method} {path}" in routes.text
    for words, _ in commands():
        assert f"roost {' '.join(words)}" in verbs.text
        assert all(option in verbs.text for option in options_of(*words))


def test_words_about_routes_are_about_routes_there_are() -> None:
    assert WORDS.keys() | QUERIES.keys() <= api().keys()
    assert api().keys() <= RULES.keys()


def test_nothing_of_the_marks_is_left(pages: dict[Path, Page]) -> None:
    asked = {
        mark
        for path in (ROOT / "docs").rglob("*.md")
        for mark in re.findall(r"^<!-- roost: ([a-z-]+) -->$", path.read_text(), re.MULTILINE)
    }
    assert asked == PIECES.keys()
    assert not [page.path for page in pages.values() if "<!-- roost:" in page.path.read_text()]


def test_nothing_of_the_machine_that_builds_is_in_the_pages(built: Path) -> None:
    for file in built.rglob("*"):
        if file.suffix in (".html", ".js", ".json"):
            text = file.read_text()
            assert CANARY not in text, file.name
            assert str(ROOT) not in text, file.name


def test_links_of_the_read_me_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)]+)\)", (ROOT / name).read_text()):
            if not urlsplit(link).scheme:
                assert (ROOT / urlsplit(link).path).exists(), f"{name} links to {link}"


def test_make_targets_that_are_shown_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {
        target
        for page in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for target in re.findall(r"(?:^ *|`)make ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    assert {"up", "test", "docs"} <= shown <= targets


def test_sharing_is_still_not_there() -> None:
    """`docs/how-to/share.md` and the limits say so: rewrite both when a route lets an owner share."""
    assert not [path for _, path in RULES if "grant" in path or "share" in path]


def target_of(page: Path, address: str) -> Path:
    """The file that a relative address on a page means."""
    path = (page.parent / unquote(urlsplit(address).path)).resolve()
    return path / "index.html" if path.is_dir() else path
