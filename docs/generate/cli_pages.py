"""The pages of the command line, from the Typer applications behind `roost.cli.main.VERBS`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from docs.generate.tables import code, prose, table
from roost.cli.main import LOCAL, REMOTE, VERBS, Verb
from roost.cli.run import _load as load

_KINDS: dict[Any, str] = {Path: "PATH", int: "NUMBER", float: "NUMBER"}


def markdown() -> str:
    """All verbs, local ones first."""
    local = [_verb(verb) for verb in LOCAL]
    remote = [_verb(verb) for verb in REMOTE]
    about = "These verbs ask the platform: `ROOST_URL` and `ROOST_TOKEN` say which, or `roost login`."
    return "\n\n".join(["## On this machine", *local, "## On the platform", about, *remote])


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb as it is typed (without `roost`), with its command."""
    for name, verb in VERBS.items():
        command = load(verb)
        inside = getattr(command, "commands", None)
        if inside is None:
            yield (name,), command
        else:
            yield from (((name, word), inside[word]) for word in inside)


def options_of(*words: str) -> list[str]:
    """The long options of one verb."""
    command = dict(commands())[words]
    return [opt for p in command.params for opt in (*p.opts, *p.secondary_opts) if opt.startswith("--")]


def _verb(verb: Verb) -> str:
    parts = [f"### roost {verb.name}"]
    found = [(words, command) for words, command in commands() if words[0] == verb.name]
    if found[0][0] != (verb.name,):
        parts.append(prose(verb.summary))
    for words, command in found:
        if len(words) > 1:
            parts.append(f"#### roost {' '.join(words)}")
        parts += _command(words, command)
    return "\n\n".join(parts)


def _command(words: tuple[str, ...], command: Any) -> Iterator[str]:
    about, _, example = (command.help or "").partition("Example:")
    yield prose(about)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = ["roost", *words, *map(_argument, arguments)]
    yield f"```text\n{' '.join(usage)} [OPTIONS]\n```"
    if example:
        yield f"For example:\n\n```bash\n{' '.join(example.split())}\n```"
    rows = [(code(p.metavar or p.name.upper()), _meaning(p), _default(p)) for p in arguments]
    rows += [(_names(p), _meaning(p), _default(p)) for p in command.params if p not in arguments]
    if rows:
        yield table(("Argument or option", "Meaning", "Default"), rows)


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.upper()) + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> str:
    names = ", ".join(map(code, (*parameter.opts, *parameter.secondary_opts)))
    kind = "" if parameter.is_flag else _kind(parameter)
    return f"{names} {kind}".strip()


def _kind(parameter: Any) -> str:
    if parameter.metavar:
        return code(parameter.metavar)
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(each.value) for each in annotation)
    return code(_KINDS.get(annotation, "TEXT"))


def _meaning(parameter: Any) -> str:
    return prose(parameter.help or "")


def _default(parameter: Any) -> str:
    shown = parameter.show_default
    if isinstance(shown, str):
        return prose(shown)
    default = parameter.default
    return "" if default in (None, False, "") or callable(default) or parameter.required else code(f"{default}")
