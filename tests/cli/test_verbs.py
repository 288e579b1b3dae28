"""Every verb against a real platform: what people read (transcripts), what programs read (keys of JSON)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.command import Done
from tests.cli.shell import Shell, keys, settled
from tests.golden_files import check_golden

from roost.cli.main import main

pytestmark = pytest.mark.image
W, C = "workspace", "cluster"

TRANSCRIPTS = {
    "workspace": [
        (W, "list"),
        (W, "create", "demo", "--size", "512mb", "--wait"),
        (W, "create", "Demo"),
        (W, "create", "other", "--size", "9gb"),
        (W, "create", "other", "--image", "nosuch"),
        (W, "create", "☃" * 300),
        (W, "create", ""),
        (W, "create", "a/b"),
        (W, "create", "other", "--variable", "ROOST_URL=x"),
        (W, "create", "other", "--idle-timeout", "soon"),
        (W, "create", "other", "--file", "misspelt.yaml"),
        (W, "create", "other", "--file", "broken.yaml"),
        (W, "create", "other", "--file", "list.yaml"),
        (W, "create", "other", "--file", "missing.yaml"),
        ("", W, "demo"),
        (W, "show", "demo"),
        (W, "show", "demi"),
        (W, "show", ""),
        (W, "show", "../demo"),
        (W, "list", "--search", "nothing"),
        (W, "exec", "demo", "--", "sh", "-c", "echo out; echo err >&2; exit 7"),
        (W, "exec", "demo", "--", "no-such-program"),
        (W, "logs", "demo", "--part", "nosuch"),
        (W, "extend", "demo", "--hours", "8"),
        (W, "extend", "demo", "--hours", "100000"),
        (W, "change", "demo", "--size", "1gb"),
        (W, "stop", "demo", "--wait"),
        (W, "open", "demo"),
        (W, "change", "demo"),
        (W, "change", "demo", "--size", "1gb"),
        (W, "start", "demo"),
        (W, "start", "demo", "--wait"),
        (W, "rename", "demo", "new name"),
        ("", W, "new name"),
        (W, "list"),
        (W, "delete", "new name", "--wait"),
        (W, "list", "--deleted"),
        (W, "restore", "nothing"),
        (W, "restore", "new name"),
    ],
    "volume": [
        (W, "create", "disk", "--wait"),
        ("volume", "delete", "disk", "--confirm", "disk"),
        ("volume", "delete", "dist"),
        (W, "delete", "disk", "--wait"),
        ("volume", "restore", "disk"),
        (W, "create", "second", "--volume", "disk", "--wait"),
        (W, "delete", "second", "--wait"),
        ("volume", "delete", "disk"),
        ("volume", "delete", "disk", "--confirm", "disc"),
        ("volume", "delete", "disk", "--confirm", "disk"),
    ],
    "cluster": [
        (C, "list"),
        (C, "create", "numbers", "--workers=-1"),
        (C, "create", "numbers", "--workers", "10000"),
        (C, "create", "numbers", "--file", "cluster.yaml", "--wait"),
        (C, "scale", "numbers", "--", "-1"),
        (C, "scale", "numbers", "10000"),
        (C, "scale", "number", "2"),
        (C, "scale", "numbers", "0"),
        (C, "logs", "numbers", "--part", "worker", "--index", "9"),
        (C, "stop", "numbers", "--wait"),
        (C, "start", "numbers", "--wait", "--timeout", "0"),
        (C, "delete", "numbers", "--wait"),
    ],
    "people": [
        ("whoami",),
        ("people", "list"),
        ("people", "change", "admim", "--role", "member"),
        ("people", "change", "admin", "--role", "member"),
        ("people", "change", "admin", "--role", "king"),
        ("invite",),
        ("token", "create", "ci", "--scope", "workspaces", "--days", "7"),
        ("token", "create", "ci", "--scope", "everywhere"),
        ("token", "create", "ci", "--days", "1000"),
        ("token", "list"),
        ("token", "revoke", "co"),
        ("token", "revoke", "ci"),
        ("logout",),
    ],
}
FILES = {
    "misspelt.yaml": "size: 512mb\nidle_timeuot_s: 60\n",
    "broken.yaml": "size: 512mb\n  image: [default\n",
    "list.yaml": "- size\n",
    "cluster.yaml": "environment: {size: 512mb}\nworkers: 1\nidle_timeout_s: 0\n",
}


@pytest.fixture
def typed_here(shell: Shell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Commands run in this process: each saves the start of a Python."""
    for name, value in shell.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shell.directory)

    def run(*words: str) -> Done:
        code = main(words)
        return Done(code, *capfd.readouterr())

    return run


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_what_people_read(shell: Shell, typed_here: Callable[..., Done], name: str) -> None:
    for file, content in FILES.items():
        (shell.directory / file).write_text(content)
    check_golden(f"cli/transcript-{name}.txt", shell.transcript(TRANSCRIPTS[name], typed_here))


def test_what_programs_read_is_stable(typed_here: Callable[..., Done]) -> None:
    """The answer of every verb that has --json, in an order in which each works."""

    def answer(*words: str) -> Any:
        done = typed_here(*words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    typed = {words: answer(words) for words in ("sizes", "machine", "whoami", "doctor")}
    for kind in (W, C):
        for words in (
            ("create", "shapes", "--size", "512mb", "--wait"),
            ("list",),
            ("show", "shapes"),
            ("events", "shapes"),
            ("open", "shapes"),
            ("extend", "shapes"),
            ("restart", "shapes", "--wait"),
            *([("scale", "shapes", "1")] if kind == C else []),
            ("stop", "shapes", "--wait"),
            ("change", "shapes", "--size", "1gb"),
            ("start", "shapes"),
            ("rename", "shapes", "renamed"),
            ("delete", "renamed", "--wait"),
            ("restore", "renamed"),
        ):
            typed[f"{kind} {words[0]}"] = answer(kind, *words)
    answer(W, "delete", "renamed", "--wait")
    typed["volume list"] = answer("volume", "list")
    typed["volume restore"] = answer("volume", "restore", "shapes")
    typed["volume delete"] = answer("volume", "delete", "shapes", "--confirm", "shapes")
    typed["token create"] = answer("token", "create", "shapes")
    typed["token list"] = answer("token", "list")
    typed["token revoke"] = answer("token", "revoke", "shapes")
    typed["people list"] = answer("people", "list")
    typed["people change"] = answer("people", "change", "admin", "--enable")
    typed["invite"] = answer("invite")
    lines = [f"{verb}: {' '.join(keys(told))}" for verb, told in sorted(typed.items())]
    check_golden("cli/json-keys.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("words", [("sizes",), ("machine",), ("doctor",)], ids=" ".join)
def test_pages_about_this_machine(shell: Shell, words: tuple[str, ...]) -> None:
    done = shell.type(*words)
    assert done.code == 0, done.err
    first = settled(done.out.splitlines()[0])
    assert first.split()[0] in ("SIZE", "cores", "ok")
    assert not any(line != line.rstrip() for line in done.out.splitlines())


def test_a_reader_that_has_enough_is_no_error_worth_a_word(shell: Shell) -> None:
    command = f"{sys.executable} -m roost sizes --json | head -n 1"
    done = subprocess.run(["sh", "-c", command], env=shell.variables, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{\n", "")
