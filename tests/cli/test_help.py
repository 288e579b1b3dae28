"""Help, completion, usage errors: everything that needs no platform."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from tests.cli.command import environment, roost
from tests.golden_files import check_golden
from tests.harness import free_port

from roost.cli.main import LOCAL, REMOTE, VERBS
from roost.cli.run import _load

GROUPS = ("workspace", "cluster", "volume", "people", "token")


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def verbs_of(group: str) -> list[str]:
    return list(_load(VERBS[group]).commands)


def all_verbs() -> list[tuple[str, ...]]:
    single = [(verb.name,) for verb in (*LOCAL, *REMOTE) if verb.name not in GROUPS]
    return single + [(group, verb) for group in GROUPS for verb in verbs_of(group)]


def test_help_page(clean: dict[str, str]) -> None:
    done = roost("--help", variables=clean)
    assert (done.code, done.err) == (0, "")
    check_golden("cli/help.txt", done.out)


def test_help_imports_next_to_nothing() -> None:
    code = "import sys; from roost.cli.main import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("typer", "httpx", "pydantic", "rich", "asyncio", "json"):
        assert f"'{heavy}'" not in done.stderr


def test_startup_time_is_shown(clean: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        roost("--help", variables=clean)
        took.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f" roost --help: {min(took) * 1000:.0f} ms")


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_groups(clean: dict[str, str], group: str) -> None:
    done = roost(group, "--help", variables=clean)
    assert done.code == 0
    check_golden(f"cli/help-{group}.txt", done.out)


@pytest.mark.parametrize("words", all_verbs(), ids=" ".join)
def test_every_verb_has_an_example_and_json(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command = _load(VERBS[words[0]])
    for word in words[1:]:
        command = command.commands[word]
    context = typer.Context(command, info_name=" ".join(words))
    page = command.get_help(context)
    assert f"Example: roost {' '.join(words)}" in page
    if words not in {("up",), ("workspace", "logs"), ("workspace", "exec"), ("cluster", "logs"), ("cluster", "exec")}:
        assert "--json" in page


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["wrokspace"], 2, "There is no verb 'wrokspace'.", "Did you mean `roost workspace`?"),
        (["zzz"], 2, "There is no verb 'zzz'.", "See `roost --help`."),
        (
            ["workspace", "craete"],
            2,
            "No such command 'craete'. Did you mean 'create'",
            "See `roost workspace --help`.",
        ),
        (["workspace", "create"], 2, "Missing argument 'NAME'", "See `roost workspace create --help`."),
        (
            ["cluster", "scale", "x", "many"],
            2,
            "'WORKERS': Input should be a valid integer",
            "See `roost cluster scale --help`.",
        ),
        (["workspace", "list", "--jsn"], 2, "No such option: --jsn", "See `roost workspace list --help`."),
        (["workspace", "create", "a", "--variable", "A"], 2, "'A' is not NAME=VALUE.", "For example"),
        (["workspace", "list"], 1, "No platform is configured.", "roost login"),
        (["login", "nowhere"], 2, "'nowhere' is not the address of a platform.", "It looks like"),
        (["login", "http://localhost:1"], 2, "No token was given.", "Use --token-file FILE"),
        (["people", "change", "ada"], 2, "Nothing to change was given.", "Add --role"),
    ],
)
def test_what_is_wrong_and_what_to_do(
    clean: dict[str, str], words: list[str], code: int, message: str, hint: str
) -> None:
    done = roost(*words, variables=clean)
    assert done.out == ""
    assert done.code == code
    first, second = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second.startswith("hint: ")
    assert hint in second


def test_no_platform_there_exits_3(clean: dict[str, str]) -> None:
    done = roost("whoami", variables={**clean, "ROOST_URL": f"http://localhost:{free_port()}", "ROOST_TOKEN": "rst_a"})
    assert done.code == 3
    assert "cannot be reached: nothing listens there." in done.err


def test_nothing_typed_shows_the_page_and_is_a_usage_error(clean: dict[str, str]) -> None:
    done = roost(variables=clean)
    assert (done.code, done.out) == (2, "")
    assert "Usage: roost VERB" in done.err
    done = roost("workspace", variables=clean)
    assert done.code == 2
    assert "create" in done.out + done.err


def test_version(clean: dict[str, str]) -> None:
    done = roost("--version", variables=clean)
    assert (done.code, done.out.split()[0]) == (0, "roost")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("roost work", ["workspace"]),
        ("roost workspace st", ["start", "stop"]),
        ("roost workspace create --ti", ["--timeout"]),
    ],
)
def test_shell_completion(clean: dict[str, str], typed: str, offered: list[str]) -> None:
    variables = {"_ROOST_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = roost(variables={**clean, **variables})
    assert done.code == 0
    assert done.out.split() == offered


def test_the_completion_script_can_be_shown(clean: dict[str, str]) -> None:
    done = roost("--show-completion", "bash", variables=clean)
    assert done.code == 0
    assert "_roost_completion" in done.out
