"""What the documentation tells people to type is typed here, against a real platform, and prints what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docs.generate.cli_pages import commands as verbs
from docs.generate.cli_pages import options_of
from tests.conftest import home_with
from tests.docs.blocks import PAGES, Block, commands, matches, to_run
from tests.harness import Platform, platform
from tests.jupyter import Kernel, Lab

from roost.cli.main import VERBS
from roost.store.database import open_store

RUN = [page for page in PAGES if to_run(page)]


@pytest.fixture(scope="module")
def running(default_image: Any) -> Iterator[Platform]:
    """A platform for all pages; as root people are separated on it, else it is bubblewrap's to do so."""
    with home_with(default_image) as home, platform(home) as started:
        yield started


@dataclass
class Reader:
    """Somebody who types what a page says, in one directory."""

    platform: Platform
    directory: Path
    kernels: dict[str, Kernel] = field(default_factory=dict)

    def follow(self, block: Block) -> str:
        """Run a block and return what it printed to standard output, in the words of the page."""
        text = block.text.replace("localhost:8000", f"localhost:{self.platform.port}")
        printed = self._cell(text) if block.word == "notebook" else self._program(block.language, text)
        return printed.replace(f"localhost:{self.platform.port}", "localhost:8000")

    def _program(self, language: str, text: str) -> str:
        argv = {"bash": ["bash", "-euo", "pipefail", "-c", text], "python": [sys.executable, "-c", text]}[language]
        done = subprocess.run(
            argv, cwd=self.directory, env=self._environment(), capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"{text}\nexited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            **self.platform.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ROOST_HOME": str(self.platform.home),
            "BACKUP": str(self.directory / "backup"),
            "RESTORED": str(self.directory / "restored"),
        }

    def _cell(self, text: str) -> str:
        """In the one workspace that the page made."""
        (workspace,) = self.platform.cli_json("workspace", "list")["items"]
        if workspace["id"] not in self.kernels:
            self.kernels[workspace["id"]] = Lab(workspace["url"], self.platform.token).start_kernel()
        return self.kernels[workspace["id"]].run(text)


@pytest.fixture
def reader(running: Platform, tmp_path: Path) -> Iterator[Reader]:
    """A reader who leaves no workspace behind for the next page."""
    reader = Reader(running, tmp_path)
    yield reader
    for kernel in reader.kernels.values():
        kernel.close()
    for kind in ("cluster", "workspace"):
        for item in running.cli_json(kind, "list")["items"]:
            running.cli(kind, "delete", item["id"], "--wait")


@pytest.mark.image
@pytest.mark.parametrize("page", RUN, ids=[page.stem for page in RUN])
def test_examples_do_what_the_page_shows(page: Path, reader: Reader) -> None:
    for block in to_run(page):
        printed = reader.follow(block)
        if block.prints is not None:
            assert matches(block.prints, printed), f"{page.name}:{block.line} printed:\n{printed}"
    if page.stem == "back-up":
        open_store(reader.directory / "restored" / "roost.db").close()


def test_tutorials_and_read_me_are_run() -> None:
    names = {page.stem for page in RUN}
    assert names >= {"README", "first-workspace", "first-cluster", "ci", "restore", "back-up", "lost-password"}


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_command_shown_exists(page: Path) -> None:
    known = dict(verbs())
    for words in commands(page):
        shown = f"{page.name} shows `roost {' '.join(words)}`"
        if words[:1] in (["--help"], ["--version"]):
            continue
        verb = (words[0],) if (words[0],) in known else tuple(words[:2])
        if len(verb) == 1 and verb not in known:
            assert words[0] in VERBS, shown  # a group by its name
            continue
        assert verb in known, shown
        own = words[: words.index("--")] if "--" in words else words
        options = {word.partition("=")[0] for word in own if word.startswith("--")}
        assert options <= {*options_of(*verb), "--help"}, shown


def test_output_is_compared() -> None:
    assert matches("a  b\n...\nz", "a b\nanything\nmore\nz\n")
    assert not matches("a\n...\nz", "a\nanything\n")
    assert not matches("42", "421")
    assert matches("a ... b", "a   b")
    assert matches("a ... b", "a x  b")
    assert not matches("a ... b", "ab")
