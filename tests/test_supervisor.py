"""The real `roost up`: how it starts, stops, is refused, and what it leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.harness import (
    Platform,
    eventually,
    free_port,
    platform,
    processes_of,
    remove_traces,
    small_disk,
    sweep,
)

from roost.settings import Settings
from roost.store.database import open_store
from roost.supervisor import Supervisor

PASSWORD = "correct horse battery"


@pytest.fixture
def up(short_home: Path) -> Iterator[Platform]:
    with platform(short_home) as running:
        yield running


def platform_processes(home: Path) -> list[str]:
    """What runs of the platform itself; pre-imported parents and workloads live on by design."""
    words = ("roost.control", "roost.dataplane", "roost up")
    return [command for command in processes_of(home).values() if any(word in command for word in words)]


def shims(up: Platform) -> set[int]:
    return {pid for pid, command in processes_of(up.home).items() if command.startswith("roost-shim")}


def pid_of_lab(up: Platform, workspace: str) -> int:
    identity = json.loads((up.home / "workloads" / workspace / "lab" / "identity.json").read_text())
    return int(identity["pid"])


def terminate(up: Platform) -> int:
    return up.stop(workloads=False)


def interrupt(up: Platform) -> int:
    """Ctrl-C of a terminal: the whole process group hears it."""
    assert up.process is not None
    os.killpg(up.process.pid, signal.SIGINT)
    return up.process.wait(timeout=30)


@pytest.mark.slow
def test_workloads_outlive_the_platform_and_are_found_again(up: Platform) -> None:
    created = up.cli_json("workspace", "create", "stays", "--wait")
    pid = pid_of_lab(up, created["id"])
    for stop in (terminate, interrupt):
        assert stop(up) == 0
        assert platform_processes(up.home) == []
        assert pid in shims(up)
        assert not (up.home / "children.json").exists()
        up.start()
        eventually(lambda: up.cli_json("workspace", "show", created["id"])["phase"] == "running", what="it runs")
        assert pid_of_lab(up, created["id"]) == pid
        assert up.cli("workspace", "exec", "stays", "--", "echo", "alive").stdout == "alive\n"
    assert "Traceback" not in up.output


@pytest.mark.slow
def test_workloads_end_with_the_platform_when_asked_and_run_again_at_the_next_start(short_home: Path) -> None:
    with platform(short_home, "--stop-workloads") as up:
        created = up.cli_json("workspace", "create", "ends", "--wait")
        pid = pid_of_lab(up, created["id"])
        assert up.stop(workloads=False) == 0
        assert pid not in shims(up)
        assert shims(up) == set()
        up.start()
        eventually(
            lambda: up.cli_json("workspace", "show", created["id"])["phase"] == "running",
            what="it runs again, because nobody asked it to stop",
        )
        assert pid_of_lab(up, created["id"]) != pid


def test_a_platform_that_stops_leaves_no_process_and_no_state(up: Platform) -> None:
    assert up.stop() == 0
    assert platform_processes(up.home) == []
    assert not (up.home / "children.json").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", up.port), timeout=2)
    assert "Traceback" not in up.output


def test_healthz_answers_when_the_platform_says_it_is_ready(up: Platform) -> None:
    eventually(lambda: f"Roost is ready at http://localhost:{up.port}" in up.output, what="ready")
    status, _, body = up.ask("GET", "/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "control": "up"})


# -- refusals -------------------------------------------------------------------------------------------------------


def refused(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """A `roost up` that must end by itself."""
    command = [sys.executable, "-m", "roost", "up", "--home", str(home), "--no-open", *flags]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
    return subprocess.run(
        command, env=clean, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def on_disk(root: Path) -> dict[str, bytes | str]:
    """Every path below, with its content; the lock is there to be taken."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        if path.name == "roost.lock" or (path.is_dir() and not path.is_symlink()):
            continue
        found[str(path.relative_to(root))] = str(path.readlink()) if path.is_symlink() else path.read_bytes()
    return found


def check_message(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """One error, one hint, nothing else."""
    assert done.returncode == code, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], done.stderr
    for word in said:
        assert word in done.stderr


def test_a_second_platform_on_the_same_home_is_refused_with_the_process_that_holds_it(up: Platform) -> None:
    assert up.process is not None
    before = up.children()
    done = refused(up.home, "--port", str(free_port()))
    check_message(done, 1, str(up.home), f"process {up.process.pid}", "--home")
    assert up.healthy()
    assert up.children() == before
    assert len(platform_processes(up.home)) == 3


@pytest.mark.parametrize("exists", [True, False])
def test_a_port_in_use_is_refused_with_what_holds_it(tmp_path: Path, *, exists: bool) -> None:
    home = tmp_path / "home"
    if exists:
        home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(home, "--port", str(port))
    check_message(done, 1, f"port {port}", f"process {os.getpid()}", "--port")
    assert home.exists() is exists
    assert not exists or [path.name for path in home.iterdir()] == ["roost.lock"]
    assert processes_of(home) == {}


@contextlib.contextmanager
def unwritable(path: Path) -> Iterator[Path]:
    """A directory that nobody may write to: for root it takes a disk that is read-only."""
    path.mkdir()
    if os.geteuid() == 0:
        with small_disk(path, "64k", "ro"):
            yield path
    else:
        path.chmod(0o500)
        yield path
        path.chmod(0o700)


@pytest.mark.parametrize("below", ["", "new/home"])
def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path, below: str) -> None:
    with unwritable(tmp_path / "theirs") as theirs:
        home = theirs / below if below else theirs
        check_message(refused(home, "--port", str(free_port())), 1, str(home), "--home", "cannot be written")
        assert list(theirs.iterdir()) == []
        assert processes_of(home) == {}


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a letter")
    check_message(refused(tmp_path / "home", "--port", str(free_port())), 1, str(tmp_path / "home"), "--home")
    assert on_disk(tmp_path) == {"home": b"a letter"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--host", "0.0.0.0"), ("0.0.0.0", "--domain", "--tls-cert", "--behind-tls-proxy")),
        (("--port", "70000"), ("70000", "1 to 65535")),
        (("--isolation", "bubblewrapp"), ("bubblewrapp", "Did you mean bubblewrap?")),
    ],
)
def test_settings_that_make_no_sense_are_refused_as_usage(
    tmp_path: Path, flags: tuple[str, ...], said: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    check_message(refused(home, *flags), 2, *said)
    assert not home.exists()


@pytest.mark.parametrize("damage", ["no database", "half of it", "of a newer version"])
def test_a_database_that_cannot_be_used_is_refused_and_left_as_it_is(short_home: Path, damage: str) -> None:
    database = Settings(home=short_home).database
    if damage == "no database":
        database.write_bytes(b"this is a letter" * 1000)
    else:
        open_store(database).close()
    if damage == "of a newer version":
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    if damage == "half of it":
        database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    before = database.read_bytes()
    done = refused(short_home, "--port", str(free_port()))
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"], done.stderr
    assert str(database) in done.stderr
    assert database.read_bytes() == before
    assert platform_processes(short_home) == []
    sweep(short_home)
    remove_traces(short_home)


# -- the first administrator ----------------------------------------------------------------------------------------


def links(up: Platform) -> list[str]:
    return re.findall(rf"{up.url}(/join/[\w-]+)", up.output)


def join(up: Platform, link: str, name: str) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = {"Origin": up.url, "Content-Type": "application/x-www-form-urlencoded"}
    return up.ask("POST", link, headers, urlencode({"name": name, "password": PASSWORD}).encode())


def test_the_link_of_the_first_administrator_is_printed_once_and_works_once(up: Platform) -> None:
    (link,) = links(up)
    assert up.ask("GET", link)[0] == 200
    assert up.ask("GET", link)[0] == 200, "looking does not use it"
    status, headers, _ = join(up, link, "Ada")
    assert status == 303
    cookie = next(value for name, value in headers if name.lower() == "set-cookie").partition(";")[0]
    assert up.ask("GET", "/", {"Cookie": cookie})[0] == 200
    status, _, page = up.ask("GET", link)
    assert (status, b"used" in page) == (404, True)
    assert join(up, link, "Eve")[0] == 404
    assert up.stop() == 0
    up.start()
    assert links(up) == [link], "there is an administrator"


def test_a_link_that_nobody_used_is_replaced_at_the_next_start(up: Platform) -> None:
    (first,) = links(up)
    up.stop()
    up.start()
    assert links(up)[0] == first
    assert len(links(up)) == 2
    status, _, page = up.ask("GET", first)
    assert (status, b"taken back" in page) == (404, True)
    assert join(up, links(up)[1], "Ada")[0] == 303


# -- leaks ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_restarts_leak_no_process_file_or_socket(up: Platform) -> None:
    up.cli("workspace", "create", "stays", "--wait")

    def restart() -> tuple[dict[int, int], set[str], int]:
        """What outlives the platform: workloads with the files each holds, their sockets, how many parents."""
        assert up.stop(workloads=False) == 0
        found = processes_of(up.home)
        parents = {pid for pid, command in found.items() if "runtimes.image.parent" in command}
        files = {pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in found.keys() - parents}
        sockets = {str(path) for path in Settings(home=up.home).sockets.glob("w*/**/*") if path.is_socket()}
        up.start()
        return files, sockets, len(parents)

    first = restart()
    for _ in range(8):
        restart()
    files, sockets, parents = restart()
    assert files.keys() == first[0].keys()
    assert all(count <= first[0][pid] + 2 for pid, count in files.items()), (first[0], files)
    assert sockets == first[1]
    assert parents <= 3, "one of each family"
    assert len(platform_processes(up.home)) == 3


# -- TLS ------------------------------------------------------------------------------------------------------------

DOMAIN = "data.example.test"


def make_certificate(path: Path) -> ssl.SSLContext:
    """A self-signed certificate with its key in one file, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(DOMAIN), x509.DNSName(f"*.roost.{DOMAIN}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(encoding))
    path.chmod(0o600)
    return ssl.create_default_context(cadata=certificate.public_bytes(encoding).decode())


def set_cookies(headers: list[tuple[str, str]]) -> list[str]:
    return [value for name, value in headers if name.lower() == "set-cookie"]


def check_cookie(cookie: str) -> str:
    """That it is sent over TLS only, to its own host only, and to no script; returns its name and value."""
    pair, *attributes = (part.strip() for part in cookie.split(";"))
    assert pair.startswith("__Host-roost-"), cookie
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {attribute.lower() for attribute in attributes}, cookie
    assert not any(attribute.lower().startswith("domain") for attribute in attributes)
    return pair


def test_with_a_certificate_everything_is_over_tls(short_home: Path, tmp_path: Path) -> None:
    trust = make_certificate(tmp_path / "cert.pem")
    flags = ("--domain", DOMAIN, "--tls-cert", str(tmp_path / "cert.pem"))
    with platform(short_home, *flags, domain=DOMAIN, tls=trust) as up:
        eventually(lambda: f"Roost is ready at {up.url}" in up.output, what="ready")
        (link,) = links(up)
        status, headers, _ = join(up, link, "Ada")
        assert status == 303
        (cookie,) = set_cookies(headers)
        session = check_cookie(cookie)
        status, headers, _ = up.ask("GET", "/", {"Cookie": session})
        assert status == 200
        assert any(name.lower() == "strict-transport-security" for name, _ in headers)

        bearer = {"Authorization": f"Bearer {up.token}"}
        body = json.dumps({"name": "demo"}).encode()
        status, _, made = up.ask("POST", "/api/v1/workspaces", {**bearer, "Content-Type": "application/json"}, body)
        assert status in (200, 201, 202), made
        created = json.loads(made)
        host = urlsplit(created["url"]).hostname or ""
        assert (urlsplit(created["url"]).scheme, host.endswith(f".roost.{DOMAIN}")) == ("https", True)
        eventually(lambda: up.ask("GET", "/api/status", bearer, host=host)[0] == 200, what="JupyterLab over TLS")
        navigation = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
        status, headers, _ = up.ask("GET", "/lab", navigation, host=host)
        assert status in (302, 303)
        assert dict(headers)["location" if "location" in dict(headers) else "Location"].startswith(f"{up.url}/enter/")
        check_cookie(set_cookies(headers)[0])
        up.ask("POST", f"/api/v1/workspaces/{created['id']}/stop", bearer)

        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain = http.client.HTTPConnection("127.0.0.1", up.port, timeout=5)
            plain.request("GET", "/healthz")
            plain.getresponse()
        plain.close()


def test_a_certificate_that_cannot_be_read_ends_the_start(short_home: Path, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    done = refused(short_home, "--port", str(free_port()), "--domain", DOMAIN, "--tls-cert", str(tmp_path / "cert.pem"))
    check_message(done, 1, str(tmp_path / "cert.pem"))
    assert platform_processes(short_home) == []
    sweep(short_home)
    remove_traces(short_home)


def test_a_child_that_keeps_dying_is_waited_for_longer_each_time(tmp_path: Path) -> None:
    supervisor = Supervisor(Settings(home=tmp_path), lambda: None)
    child = supervisor.control
    child.due = time.monotonic() + 60
    supervisor._restart_when_due(child)
    assert child.process is None, "one short wait is not the end of the delay"
    supervisor.close()
