"""`--variable NAME=VALUE`, as often as needed."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.model.errors import InvalidInput

Variables = Annotated[
    list[str] | None, typer.Option("--variable", metavar="NAME=VALUE", help="A variable of the environment.")
]


def parse_variables(given: list[str] | None) -> dict[str, str]:
    """Names and values, or an error that shows the form.

    >>> parse_variables(["A=1", "B=x=y"])
    {'A': '1', 'B': 'x=y'}
    """
    found: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InvalidInput(
                f"{each!r} is not NAME=VALUE.", field="variable", hint="For example --variable LOG_LEVEL=debug."
            )
        found[name] = value
    return found
