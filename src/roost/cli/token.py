"""`roost token`: API tokens, for programs and for this command."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.cli import output
from roost.cli.matching import one
from roost.cli.options import AsJson, platform

app = typer.Typer(help="API tokens.", rich_markup_mode=None, no_args_is_help=True, add_completion=False)
_SETTINGS = {"help_option_names": ["--help", "-h"]}


@app.command("create", context_settings=_SETTINGS)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="Limit it: read, workspaces, clusters, admin.", show_default="no limit")
    ] = None,
    days: Annotated[int | None, typer.Option(help="How long it works, 90 at most.", show_default="30")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once.

    Example: roost token create ci --scope workspaces --days 7
    """
    with platform() as roost:
        made = roost.tokens.create(name, scopes=scope or (), expires_days=days)
    if as_json:
        output.print_json(made)
        return
    print(made["token"])
    output.note(f"Keep it: it is not shown again. It works until {output.clock(made.get('expires_at'))}.")


@app.command("list", context_settings=_SETTINGS)
def list_tokens(as_json: AsJson = False) -> None:
    """List your tokens, without their secrets.

    Example: roost token list
    """
    with platform() as roost:
        found = roost.tokens.list()
    if as_json:
        output.print_items(found)
        return
    rows = [
        [
            output.flat(each.get("name")),
            " ".join(each.get("scopes") or ()) or "everything",
            output.ago(each.get("expires_at")),
            output.ago(each.get("seen_at")) or "never",
            each["id"],
        ]
        for each in found
    ]
    output.print_table(("NAME", "MAY", "ENDS", "LAST USED", "ID"), rows, "No tokens.")


@app.command("revoke", context_settings=_SETTINGS)
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id.")],
    as_json: AsJson = False,
) -> None:
    """End a token now.

    Example: roost token revoke ci
    """
    with platform() as roost:
        found = one(roost.tokens.list(), name, "name", what="token")
        roost.tokens.revoke(found["id"])
    if as_json:
        output.print_json({"id": found["id"], "name": found.get("name"), "revoked": True})
    else:
        output.note(f"{found.get('name')} no longer works.")
