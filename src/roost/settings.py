"""One frozen `Settings`, read once: flag > environment > file > default.

`FIELDS` documents every setting; the reference page is generated from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from roost.model import nearest
from roost.model.errors import InvalidInput

ENVIRONMENT_PREFIX = "ROOST_"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this platform runs. Durations in seconds, sizes in bytes."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8000
    domain: str = "localhost"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_tls_proxy: bool = False
    admin_token_file: Path | None = None
    open_browser: bool = True
    stop_workloads: bool = False
    runtime: str = "local"
    isolation: str = "auto"
    workspace_idle_s: int = 4 * 3600
    cluster_idle_s: int = 30 * 60
    keep_deleted_s: int = 7 * 86400
    log_level: str = "info"

    def to_json(self) -> str:
        """For a child process; `from_json` reads it back."""
        return json.dumps({f.name: _plain(getattr(self, f.name)) for f in fields(self)})

    @staticmethod
    def from_json(text: str) -> Settings:
        """What `to_json` wrote."""
        hints = get_type_hints(Settings)
        values: dict[str, Any] = {
            k: None if v is None else _convert(k, v, hints[k]) for k, v in json.loads(text).items()
        }
        return Settings(**values)

    @property
    def secure(self) -> bool:
        """Whether people reach the platform over TLS."""
        return self.tls_cert is not None or self.behind_tls_proxy

    @property
    def origin(self) -> str:
        """The platform's own origin, as browsers see it."""
        return self._origin(self.domain)

    def workload_host(self, id: str) -> str:
        """The host name of a workload, without port: `<id>.roost.<domain>`."""
        return f"{id}.roost.{self.domain}"

    def workload_origin(self, id: str) -> str:
        """The origin of a workload, as browsers see it."""
        return self._origin(self.workload_host(id))

    def _origin(self, host: str) -> str:
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        # Behind a TLS proxy people come through the proxy's usual port, not through ours.
        hide = self.behind_tls_proxy or self.port == usual
        return f"{scheme}://{host}" if hide else f"{scheme}://{host}:{self.port}"

    # Where things are. Sockets live in a short directory of their own: a socket path holds 107 bytes.
    @property
    def database(self) -> Path:
        return self.home / "roost.db"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def volumes(self) -> Path:
        return self.home / "volumes"

    @property
    def images(self) -> Path:
        return self.home / "images"

    @property
    def workloads(self) -> Path:
        return self.home / "workloads"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def instance(self) -> str:
        """Eight characters that tell this home from others on the machine (cookies, sockets, cgroups)."""
        return hashlib.sha256(str(self.home.absolute()).encode()).hexdigest()[:8]

    @property
    def sockets(self) -> Path:
        if os.geteuid() == 0:
            return Path("/run/roost") / self.instance
        runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
        base = Path(runtime_dir) / "roost" if runtime_dir else Path(f"/tmp/roost-{os.geteuid()}")
        return base / self.instance

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"


#: What each setting means; the keys are the fields of `Settings`.
FIELDS: Mapping[str, str] = {
    "home": "Directory that holds everything: database, keys, volumes, images, logs.",
    "host": "Address to listen on. Anything but loopback needs a domain and TLS.",
    "port": "Public port, 1 to 65535.",
    "domain": "Domain people type. Workloads answer on <id>.roost.<domain>.",
    "tls_cert": "Certificate chain (PEM) for the domain and *.roost.<domain>.",
    "tls_key": "Private key (PEM) of the certificate; default: the file of the certificate.",
    "behind_tls_proxy": "A proxy in front of Roost ends TLS.",
    "admin_token_file": "Write a token of the first administrator to this file (mode 0600).",
    "open_browser": "Open the sign-in page when ready.",
    "stop_workloads": "Stop all workloads when `roost up` ends.",
    "runtime": "Where workloads run: local.",
    "isolation": "Isolation on this machine: auto, user (a uid per owner), bubblewrap, process.",
    "workspace_idle_s": "Stop a workspace after so many seconds without activity; 0 = never.",
    "cluster_idle_s": "Stop a Dask cluster after so many seconds without a client; 0 = never.",
    "keep_deleted_s": "Keep the volume of a deleted workspace for so many seconds.",
    "log_level": "debug, info, warning or error.",
}


def default_home(environment: Mapping[str, str]) -> Path:
    """Where Roost keeps its things unless told otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/roost")
    base = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/share")
    return Path(base) / "roost"


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Read settings: flags that are not None, then ROOST_*, then `<home>/roost.toml`, then defaults."""
    given = {key: value for key, value in flags.items() if value is not None}
    from_environment = {
        name: environment[ENVIRONMENT_PREFIX + name.upper()]
        for name in FIELDS
        if ENVIRONMENT_PREFIX + name.upper() in environment
    }
    home = Path(given.get("home") or from_environment.get("home") or default_home(environment)).expanduser().absolute()
    merged: dict[str, Any] = {**_file(home / "roost.toml"), **from_environment, **given, "home": home}
    hints = get_type_hints(Settings)
    settings = Settings(**{name: _convert(name, value, hints[name]) for name, value in merged.items()})
    _check(settings)
    return settings


def _file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidInput(f"The settings file cannot be read: {error.strerror}.", subject=str(path)) from None
    except ValueError as error:  # not TOML, or not even UTF-8
        raise InvalidInput(f"The settings file is not valid TOML: {error}.", subject=str(path)) from None
    for key in content:
        if key not in _IN_FILE:
            raise InvalidInput(
                f"Unknown setting {key!r}.", subject=str(path), field=key, hint=nearest.hint(key, _IN_FILE)
            )
    return content


def _convert(name: str, value: Any, wanted: Any) -> Any:
    """A value as a flag, a variable or the file gives it, as the type of the setting."""
    try:
        if wanted is bool:
            return _boolean(value)
        if wanted is int:
            return _integer(value)
        if not isinstance(value, str | Path) or not str(value):
            raise ValueError(value)
        return str(value) if wanted is str else Path(value).expanduser().absolute()
    except ValueError:
        raise InvalidInput(
            f"Setting {name} is {value!r}.", field=name, hint=f"Use {_EXPECTED.get(wanted, 'a path')}."
        ) from None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]


def _integer(value: Any) -> int:
    if isinstance(value, bool | float):
        raise ValueError(value)
    return int(value)


def _check(settings: Settings) -> None:
    if not 1 <= settings.port <= 65535:
        raise InvalidInput(f"Port {settings.port} is not a port.", field="port", hint="Use 1 to 65535.")
    for name, valid in _CHOICES.items():
        value = getattr(settings, name)
        if value not in valid:
            raise InvalidInput(f"Setting {name} is {value!r}.", field=name, hint=nearest.hint(value, valid))
    for name in ("workspace_idle_s", "cluster_idle_s", "keep_deleted_s"):
        if (value := getattr(settings, name)) < 0:
            raise InvalidInput(f"Setting {name} is {value}.", field=name, hint="Use 0 for never, or seconds.")
    _check_reach(settings)


def _check_reach(settings: Settings) -> None:
    """Off loopback people come over a network: they need a name to type, and TLS."""
    if len(settings.domain) > 200 or not _DOMAIN.fullmatch(settings.domain):
        raise InvalidInput(
            f"Setting domain is {settings.domain!r}.",
            field="domain",
            hint="Use a name such as data.example.org: lower-case letters, digits, hyphens and dots.",
        )
    if settings.tls_key is not None and settings.tls_cert is None:
        raise InvalidInput("There is a tls_key without a tls_cert.", field="tls_key", hint="Add --tls-cert.")
    tls = settings.behind_tls_proxy or settings.tls_cert is not None
    if settings.host not in LOOPBACK and not (tls and settings.domain != "localhost"):
        raise InvalidInput(
            f"Listening on {settings.host} needs a domain and a certificate.",
            field="host",
            hint="Add --domain and --tls-cert, or --behind-tls-proxy with --domain, or use --host 127.0.0.1.",
        )


_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_EXPECTED = {bool: "true or false", int: "a whole number", str: "a text"}
_IN_FILE = tuple(name for name in FIELDS if name != "home")  # the file is in the home, so it cannot name it
_CHOICES = {
    "runtime": ("local",),
    "isolation": ("auto", "user", "bubblewrap", "process"),
    "log_level": ("debug", "info", "warning", "error"),
}

assert {field.name for field in fields(Settings)} == set(FIELDS)
