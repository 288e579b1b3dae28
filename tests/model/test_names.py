"""Names: any text becomes a host name that nothing else becomes; labels are checked with reasons."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roost.model.errors import InvalidInput
from roost.model.names import (
    ENTROPY_BYTES,
    NAME_LIMIT,
    IdKind,
    checked_name,
    dns_label,
    fold,
    id_kind,
    is_id,
    new_id,
    printable,
)

LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)  # lone surrogates included
NASTY = ["", "-", "0", "é" * 300, "\ud800", "👩‍🔬🏳️‍🌈", "\u202eevil", "a\0b", "A" * 300, "--x--", "xn--a", "ﬃ", "1a"]


@given(ANY_TEXT)
@example("ß" * 300)
def test_any_text_becomes_a_dns_label(text: str) -> None:
    assert LABEL.fullmatch(dns_label(text))


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_becomes_a_dns_label(text: str) -> None:
    assert LABEL.fullmatch(dns_label(text))


@given(ANY_TEXT, ANY_TEXT)
@example("a", "A")
@example("é", "e\u0301")
@example("", "x")
def test_different_texts_become_different_labels(one: str, other: str) -> None:
    assert (dns_label(one) == dns_label(other)) == (one == other)


def test_a_hundred_thousand_near_names_stay_apart() -> None:
    texts = [f"{word}{separator}{number}" for number in range(10_000) for word in ("a", "A") for separator in " -_./"]
    assert len({dns_label(text) for text in texts}) == len(set(texts)) == 100_000


@given(st.sampled_from(IdKind), st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))
def test_ids_are_labels_and_know_their_kind(kind: IdKind, entropy: bytes) -> None:
    id = new_id(kind, entropy)
    assert is_id(id)
    assert LABEL.fullmatch(id)
    assert id_kind(id) is kind


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ids_keep_all_their_bits(one: bytes, other: bytes) -> None:
    assert (new_id(IdKind.VOLUME, one) == new_id(IdKind.VOLUME, other)) == (one == other)


def test_an_id_takes_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        new_id(IdKind.VOLUME, b"short")


@given(ANY_TEXT)
def test_a_folded_name_stays_folded(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_names_people_cannot_tell_apart_fold_alike() -> None:
    assert fold("Straße  1") == fold("STRASSE 1") == fold("ｓｔｒａｓｓｅ 1")


def check_refused(error: InvalidInput) -> None:
    assert error.field == "name"
    assert error.hint
    assert f"{error.message}{error.subject}".isprintable()


@given(ANY_TEXT)
def test_a_name_is_shown_or_refused_with_field_and_hint(text: str) -> None:
    try:
        shown = checked_name(text)
    except InvalidInput as refused:
        check_refused(refused)
        return
    assert checked_name(shown) == shown
    assert 0 < len(shown) <= NAME_LIMIT
    assert shown.isprintable()
    assert not is_id(fold(shown))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("ü" * 300, "300 characters"),
        ("a/b", "slash"),
        ("a\\b", "slash"),
        ("..", "no letter"),
        ("a\u202eb", "U\\+202E"),
        ("a\0b", "U\\+0000"),
        ("\ud800", "U\\+D800"),
        ("ws-" + "a" * 26, "form of an id"),
        ("WS-" + "A" * 26, "form of an id"),
    ],
)
def test_names_that_cannot_be(name: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        checked_name(name)


@pytest.mark.parametrize("name", ["demo", "Zoë’s model (v2)", "数据", "🚀 rocket", "a" * NAME_LIMIT, "1"])
def test_names_that_can_be(name: str) -> None:
    assert checked_name(name) == name


@given(ANY_TEXT)
def test_anything_can_be_printed(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()
