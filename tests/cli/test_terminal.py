"""On a terminal: width, colours, progress, questions, Ctrl-C."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.cli.command import Done, roost
from tests.cli.shell import Shell
from tests.cli.terminal import on_terminal
from tests.harness import eventually

pytestmark = pytest.mark.image
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines_of(screen: str) -> list[str]:
    """Lines as they look."""
    return ESCAPE.sub("", screen).splitlines()


@pytest.fixture
def coloured(shell: Shell) -> dict[str, str]:
    """Variables of a terminal that likes colours and has no width but its own."""
    return {name: value for name, value in shell.variables.items() if name not in ("NO_COLOR", "COLUMNS")}


@pytest.fixture(scope="module")
def resting(shell: Shell) -> Iterator[str]:
    """The name of a workspace, as long as names get, that runs."""
    name = "A name of a workspace that is as long as a name may be, which is eighty letters."
    shell.json("workspace", "create", name, "--size", "512mb", "--wait")
    yield name
    shell.json("workspace", "delete", name, "--wait")


@pytest.mark.parametrize("words", [("workspace", "list"), ("sizes",), ("token", "list"), ("doctor",)], ids=" ".join)
def test_lists_fit_the_terminal(shell: Shell, coloured: dict[str, str], resting: str, words: tuple[str, ...]) -> None:
    done = on_terminal(*words, variables=coloured, directory=shell.directory)
    assert done.code == 0
    assert max(map(len, lines_of(done.out))) <= 80
    assert "\x1b[" in done.out


def test_no_color_is_respected(shell: Shell, coloured: dict[str, str], resting: str) -> None:
    plain = {**coloured, "NO_COLOR": "1"}
    assert COLOUR.search(on_terminal("workspace", "list", variables=coloured, directory=shell.directory).out)
    for words in (("workspace", "list"), ("doctor",)):
        assert not COLOUR.search(on_terminal(*words, variables=plain, directory=shell.directory).out)


def test_a_wait_shows_what_it_waits_for_and_its_end(shell: Shell, coloured: dict[str, str], resting: str) -> None:
    words = ("workspace", "restart", resting, "--wait")
    done = on_terminal(*words, variables=coloured, directory=shell.directory, columns=200)
    assert done.code == 0
    assert f"{resting} is starting." in done.out
    assert re.search(r"\(0\.?\d* s\)", done.out)
    *_, said, address = lines_of(done.out)
    assert said.endswith(f"{resting} is running.")
    assert address.startswith("http://ws-")


def test_ctrl_c_ends_the_wait_and_says_that_nothing_was_undone(shell: Shell, coloured: dict[str, str]) -> None:
    words = ("cluster", "create", "slow", "--workers", "40", "--size", "512mb", "--wait")
    done = on_terminal(
        *words, variables=coloured, directory=shell.directory, columns=200, after="slow is starting", keys="\x03"
    )
    assert done.code == 130
    assert "No longer waiting; slow goes on. See: roost cluster show slow" in done.out
    assert shell.json("cluster", "show", "slow")["wanted"] == "running"
    shell.json("cluster", "delete", "slow", "--wait")


@pytest.mark.parametrize(("answer", "code"), [("wrong\r", 2), ("\x03", 130), ("doomed\r", 0)])
def test_destroying_asks_for_the_name_on_a_terminal(
    shell: Shell, coloured: dict[str, str], answer: str, code: int
) -> None:
    def doomed() -> list[str]:
        return [each["id"] for each in shell.json("volume", "list")["items"] if each["name"] == "doomed"]

    if not doomed():
        shell.json("workspace", "create", "doomed", "--size", "512mb")
        shell.json("workspace", "delete", "doomed", "--wait")
    words = ("volume", "delete", "doomed")
    done = on_terminal(
        *words, variables=coloured, directory=shell.directory, columns=200, after="Type its name", keys=answer
    )
    assert done.code == code
    assert bool(doomed()) == (code != 0) or eventually(lambda: not doomed())


def test_login_asks_for_the_token_and_shows_nothing_of_it(shell: Shell, coloured: dict[str, str]) -> None:
    token = coloured.pop("ROOST_TOKEN")
    url = coloured.pop("ROOST_URL")

    def typed(*words: str, keys: str = "") -> Done:
        where = shell.directory
        return on_terminal(*words, variables=coloured, directory=where, after="Token for", keys=keys, hidden=True)

    done = typed("login", url, keys=f"{token}\r")
    assert done.code == 0
    assert token not in done.out
    assert f"Signed in to {url} as admin." in done.out.replace("\n", "")
    assert typed("whoami").code == 0
    assert typed("logout").code == 0
    assert typed("whoami").code == 1


def test_names_are_completed(shell: Shell, resting: str) -> None:
    variables = {"_ROOST_COMPLETE": "complete_bash", "COMP_WORDS": "roost workspace show A", "COMP_CWORD": "3"}
    done = roost(variables={**shell.variables, **variables})
    assert done.code == 0
    assert done.out.strip() == resting
