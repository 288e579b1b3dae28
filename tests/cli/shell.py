"""A shell in which somebody types commands, and what came of them in a form that two runs share."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.command import Done, environment, roost
from tests.harness import Platform, eventually

# What differs from run to run and from machine to machine.
_VARIABLE = (
    (r"\b(ws|cl|vo|pe|tk|iv)-[a-z2-7]{26}", r"\1-ID"),
    (r"rst_[A-Za-z0-9_-]{43}", "rst_SECRET"),
    (r"/join/[A-Za-z0-9_-]+", "/join/CODE"),
    (r"localhost:\d+", "localhost:PORT"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE TIME"),
    (r"\b20\d\d-\d\d-\d\d\b", "DATE"),
    (r"\bin \d+ (d|h|min|s)( \d+ (h|min|s))?\b", "in SOON"),
    (r"\b\d+(\.\d)? (s|min) ago", "SHORT ago"),
    (r" for [\d.]+ (s|min)\b", " for SHORT"),
    # Of a start a moment ago the limit may still be the one before: use is looked at every two seconds.
    (r"[\d.]+ [KMG]?B of [\d.]+ [KMG]B", "SOME of SIZE"),
    (r"\$0\.[\d]+", "$PRICE"),
    (r"Valid: .*", "Valid: ..."),
    (r" {2,}", "  "),
)
_NEWS = re.compile(r"! .+ is (starting|stopping)\.")  # how much of a wait is seen is chance


def settled(text: str) -> str:
    """A text without what two runs do not share."""
    for pattern, word in _VARIABLE:
        text = re.sub(pattern, word, text)
    return text


def keys(value: Any, path: str = "") -> list[str]:
    """The paths of all keys of an answer, in its order; what is there at times only is not looked into."""
    if isinstance(value, list):
        return keys(value[0], f"{path}[]") if value else [f"{path}[]"]
    if not isinstance(value, dict) or path.rpartition(".")[2] in ("usage", "exit", "detail"):
        return [path]
    return [found for key, inner in value.items() for found in keys(inner, f"{path}.{key}" if path else key)]


@dataclass(frozen=True)
class Shell:
    """A shell with ROOST_URL and ROOST_TOKEN, in a directory of its own."""

    platform: Platform
    directory: Path

    @property
    def variables(self) -> dict[str, str]:
        found = environment(self.directory, TZ="UTC", ROOST_URL=self.platform.url, ROOST_TOKEN=self.platform.token)
        return {**found, "COLUMNS": "80"}

    def type(self, *words: str, stdin: str = "") -> Done:
        """Run one command."""
        return roost(*words, variables=self.variables, stdin=stdin, directory=self.directory)

    def json(self, *words: str) -> Any:
        """What a command answers with --json; it must work."""
        done = self.type(*words, "--json")
        assert done.code == 0, f"roost {shlex.join(words)}: {done.err}"
        return json.loads(done.out)

    def await_sample(self, kind: str, name: str) -> None:
        """Wait until somebody looked at what it uses and when it will stop."""

        def sampled() -> bool:
            seen = self.json(kind, "show", name)
            return bool(seen["usage"] and seen["idle"]["stops_at"])

        eventually(sampled, what=f"a look at {name}")

    def transcript(self, commands: Sequence[Sequence[str]], run: Callable[..., Done]) -> str:
        """What is typed and what comes back: stdout as it is, stderr after `!`, the exit code where it is not 0.

        Words that begin with "" are not typed: they wait for a sample.
        """
        lines = []
        for words in commands:
            if words[0] == "":
                self.await_sample(*words[1:])
                continue
            done = run(*words)
            lines += [f"$ roost {shlex.join(words)}", *done.out.splitlines()]
            lines += [line for each in done.err.splitlines() if not _NEWS.match(line := f"! {each}")]
            lines += [f"[exit {done.code}]"] if done.code else []
        return settled("\n".join(lines)) + "\n"
