"""What a workload is made of, as it is typed: options and a file, put together into one recipe.

The recipe is read by the platform, strictly, so that there is one place that knows what is valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from roost.model.errors import InvalidInput
from roost.model.units import parse_duration

_SHARED = ("size", "image", "variables")  # may stand in the file's `environment`

Size = Annotated[str, typer.Option(help="A size of `roost sizes`.", show_default="the platform's")]
Image = Annotated[str, typer.Option(help="What it has installed.", show_default="default")]
Variables = Annotated[
    list[str] | None, typer.Option("--variable", metavar="NAME=VALUE", help="A variable of the environment.")
]
IdleTimeout = Annotated[
    str, typer.Option(metavar="DURATION", help="Stop after so long without use, such as 30min, 2h or never.")
]
RecipeFile = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="FILE", help="A recipe in YAML; options win over it.")
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


def idle_seconds(text: str) -> int | None:
    """Seconds of an idle timeout; None where none was typed.

    >>> idle_seconds("30min"), idle_seconds("never"), idle_seconds("")
    (1800, 0, None)
    """
    return parse_duration(text, "idle-timeout") if text else None


def put_together(file: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a file, with what was typed in place of what it says; None and empty texts were not typed."""
    recipe = read_recipe(file) if file is not None else {}
    for key, value in options.items():
        if value in (None, "", {}):
            continue
        nested = recipe.get("environment")
        place = nested if key in _SHARED and isinstance(nested, dict) else recipe
        kept = place.get(key) if key == "variables" else None
        place[key] = {**kept, **value} if isinstance(kept, Mapping) else value
    return recipe


def read_recipe(file: Path) -> dict[str, Any]:
    """The keys of a recipe file; whether they are valid is for the platform to say."""
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"The recipe cannot be read: {error.strerror}.", subject=str(file), field="file") from None
    except ValueError:
        raise InvalidInput("The recipe is not text in UTF-8.", subject=str(file), field="file") from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f"{file}, line {mark.line + 1}" if mark is not None else str(file)
        raise InvalidInput("The recipe is not valid YAML.", subject=place, field="file") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InvalidInput(
            "The recipe has no keys.", subject=str(file), field="file", hint="Write lines such as: size: 4gb"
        )
    return content


@contextmanager
def blaming(file: Path | None) -> Iterator[None]:
    """Name the file in what is said of its content."""
    try:
        yield
    except InvalidInput as error:
        if file is not None:
            error.message = f"{file}: {error.message}"
        raise
