"""The examples in the docstrings hold, and the model stays pure."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import roost.model

MODULES = [f"roost.model.{module.name}" for module in pkgutil.iter_modules(roost.model.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    tried = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]
    assert sum(tried) >= 20


def test_importing_the_model_reads_nothing_and_loads_nothing_heavy() -> None:
    code = (
        "import builtins, io, sys\n"
        "import csv, dataclasses, decimal, fractions, enum, types, typing\n"
        "opened = []\n"
        "real = io.open\n"
        "builtins.open = io.open = lambda *a, **k: (opened.append(a[0]), real(*a, **k))[1]\n"
        f"import {', '.join(MODULES)}\n"
        "heavy = {'pydantic', 'asyncio', 'socket', 'logging', 'random', 'difflib', 'sqlalchemy', 'httpx'}\n"
        "print(opened, sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.strip() == "[] []"


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
