"""Hints name the word somebody meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.nearest import hint, nearest

SIZES = ["512mb", "1gb", "2gb", "4gb", "16gb"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("4 GB", "4gb"), ("4g", "4gb"), ("16GB", "16gb"), ("512", "512mb"), ("huge", None)],
)
def test_sizes_people_type(typed: str, meant: str | None) -> None:
    assert nearest(typed, SIZES) == meant


def test_swapped_missing_and_extra_letters_are_seen_through() -> None:
    keys = ["environment", "idle_timeout_s", "image", "variables", "workers"]
    assert [nearest(word, keys) for word in ("wokrers", "enviroment", "idle-timeout", "imagee", "Variable")] == [
        "workers",
        "environment",
        "idle_timeout_s",
        "image",
        "variables",
    ]


@given(st.text(), st.lists(st.text(max_size=20), max_size=20))
def test_what_is_suggested_is_valid(word: str, valid: list[str]) -> None:
    found = nearest(word, valid)
    assert found is None or found in valid


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=20))
def test_a_valid_word_of_its_own_is_nearest_up_to_spelling(valid: list[str]) -> None:
    assert nearest("".join(valid[:1]), valid) is not None or not valid[0].strip(" -_")


def test_a_hint_lists_in_the_given_order_and_not_for_ever() -> None:
    assert hint("x", SIZES) == "Valid: 512mb, 1gb, 2gb, 4gb, 16gb."
    assert hint("x", [f"word{number}" for number in range(20)]).endswith("word11 and 8 more.")
    assert hint("x", []) == ""
