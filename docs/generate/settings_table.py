"""The table of the settings, from `roost.settings`."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from docs.generate.cli_pages import options_of
from docs.generate.tables import code, prose, table
from roost.settings import ENVIRONMENT_PREFIX, FIELDS, Settings

_COLUMNS = ("Setting, flag, variable", "Meaning", "Default")
#: The home has no fixed default: `roost.settings.default_home` decides.
_HOME = "`/var/lib/roost` as root, else `~/.local/share/roost`"


def markdown() -> str:
    """One row per setting, in the order of `Settings`."""
    defaults = {field.name: field.default for field in fields(Settings)}
    flags = _flags()
    return table(
        _COLUMNS,
        (
            (
                "<br>".join(filter(None, (code(name), code(flags.get(name, "")), code(variable(name))))),
                prose(meaning),
                _HOME if name == "home" else code(_shown(defaults[name])),
            )
            for name, meaning in FIELDS.items()
        ),
    )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()


def _flags() -> dict[str, str]:
    """Setting -> flag. `--no-open` is the one that says the opposite of its setting."""
    found = {option.removeprefix("--").replace("-", "_"): option for option in options_of("up")}
    return {**found, "open_browser": found["no_open"]}


def _shown(default: Any) -> str:
    if default in (MISSING, None):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)
