"""Where the platform is and who asks: argument > environment > the file `roost login` wrote.

Tokens are read from files again when they change, because inside a workload they rotate.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roost.model.errors import InvalidInput, NotSignedIn

_HOW_TO_SIGN_IN = "Run `roost login URL`, or set ROOST_URL and ROOST_TOKEN."


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Where to ask (`url`, or `url_file` that holds it) and as whom (`token`, or `token_file`)."""

    url: str
    token: str = ""
    url_file: Path | None = None
    token_file: Path | None = None

    def current_url(self) -> str:
        """The address now, without a slash at the end."""
        return (_read(self.url_file) or self.url).rstrip("/")

    def current_token(self) -> str:
        """The token now; "" when there is none."""
        return _read(self.token_file) or self.token


def configuration_file(environment: Mapping[str, str]) -> Path:
    """Where `roost login` remembers the platform and the token (mode 0600)."""
    if given := environment.get("ROOST_CONFIG"):
        return Path(given).expanduser()
    home = environment.get("HOME") or str(Path.home())
    base = environment.get("XDG_CONFIG_HOME") or str(Path(home) / ".config")
    return Path(base) / "roost" / "login.json"


def resolve(url: str = "", token: str = "", environment: Mapping[str, str] = os.environ) -> Configuration:
    """Find the configuration, or say what is missing.

    A token from the login file is used only with the address it was made for.
    """
    saved = _load(configuration_file(environment))
    url_file = None if url else _path(environment.get("ROOST_URL_FILE"))
    found_url = url or environment.get("ROOST_URL", "") or _read(url_file) or saved.get("url", "")
    if not found_url:
        raise NotSignedIn("No platform is configured.", hint=_HOW_TO_SIGN_IN)
    token_file = None
    if not token:
        token = environment.get("ROOST_TOKEN", "")
        token_file = None if token else _path(environment.get("ROOST_TOKEN_FILE"))
    if not token and token_file is None and saved.get("url", "").rstrip("/") == found_url.rstrip("/"):
        token = saved.get("token", "")
    return Configuration(
        url=checked_url(found_url), token=checked_token(token), url_file=url_file, token_file=token_file
    )


def remember(configuration: Configuration, environment: Mapping[str, str] = os.environ) -> Path:
    """Write the login file, readable by its owner only."""
    path = configuration_file(environment)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": configuration.current_url(), "token": configuration.current_token()}, file)
    draft.replace(path)
    return path


def forget(environment: Mapping[str, str] = os.environ) -> bool:
    """Remove the login file; whether there was one."""
    path = configuration_file(environment)
    known = path.exists()
    path.unlink(missing_ok=True)
    return known


def checked_url(url: str) -> str:
    """The address, or an error that says what one looks like."""
    plain = url.rstrip("/")
    if not plain.startswith(("http://", "https://")) or len(plain.split("/")) != 3:
        raise InvalidInput(
            f"{url!r} is not the address of a platform.",
            field="url",
            hint="It looks like http://localhost:8000 or https://roost.example.com.",
        )
    return plain


def checked_token(token: str) -> str:
    """The token without the white space around it, or an error when it cannot be one."""
    plain = token.strip()
    if not plain.isascii() or not plain.isprintable() or " " in plain:
        raise InvalidInput(
            "The token has characters that no token has.",
            field="token",
            hint="It is one word of letters, digits, - and _ that begins with rst_.",
        )
    return plain


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _load(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"The login file cannot be read: {error}.", subject=str(path), hint="Run `roost login` again."
        ) from None
