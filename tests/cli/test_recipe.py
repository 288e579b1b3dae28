"""Recipes put together from a file and options; the examples in the docstrings of CLI and SDK."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from roost.cli.recipe import put_together
from roost.model.errors import InvalidInput


@pytest.mark.parametrize("module", ["cli.output", "cli.recipe", "client.connection"])
def test_examples_in_docstrings(module: str) -> None:
    results = doctest.testmod(import_module(f"roost.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("content", "options", "recipe"),
    [
        ("size: 1gb\n", {"size": ""}, {"size": "1gb"}),
        ("size: 1gb\n", {"size": "2gb"}, {"size": "2gb"}),
        ("environment: {size: 1gb}\n", {"size": "2gb"}, {"environment": {"size": "2gb"}}),
        ("variables: {A: a, B: b}\n", {"variables": {"B": "c"}}, {"variables": {"A": "a", "B": "c"}}),
        ("workers: 3\n", {"workers": 0}, {"workers": 0}),
        ("workers: 3\n", {"workers": None}, {"workers": 3}),
    ],
)
def test_options_win_over_the_file(
    tmp_path: Path, content: str, options: dict[str, Any], recipe: dict[str, Any]
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(content)
    assert put_together(file, options) == recipe


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"- a\n", b"a: [\n", b"1: 2\n", b"!!python/object:os.system a"])
def test_what_is_no_recipe_names_the_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        put_together(file, {})
    assert str(file) in caught.value.subject
