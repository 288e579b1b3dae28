"""What a person asked for: one recipe, a shared environment and a tagged union per kind.

Parsed once at the edges by `parse_spec` (strict: an unknown key is an error that names the nearest valid key);
its JSON Schema is published for editors, with the docstrings below as descriptions. Sizes and images are names
here; placement resolves them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from roost.model.errors import InvalidInput
from roost.model.names import IdKind, is_id, printable
from roost.model.nearest import hint

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

MAX_WORKERS = 1000
MAX_VARIABLES = 200
MAX_VARIABLES_BYTES = 131_072  # names and values together; Linux takes no more than this in one string
MAX_IDLE_TIMEOUT_S = 366 * 86_400
RESERVED_VARIABLES = "ROOST_"  # beginning of the names the platform sets itself

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True, "use_attribute_docstrings": True}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_VALID = {
    "int_type": "Use a whole number.",
    "int_parsing_size": "Use a smaller number.",
    "string_type": "Use text in quotes.",
    "bool_type": "Use true or false.",
    "dataclass_type": "Use an object.",
    "dict_type": "Use an object of names and texts.",
}
_LABEL = re.compile(r"[a-z0-9][a-z0-9._:/@-]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What every kind shares: the image, the size and what the program finds around it."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    image: str = "default"
    """Name of the image to run."""
    size: str = ""
    """Name of the size; empty means the platform's default size."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the program. Secrets do not belong here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSpec:
    """JupyterLab with a home volume."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    kind: Literal["workspace"] = "workspace"
    """What this is."""
    environment: Environment = field(default_factory=Environment)
    """Image, size and variables."""
    volume: str = ""
    """Id of an existing home volume; empty means a new one."""
    idle_timeout_s: int | None = None
    """Stop after so many seconds without activity; null means the platform's rule, 0 never."""
    safe_mode: bool = False
    """Start without extensions, with a report of what fills the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """A Dask cluster: one scheduler and `workers` workers of the environment's size."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    kind: Literal["cluster"] = "cluster"
    """What this is."""
    environment: Environment = field(default_factory=Environment)
    """Image, size and variables of scheduler and workers."""
    workers: int = 2
    """Number of workers."""
    idle_timeout_s: int | None = None
    """Stop after so many seconds without a client; null means the platform's rule, 0 never."""


Spec = WorkspaceSpec | ClusterSpec
KINDS: Mapping[str, type[WorkspaceSpec] | type[ClusterSpec]] = {"workspace": WorkspaceSpec, "cluster": ClusterSpec}
_SHARED = frozenset(field.name for field in fields(Environment))


def parse_spec(data: Any, kind: str | None = None) -> Spec:
    """Read a spec from plain JSON values; InvalidInput names the field, the value and what would be valid.

    Image, size and variables may stand at the top instead of in `environment`. Without `kind` the data says it.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput(f"A spec is {_shown(data)}; it must be an object.", field="spec")
    kind = _kind(data, kind)
    nested, flat = _nested(data)
    text = _json(nested)
    from pydantic import ValidationError  # 60 ms: only where something is parsed

    try:
        spec: Spec = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False), kind, flat) from None
    check_spec(spec, flat=flat)
    return spec


def check_spec(spec: Spec, *, flat: frozenset[str] = frozenset()) -> None:
    """Refuse values that are of the right type and still cannot be: of specs made in code, too."""
    environment = spec.environment
    image = _place("environment", "image", flat=flat)
    if environment.image and not _LABEL.fullmatch(environment.image):
        raise _bad(image, environment.image, "Use a name of lower-case letters, digits and . _ : / @ -")
    if not environment.image:
        raise _bad(image, "", 'Leave it out, or name an image such as "default".')
    _check_variables(environment.variables, _place("environment", "variables", flat=flat))
    idle_s = spec.idle_timeout_s
    if idle_s is not None and not 0 <= idle_s <= MAX_IDLE_TIMEOUT_S:
        raise _bad("idle_timeout_s", idle_s, f"Use 0 for never, or seconds up to {MAX_IDLE_TIMEOUT_S}.")
    if isinstance(spec, ClusterSpec):
        if not 0 <= spec.workers <= MAX_WORKERS:
            raise _bad("workers", spec.workers, f"Use 0 to {MAX_WORKERS}.")
    elif spec.volume and not (is_id(spec.volume) and spec.volume.startswith(IdKind.VOLUME.value)):
        raise _bad("volume", spec.volume, "Use the id of a volume, or leave it out for a new one.")


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """Plain JSON values, nested; `parse_spec` reads them back."""
    return asdict(spec)


def spec_json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind's spec (draft 2020-12), for editors and the reference."""
    schema: dict[str, Any] = _adapter(_kind({}, kind)).json_schema()
    properties = schema["properties"]
    if "workers" in properties:
        properties["workers"] |= {"minimum": 0, "maximum": MAX_WORKERS}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(KINDS[kind])


def _kind(data: Mapping[str, Any], kind: str | None) -> str:
    said = data.get("kind", kind)
    if said is None or not isinstance(said, str) or said not in KINDS:
        raise InvalidInput(f"kind is {_shown(said)}.", field="kind", hint=hint(str(said), KINDS))
    if kind is not None and said != kind:
        raise InvalidInput(f"kind is {_shown(said)}, where a {kind} is made.", field="kind", hint=f"Valid: {kind}.")
    return said


def _nested(data: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The data with image, size and variables inside `environment`, and which of them stood at the top."""
    for key in data:
        if not isinstance(key, str):
            raise InvalidInput(f"A key of the spec is {_shown(key)}; keys are text.", field="spec")
    flat = frozenset(_SHARED & data.keys())
    if not flat:
        return dict(data), flat
    environment = data.get("environment", {})
    if not isinstance(environment, Mapping):
        raise _bad("environment", environment, "Use an object.")
    twice = sorted(flat & environment.keys())
    if twice:
        raise InvalidInput(
            f"{twice[0]} is given twice: at the top and in environment.", field=twice[0], hint="Leave one of them out."
        )
    rest = {key: value for key, value in data.items() if key not in flat}
    return {**rest, "environment": {**environment, **{key: data[key] for key in flat}}}, flat


def _json(data: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeError:
        raise InvalidInput("The spec contains half a character (a lone surrogate).", field="spec") from None
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput("The spec contains something that is not plain JSON.", field="spec") from None


def _invalid(problems: Sequence[ErrorDetails], kind: str, flat: frozenset[str]) -> InvalidInput:
    """The most telling problem as one message: a misspelt key explains a missing one."""
    problem = min(problems, key=lambda p: p["type"] != "unexpected_keyword_argument")
    place = tuple(str(part) for part in problem["loc"])
    where = _place(*place, flat=flat)
    if problem["type"] == "unexpected_keyword_argument":
        valid = _keys(kind, place[:-1])
        key = printable(place[-1], 60)
        return InvalidInput(
            f'Unknown key "{key}".',
            field=printable(where, 100) or "spec",
            subject=key,
            hint=hint(place[-1], valid),
        )
    return _bad(printable(where, 100), problem.get("input"), _VALID.get(problem["type"], f"{problem['msg']}."))


def _keys(kind: str, place: tuple[str, ...]) -> list[str]:
    if place == ("environment",):
        return sorted(_SHARED)
    return sorted({field.name for field in fields(KINDS[kind])} | _SHARED)


def _place(*path: str, flat: frozenset[str]) -> str:
    """The name of a field as the writer knows it."""
    if path[:1] == ("environment",) and path[1:2] and path[1] in flat:
        path = path[1:]
    return ".".join(path)


def _check_variables(variables: Mapping[str, str], where: str) -> None:
    if len(variables) > MAX_VARIABLES:
        raise InvalidInput(f"{where} has {len(variables)} entries.", field=where, hint=f"Use {MAX_VARIABLES} at most.")
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise _bad(where, name, "The name of a variable is letters, digits and _, not beginning with a digit.")
        if name.startswith(RESERVED_VARIABLES):
            raise _bad(where, name, f"Names that begin with {RESERVED_VARIABLES} are set by the platform.")
        if "\0" in value:
            problem = f"The value of variable {name} contains a NUL character."
            raise InvalidInput(problem, field=f"{where}.{name}", hint="Leave it out; a program cannot receive it.")
    taken = sum(len(f"{name}={value}\0".encode()) for name, value in variables.items())
    if taken > MAX_VARIABLES_BYTES:
        problem = f"{where} has {taken} bytes."
        raise InvalidInput(problem, field=where, hint=f"Use {MAX_VARIABLES_BYTES} at most, or keep it in a file.")


def _bad(where: str, value: Any, valid: str) -> InvalidInput:
    return InvalidInput(f"{where or 'spec'} is {_shown(value)}.", field=where or "spec", hint=valid)


def _shown(value: Any) -> str:
    """A value in a message: short, printable, in the words of JSON."""
    if isinstance(value, str):
        return f'"{printable(value, 60)}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return printable(repr(value), 60)
