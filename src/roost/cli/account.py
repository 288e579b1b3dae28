"""`roost login`, `logout`, `whoami`: which platform this shell talks to, and as whom."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from roost.cli import output
from roost.cli.options import AsJson, platform
from roost.model.errors import InvalidInput

_DEFAULT_URL = "http://localhost:8000"


def login(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The address of the platform.", show_default=_DEFAULT_URL)
    ] = "",
    token_file: Annotated[
        str, typer.Option(metavar="FILE", help="Read the token from a file; - is standard input.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Remember a platform and a token, after trying them. Make a token on the page "Tokens".

    Example: roost login https://roost.example.com
    """
    from roost.client.configuration import Configuration, checked_url, remember
    from roost.client.platform import Roost

    address = checked_url(url or os.environ.get("ROOST_URL") or _DEFAULT_URL)
    token = _token(token_file, address)
    with Roost(address, token) as roost:
        me = roost.me()
    path = remember(Configuration(url=address, token=token))
    if as_json:
        output.print_json({"url": address, "name": me.get("name"), "file": str(path)})
    else:
        output.note(f"Signed in to {address} as {me.get('name')}. Remembered in {path}.")


def logout(as_json: AsJson = False) -> None:
    """Forget what login remembered. The token itself lives on: see `roost token revoke`.

    Example: roost logout
    """
    from roost.client.configuration import configuration_file, forget

    known = forget()
    if as_json:
        output.print_json({"file": str(configuration_file(os.environ)), "forgotten": known})
    else:
        output.note("Forgotten." if known else "Nothing was remembered.")
    if os.environ.get("ROOST_TOKEN") and not as_json:
        output.note("ROOST_TOKEN is set and goes on being used.")


def whoami(as_json: AsJson = False) -> None:
    """Say who you are on which platform.

    Example: roost whoami --json
    """
    with platform() as roost:
        me = roost.me()
        url = roost.connection.url
    if as_json:
        output.print_json({**me, "url": url})
        return
    scopes = "everything" if me.get("scopes") is None else " ".join(me["scopes"])
    output.print_details(
        [("name", output.flat(me.get("name"))), ("role", output.flat(me.get("role"))), ("may", scopes), ("url", url)]
    )


def _token(token_file: str, address: str) -> str:
    if token_file == "-":
        token = sys.stdin.read().strip()
    elif token_file:
        try:
            token = Path(token_file).read_text().strip()
        except OSError as error:
            raise InvalidInput(f"The token file cannot be read: {error.strerror}.", subject=token_file) from None
    elif os.environ.get("ROOST_TOKEN"):
        token = os.environ["ROOST_TOKEN"]
    elif sys.stdin.isatty() and sys.stderr.isatty():
        token = typer.prompt(f"Token for {address}", hide_input=True, err=True).strip()
    else:
        raise InvalidInput("No token was given.", field="token", hint="Use --token-file FILE, or set ROOST_TOKEN.")
    if not token:
        raise InvalidInput("The token is empty.", field="token", hint="Make one on the page Tokens.")
    return token
