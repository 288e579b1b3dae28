"""Specs: what is written is read back; everything else is one message with field, value and what would be valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.errors import InvalidInput
from roost.model.names import IdKind, new_id
from roost.model.specs import (
    KINDS,
    MAX_IDLE_TIMEOUT_S,
    MAX_VARIABLES,
    MAX_WORKERS,
    ClusterSpec,
    Environment,
    Spec,
    WorkspaceSpec,
    check_spec,
    parse_spec,
    spec_json_schema,
    spec_to_json,
)

VOLUME = new_id(IdKind.VOLUME, bytes(16))
environments = st.builds(
    Environment,
    image=st.from_regex(r"[a-z0-9][a-z0-9._:/@-]{0,30}", fullmatch=True),
    size=st.sampled_from(["", "4gb", "gpu-16gb"]),
    variables=st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
            lambda name: not name.startswith("ROOST_")
        ),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
        max_size=5,
    ),
)
timeouts = st.none() | st.integers(0, MAX_IDLE_TIMEOUT_S)
specs: st.SearchStrategy[Spec] = st.one_of(
    st.builds(
        WorkspaceSpec,
        environment=environments,
        volume=st.sampled_from(["", VOLUME]),
        idle_timeout_s=timeouts,
        safe_mode=st.booleans(),
    ),
    st.builds(ClusterSpec, environment=environments, workers=st.integers(0, MAX_WORKERS), idle_timeout_s=timeouts),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["kind", "environment", "size", "image", "variables", "workers", "idle_timeout_s", "volume"])


@given(specs)
def test_what_is_written_is_read_back(spec: Spec) -> None:
    check_spec(spec)
    assert parse_spec(spec_to_json(spec)) == spec
    assert parse_spec(spec_to_json(spec), spec.kind) == spec


@given(specs)
def test_the_flat_form_is_the_nested_one(spec: Spec) -> None:
    nested = spec_to_json(spec)
    flat = {**{key: value for key, value in nested.items() if key != "environment"}, **nested["environment"]}
    assert parse_spec(flat) == spec


@given(st.dictionaries(keys | st.text(), json_values, max_size=5), st.sampled_from([None, *KINDS]))
def test_anything_is_read_or_refused_in_one_clear_message(data: dict[str, Any], kind: str | None) -> None:
    try:
        check_spec(parse_spec(data, kind))
    except InvalidInput as error:
        check_refused(error)


def check_refused(error: InvalidInput) -> None:
    assert error.field
    assert f"{error.field}{error.message}{error.subject}{error.hint}".isprintable()
    assert len(error.message) < 200


def refused(data: Any, kind: str | None = "cluster") -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(data, kind)
    check_refused(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("data", "field", "message", "hint"),
    [
        ({"wokers": 3}, "wokers", 'Unknown key "wokers".', "Did you mean workers?"),
        ({"environment": {"imgae": "x"}}, "environment.imgae", 'Unknown key "imgae".', "Did you mean image?"),
        ({"enviroment": {}}, "enviroment", 'Unknown key "enviroment".', "Did you mean environment?"),
        ({"workers": -1}, "workers", "workers is -1.", "Use 0 to 1000."),
        ({"workers": 10_000}, "workers", "workers is 10000.", "Use 0 to 1000."),
        ({"workers": "2"}, "workers", 'workers is "2".', "Use a whole number."),
        ({"workers": 2.0}, "workers", "workers is 2.0.", "Use a whole number."),
        ({"workers": True}, "workers", "workers is true.", "Use a whole number."),
        ({"workers": None}, "workers", "workers is null.", "Use a whole number."),
        ({"size": 4}, "size", "size is 4.", "Use text in quotes."),
        ({"environment": {"size": 4}}, "environment.size", "environment.size is 4.", "Use text in quotes."),
        ({"environment": []}, "environment", "environment is a list.", "Use an object."),
        ({"size": "4gb", "environment": []}, "environment", "environment is a list.", "Use an object."),
        ({"variables": {"A": 1}}, "variables.A", "variables.A is 1.", "Use text in quotes."),
        ({"variables": {"A-B": "1"}}, "variables", 'variables is "A-B".', "not beginning with a digit"),
        (
            {"variables": {"ROOST_TOKEN_FILE": "x"}},
            "variables",
            'variables is "ROOST_TOKEN_FILE".',
            "set by the platform",
        ),
        ({"variables": {"A": "a\0"}}, "variables.A", "NUL", "Leave it out"),
        ({"variables": {"A": "x" * 200_000}}, "variables", "bytes", "keep it in a file"),
        ({"variables": {f"A{n}": "" for n in range(MAX_VARIABLES + 1)}}, "variables", "201 entries", "200 at most"),
        ({"idle_timeout_s": -1}, "idle_timeout_s", "idle_timeout_s is -1.", "0 for never"),
        ({"image": "../etc"}, "image", 'image is "../etc".', "lower-case"),
        ({"image": ""}, "image", 'image is "".', "Leave it out"),
        ({"kind": "workspace"}, "kind", "where a cluster is made", "Valid: cluster."),
        ({"size": "a", "environment": {"size": "b"}}, "size", "given twice", "Leave one of them out."),
        ({"variables": {"A": "\ud800"}}, "spec", "half a character", ""),
        ({"variables": {"A": {1, 2}}}, "spec", "not plain JSON", ""),
        ({1: 2}, "spec", "keys are text", ""),
        ([], "spec", "a list", ""),
        ("cluster", "spec", "must be an object", ""),
    ],
)
def test_what_is_wrong_is_said(data: Any, field: str, message: str, hint: str) -> None:
    error = refused(data)
    assert error.field == field
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize("volume", ["ws-" + "a" * 26, "home", "../../etc"])
def test_a_volume_is_named_by_its_id(volume: str) -> None:
    assert refused({"volume": volume}, "workspace").field == "volume"


@pytest.mark.parametrize(
    ("data", "kind"), [({}, None), ({"kind": "clustr"}, None), ({}, "notebook"), ({"kind": []}, None)]
)
def test_a_kind_there_is_not(data: Any, kind: str | None) -> None:
    error = refused(data, kind)
    assert error.field == "kind"
    assert "cluster, workspace" in error.hint or "workspace, cluster" in error.hint


def test_keys_of_the_other_kind_are_unknown() -> None:
    assert refused({"safe_mode": True}, "cluster").field == "safe_mode"
    assert refused({"workers": 1}, "workspace").field == "workers"


def test_defaults() -> None:
    assert parse_spec({}, "workspace") == WorkspaceSpec()
    assert parse_spec({"kind": "cluster"}) == ClusterSpec(environment=Environment(image="default"), workers=2)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_schema_describes_every_key_and_allows_no_other(kind: str) -> None:
    schema = spec_json_schema(kind)
    assert schema["additionalProperties"] is False
    environment = schema["$defs"]["Environment"]
    assert environment["additionalProperties"] is False
    for key, property in {**schema["properties"], **environment["properties"]}.items():
        assert property["description"], key
    assert set(schema["properties"]) == set(spec_to_json(KINDS[kind]()))
