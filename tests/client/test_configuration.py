"""Where address and token come from."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from roost.client.configuration import Configuration, checked_url, configuration_file, forget, remember, resolve
from roost.model.errors import InvalidInput, NotSignedIn


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def test_nothing_configured_says_what_to_do(environment: dict[str, str]) -> None:
    with pytest.raises(NotSignedIn) as caught:
        resolve(environment=environment)
    assert "roost login" in caught.value.hint


def test_arguments_win_over_the_environment_and_that_over_the_login_file(environment: dict[str, str]) -> None:
    remember(Configuration(url="http://saved", token="rst_saved"), environment)
    assert resolve(environment=environment).current_url() == "http://saved"
    assert resolve(environment=environment).current_token() == "rst_saved"
    environment.update(ROOST_URL="http://variable", ROOST_TOKEN="rst_variable")
    assert resolve(environment=environment).current_url() == "http://variable"
    assert resolve(environment=environment).current_token() == "rst_variable"
    found = resolve("http://argument/", "rst_argument", environment)
    assert (found.current_url(), found.current_token()) == ("http://argument", "rst_argument")


def test_a_remembered_token_goes_to_its_own_platform_only(environment: dict[str, str]) -> None:
    remember(Configuration(url="http://saved", token="rst_saved"), environment)
    environment["ROOST_URL"] = "http://elsewhere"
    assert resolve(environment=environment).current_token() == ""


def test_files_are_read_again_when_they_change(environment: dict[str, str], tmp_path: Path) -> None:
    token, url = tmp_path / "token", tmp_path / "url"
    token.write_text("rst_one\n")
    url.write_text("http://one:1\n")
    environment.update(ROOST_TOKEN_FILE=str(token), ROOST_URL_FILE=str(url))
    found = resolve(environment=environment)
    assert (found.current_url(), found.current_token()) == ("http://one:1", "rst_one")
    token.write_text("rst_two")
    url.write_text("http://two:2/")
    assert (found.current_url(), found.current_token()) == ("http://two:2", "rst_two")


def test_the_login_file_is_private_and_can_be_forgotten(environment: dict[str, str]) -> None:
    path = remember(Configuration(url="http://saved", token="rst_saved"), environment)
    remember(Configuration(url="http://saved", token="rst_other"), environment)
    assert path == configuration_file(environment)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    forget(environment)
    forget(environment)
    assert not path.exists()


def test_a_broken_login_file_is_named(environment: dict[str, str]) -> None:
    path = configuration_file(environment)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InvalidInput) as caught:
        resolve(environment=environment)
    assert caught.value.subject == str(path)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://host/path", "http:/host"])
def test_what_is_not_an_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="not the address"):
        checked_url(url)
