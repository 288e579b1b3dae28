"""Where a setting comes from, and what is said of a bad one: its name, its value, what would be valid."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from roost.model.errors import InvalidInput
from roost.settings import FIELDS, Settings, load_settings


def loaded(home: Path, file: str = "", environment: dict[str, str] | None = None, **flags: Any) -> Settings:
    """Settings of a home whose roost.toml has this content."""
    if file:
        (home / "roost.toml").write_text(file)
    return load_settings({"home": home, **flags}, environment or {})


def refusal(home: Path, *given: Any, **flags: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        loaded(home, *given, **flags)
    return raised.value


@pytest.mark.parametrize(
    ("flags", "environment", "file", "port"),
    [
        ({"port": 1}, {"ROOST_PORT": "2"}, "port = 3", 1),
        ({"port": None}, {"ROOST_PORT": "2"}, "port = 3", 2),
        ({}, {"ROOST_OTHER": "2"}, "port = 3", 3),
        ({}, {}, "", 8000),
    ],
)
def test_flag_before_environment_before_file_before_default(
    tmp_path: Path, flags: dict[str, int | None], environment: dict[str, str], file: str, port: int
) -> None:
    assert loaded(tmp_path, file, environment, **flags).port == port


def test_a_flag_that_says_no_is_not_a_flag_left_out(tmp_path: Path) -> None:
    environment = {"ROOST_STOP_WORKLOADS": "true"}
    assert loaded(tmp_path, "", environment, stop_workloads=None).stop_workloads is True
    assert loaded(tmp_path, "", environment, stop_workloads=False).stop_workloads is False


def test_the_home_of_the_environment_holds_the_file(tmp_path: Path) -> None:
    (tmp_path / "roost.toml").write_text("port = 3")
    settings = load_settings({}, {"ROOST_HOME": str(tmp_path)})
    assert (settings.home, settings.port) == (tmp_path, 3)


def test_without_a_home_it_is_in_the_data_directory_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert load_settings({}, {"XDG_DATA_HOME": str(tmp_path)}).home == tmp_path / "roost"
    assert load_settings({}, {"HOME": str(tmp_path)}).home == tmp_path / ".local/share/roost"


def test_every_setting_can_come_from_the_environment_and_reach_a_child(tmp_path: Path) -> None:
    values = {
        "home": str(tmp_path),
        "host": "0.0.0.0",
        "port": "8443",
        "domain": "data.example.org",
        "tls_cert": "/c.pem",
        "tls_key": "/k.pem",
        "behind_tls_proxy": "no",
        "admin_token_file": "/t",
        "open_browser": "off",
        "stop_workloads": "on",
        "runtime": "local",
        "isolation": "process",
        "workspace_idle_s": "0",
        "cluster_idle_s": "1",
        "keep_deleted_s": "2",
        "log_level": "debug",
    }
    assert values.keys() == FIELDS.keys()
    settings = load_settings({}, {f"ROOST_{name.upper()}": value for name, value in values.items()})
    default = Settings(home=Path("/elsewhere"))
    same = {field.name for field in fields(Settings) if getattr(settings, field.name) == getattr(default, field.name)}
    assert same == {"runtime", "behind_tls_proxy"}
    assert Settings.from_json(settings.to_json()) == settings


BAD: list[tuple[str, Any, str]] = [
    ("port", "eighty", "whole number"),
    ("port", 80.5, "whole number"),
    ("port", True, "whole number"),
    ("port", "", "whole number"),
    ("port", 0, "1 to 65535"),
    ("port", 65536, "1 to 65535"),
    ("port", -1, "1 to 65535"),
    ("stop_workloads", "perhaps", "true or false"),
    ("open_browser", 2, "true or false"),
    ("runtime", "kubernets", "local"),
    ("isolation", "bubble-wrap", "Did you mean bubblewrap"),
    ("log_level", "warn", "Did you mean warning"),
    ("workspace_idle_s", -5, "0 for never"),
    ("cluster_idle_s", -5, "0 for never"),
    ("keep_deleted_s", "-5", "0 for never"),
    ("domain", "data_example", "data.example.org"),
    ("domain", "https://data.example.org", "data.example.org"),
    ("domain", "a b", "data.example.org"),
    ("domain", "a..b", "data.example.org"),
    ("domain", "-a", "data.example.org"),
    ("domain", "x" * 300, "data.example.org"),
    ("domain", 5, "a text"),
    ("host", "", "a text"),
    ("tls_cert", 5, "a path"),
    ("tls_cert", "", "a path"),
]


@pytest.mark.parametrize(("name", "value", "valid"), BAD)
def test_a_bad_value_is_named_with_what_would_be_valid(tmp_path: Path, name: str, value: Any, valid: str) -> None:
    error = refusal(tmp_path, **{name: value})
    assert error.field == name
    assert str(value) in error.message
    assert valid in error.hint


def test_a_bad_value_of_the_file_and_of_the_environment_is_refused_alike(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'port = "eighty"').message == refusal(tmp_path, "", {"ROOST_PORT": "eighty"}).message


@pytest.mark.parametrize(
    ("key", "meant"),
    [("prot", "port"), ("workspace_idle", "workspace_idle_s"), ("tls-cert", "tls_cert"), ("Domain", "domain")],
)
def test_an_unknown_key_of_the_file_names_the_nearest(tmp_path: Path, key: str, meant: str) -> None:
    error = refusal(tmp_path, f"{key} = 1")
    assert (error.field, error.subject) == (key, str(tmp_path / "roost.toml"))
    assert error.hint.startswith(f"Did you mean {meant}?")


def test_the_file_in_the_home_cannot_name_another_home(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'home = "/elsewhere"').field == "home"


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"[[", b"port = 1\nport = 2"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "roost.toml").write_bytes(content)
    error = refusal(tmp_path)
    assert error.subject == str(tmp_path / "roost.toml")
    assert "not valid TOML" in error.message


CERTIFICATE = Path("/c.pem")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"domain": "data.example.org"},
        {"tls_cert": CERTIFICATE},
        {"behind_tls_proxy": True},
    ],
)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_off_loopback_needs_a_domain_and_tls(tmp_path: Path, host: str, given: dict[str, Any]) -> None:
    error = refusal(tmp_path, host=host, **given)
    assert (error.field, host in error.message) == ("host", True)
    assert all(flag in error.hint for flag in ("--domain", "--tls-cert", "--behind-tls-proxy", "--host 127.0.0.1"))


@pytest.mark.parametrize("tls", [{"tls_cert": CERTIFICATE}, {"behind_tls_proxy": True}])
def test_off_loopback_with_a_domain_and_tls_people_come_over_https(tmp_path: Path, tls: dict[str, Any]) -> None:
    settings = loaded(tmp_path, host="0.0.0.0", domain="data.example.org", **tls)
    assert settings.secure
    assert settings.origin.startswith("https://data.example.org")


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, tls_key=CERTIFICATE).field == "tls_key"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_nothing(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, host=host).secure is False


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "http://localhost:8000"),
        ({"port": 80}, "http://localhost"),
        ({"port": 443, "tls_cert": CERTIFICATE}, "https://localhost"),
        ({"port": 8443, "tls_cert": CERTIFICATE}, "https://localhost:8443"),
        ({"port": 8000, "behind_tls_proxy": True}, "https://localhost"),
    ],
)
def test_the_origin_is_what_a_browser_shows(tmp_path: Path, given: dict[str, Any], origin: str) -> None:
    settings = loaded(tmp_path, **given)
    assert settings.origin == origin
    assert settings.workload_origin("ws-1") == origin.replace("//", "//ws-1.roost.")


def test_homes_have_sockets_of_their_own_in_a_path_that_is_short_enough(tmp_path: Path) -> None:
    here, there = (loaded(tmp_path / name) for name in ("a" * 100, "b"))
    assert here.instance != there.instance
    assert len(str(here.control_socket)) < 60
