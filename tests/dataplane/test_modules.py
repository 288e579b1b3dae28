"""The data plane is light to start, and the examples in its docstrings hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import roost.dataplane

MODULES = [f"roost.dataplane.{module.name}" for module in pkgutil.iter_modules(roost.dataplane.__path__)]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'pydantic', 'fastapi', 'sqlalchemy', 'httpx', 'jinja2', 'http.client', 'email', 'multiprocessing'}"
    code = f"import sys, roost.dataplane.__main__; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
