"""`roost up`: the platform on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from roost.cli.options import Home
from roost.settings import Settings, load_settings
from roost.supervisor import say, supervise


def up(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Public port.", show_default="8000")] = None,
    domain: Annotated[str | None, typer.Option(help="Domain people type.", show_default="localhost")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM) for DOMAIN and *.roost.DOMAIN.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM), where it is a file of its own.")] = None,
    behind_tls_proxy: Annotated[
        bool | None, typer.Option("--behind-tls-proxy", help="A proxy in front of Roost ends TLS.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    admin_token_file: Annotated[
        Path | None, typer.Option(help="Write a token of the first administrator to this file.")
    ] = None,
    stop_workloads: Annotated[
        bool | None, typer.Option("--stop-workloads", help="Stop all workloads when this command ends.")
    ] = None,
    isolation: Annotated[
        str | None, typer.Option(help="auto, user, bubblewrap or process.", show_default="auto")
    ] = None,
) -> None:
    """Run the platform on this machine until Ctrl-C. Workloads keep running.

    Example: roost up --port 8080
    """
    flags = {
        "home": home,
        "host": host,
        "port": port,
        "domain": domain,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "behind_tls_proxy": behind_tls_proxy,
        "open_browser": False if no_open else None,
        "admin_token_file": admin_token_file,
        "stop_workloads": stop_workloads,
        "isolation": isolation,
    }
    settings = load_settings(flags, os.environ)
    raise typer.Exit(supervise(settings, lambda: prepare(settings), lambda: announce(settings)))


def prepare(settings: Settings) -> None:
    """What must be there before the children start: keys, and the default image."""
    from roost.services.keys import ensure_keys

    ensure_keys(settings)
    asyncio.run(_ensure_image(settings))


async def _ensure_image(settings: Settings) -> None:
    from roost.runtimes.local.images import LocalBuilder

    builder = LocalBuilder(settings)
    if await builder.ready("default"):
        return
    say("Building the default image (JupyterLab, Dask and friends); the first time takes a minute or two.")
    async for step in builder.build("default"):
        share = "" if step.fraction is None else f"{step.fraction:4.0%} "
        say(f"  {share}{step.message}")


def announce(settings: Settings) -> None:
    """Say where the platform is; open it for a person who sits at this machine."""
    after = "and stops all workloads" if settings.stop_workloads else "workloads keep running"
    say(f"Roost is ready at {settings.origin} (Ctrl-C ends it{' ' if settings.stop_workloads else '; '}{after}).")
    has_screen = sys.platform == "darwin" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if settings.open_browser and sys.stdout.isatty() and has_screen:
        webbrowser.open(settings.origin)
