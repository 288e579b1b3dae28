"""The routes of the HTTP API and of the pages, and who may use them, from the application and its permission table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docs.generate.api_words import QUERIES, SCOPES, WORDS
from docs.generate.tables import code, prose, table
from roost.model.access import RULES, Rule, Scope

API = "/api/v1/"
_TITLES = {
    "workspaces": "Workspaces",
    "clusters": "Dask clusters",
    "volumes": "Volumes",
    "people": "People",
    "platform": "The platform",
}
_SECTIONS = {"people": "people", "invitations": "people", "sessions": "people", "tokens": "people"}


def markdown() -> str:
    """The API by section."""
    sections: dict[str, list[tuple[str, ...]]] = {name: [] for name in _TITLES}
    for (method, path), described in api().items():
        word = path.removeprefix(API).partition("/")[0]
        section = _SECTIONS.get(word, word if word in _TITLES else "platform")
        who = who_may(RULES[method, path])
        takes = ", ".join(map(code, QUERIES.get((method, path), ())))
        told = f"{prose(described)}<br>Takes {takes}." if takes else prose(described)
        sections[section].append((code(f"{method} {path}"), told, prose(who)))
    columns = ("Route", "What it does", "Who may")
    return "\n\n".join(f"## {_TITLES[name]}\n\n{table(columns, rows)}" for name, rows in sections.items() if rows)


def pages_markdown() -> str:
    """What browsers ask for: everything in the permission table that is not the API."""
    rows = [
        (code(f"{method} {path}"), prose(who_may(rule)))
        for (method, path), rule in RULES.items()
        if not path.startswith(API)
    ]
    return table(("Route", "Who may"), rows)


def scopes_markdown() -> str:
    """What a token may be limited to."""
    return table(("Scope", "Lets a token"), [(code(scope.value), prose(SCOPES[scope])) for scope in Scope])


@cache
def api() -> Mapping[tuple[str, str], str]:
    """Every route of the API and what it does: its docstring, else its words in `api_words`. KeyError without both."""
    found = {}
    for path, operations in _application().openapi()["paths"].items():
        for method, operation in operations.items():
            if path.startswith(API):
                key = (method.upper(), path)
                found[key] = str(operation.get("description") or WORDS[key])
    return found


def who_may(rule: Rule) -> str:
    """A rule of the permission table in words."""
    if rule.internal:
        return "the platform's own processes"
    if rule.anyone:
        return "anyone"
    if rule.member:
        people = "everybody signed in"
    else:
        able = [word for word, may in (("the owner", rule.owner), ("administrators", rule.administrator)) if may]
        people = " and ".join(able)
    return f"{people}; {_tokens(rule)}"


def _tokens(rule: Rule) -> str:
    scopes = [rule.scope] if rule.scope is not None else []
    scopes += [Scope.READ] if rule.reads and rule.scope is not Scope.READ else []
    if not scopes:
        return "no limited token"
    return f"a limited token needs {' or '.join(f'`{scope.value}`' for scope in scopes)}"


def _application() -> Any:
    """The application as `roost up` makes it, on a home that is thrown away; nothing of it is started."""
    from roost.api.app import create_app
    from roost.runtimes.local.runtime import LocalRuntime
    from roost.services.keys import ensure_keys
    from roost.settings import Settings
    from roost.store.database import open_store

    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(home=Path(directory), isolation="process")
        ensure_keys(settings)
        store = open_store(settings)
        try:
            return create_app(settings, store, LocalRuntime(settings))
        finally:
            store.close()
