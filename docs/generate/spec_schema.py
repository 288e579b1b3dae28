"""The JSON Schema of specs: shown on a page, and written as files for editors."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from docs.generate.tables import code, prose, table
from roost.model.specs import KINDS, spec_json_schema


def markdown() -> str:
    """A table of the keys of each kind, then the whole schema."""
    return "\n\n".join(_kind(kind) for kind in KINDS)


@cache
def files() -> Path:
    """A directory with `schema/<kind>.json`, to be copied beside the pages."""
    root = Path(tempfile.mkdtemp(prefix="roost-docs-"))
    (root / "schema").mkdir()
    for kind in KINDS:
        (root / "schema" / f"{kind}.json").write_text(_text(kind))
    return root


def _kind(kind: str) -> str:
    schema = spec_json_schema(kind)
    parts = [f"## {kind.capitalize()}", prose(schema.get("description", "")), _keys(schema["properties"], "")]
    for name, inner in schema.get("$defs", {}).items():
        parts += [f"The keys of `{name.lower()}`, which may also stand at the top:", _keys(inner["properties"], "")]
    link = f'<a href="../schema/{kind}.json">{kind}.json</a>'
    parts += [f"The schema as a file: {link}", f"```json\n{_text(kind).rstrip()}\n```"]
    return "\n\n".join(parts)


def _keys(properties: dict[str, Any], beginning: str) -> str:
    rows = [
        (code(beginning + name), code(_type(told)), code(_default(told)), prose(told.get("description", "")))
        for name, told in properties.items()
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


def _type(told: dict[str, Any]) -> str:
    if "anyOf" in told:
        return " or ".join(_type(each) for each in told["anyOf"])
    if "const" in told:
        return json.dumps(told["const"])
    return str(told.get("type", "object"))


def _default(told: dict[str, Any]) -> str:
    return json.dumps(told["default"]) if "default" in told else ""


def _text(kind: str) -> str:
    return json.dumps(spec_json_schema(kind), indent=2) + "\n"
