"""`roost people` and `roost invite`: who may use the platform."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from roost.cli import output
from roost.cli.matching import one
from roost.cli.options import AsJson, platform
from roost.model.errors import InvalidInput

app = typer.Typer(help="Who may use the platform.", rich_markup_mode=None, no_args_is_help=True, add_completion=False)
_SETTINGS = {"help_option_names": ["--help", "-h"]}


class Role(StrEnum):
    """What somebody may do."""

    member = "member"
    administrator = "administrator"


@app.command("list", context_settings=_SETTINGS)
def list_people(as_json: AsJson = False) -> None:
    """List everybody.

    Example: roost people list
    """
    with platform() as roost:
        found = roost.people.list()
    if as_json:
        output.print_items(found)
        return
    rows = [
        [
            output.flat(each.get("name")),
            output.flat(each.get("role")),
            "no" if each.get("disabled") else "yes",
            each["id"],
        ]
        for each in found
    ]
    output.print_table(("NAME", "ROLE", "MAY SIGN IN", "ID"), rows, "Nobody yet.")


@app.command("change", context_settings=_SETTINGS)
def change(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id.")],
    role: Annotated[Role | None, typer.Option(help="The new role.")] = None,
    disable: Annotated[bool | None, typer.Option("--disable/--enable", help="Keep out, or let in again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change somebody's role, or keep them out.

    Example: roost people change ada --role administrator
    """
    if role is None and disable is None:
        raise InvalidInput("Nothing to change was given.", hint="Add --role, --disable or --enable.")
    with platform() as roost:
        found = one(roost.people.list(), name, "name", "email", what="people", one_of="person")
        changed = roost.people.change(found["id"], role=role.value if role else None, disabled=disable)
    if as_json:
        output.print_json(changed)
    else:
        output.note(f"{found.get('name')} is changed.")


def invite(
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.member,
    hint: Annotated[str, typer.Option(help="For whom it is; shown in the list of invitations.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a link that lets one person join. It works once, and not for long.

    Example: roost invite --role member
    """
    with platform() as roost:
        made = roost.people.invite(role=role.value, hint=hint)
    if as_json:
        output.print_json(made)
        return
    print(made["url"])
    output.note(f"Works once, until {output.clock(made.get('expires_at'))}.")
