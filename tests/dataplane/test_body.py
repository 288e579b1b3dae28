"""Bodies in transit: however the bytes are cut, the same content comes out and the same bytes are left over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.dataplane.body import Body, BodyError, Chunked, Counted


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def run(body: Body, parts: list[bytes]) -> tuple[bytes, bytes]:
    out = rest = b""
    for part in parts:
        if body.done:
            rest += part
        else:
            passed, left = body.take(part)
            out, rest = out + passed, rest + left
    return out, rest


def encode(chunks: list[bytes], extension: bytes = b"") -> bytes:
    return b"".join(b"%X%b\r\n%b\r\n" % (len(c), extension, c) for c in chunks if c)


CHUNKS = st.lists(st.binary(max_size=40), max_size=6)


@given(chunks=CHUNKS, rest=st.binary(max_size=20), cuts=st.lists(st.integers(0, 10**6), max_size=12))
def test_chunks_in_any_pieces(chunks: list[bytes], rest: bytes, cuts: list[int]) -> None:
    wire = encode(chunks, b";a=b") + b"0\r\nT: x\r\n\r\n" + rest
    assert run(Chunked(framed=False), pieces(wire, cuts)) == (b"".join(chunks), rest)
    rewritten, left = run(Chunked(), pieces(wire, cuts))
    assert left == rest
    assert run(Chunked(framed=False), [rewritten]) == (b"".join(chunks), b"")
    assert b";" not in rewritten.replace(b"".join(chunks), b"") or b";" in b"".join(chunks)


@given(chunks=CHUNKS)
def test_canonical_chunks_pass_unchanged(chunks: list[bytes]) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n\r\n"
    assert run(Chunked(), [wire]) == (wire, b"")


@given(data=st.binary(max_size=60), length=st.integers(0, 60), cuts=st.lists(st.integers(0, 10**6), max_size=8))
def test_counted_bodies_in_any_pieces(data: bytes, length: int, cuts: list[int]) -> None:
    body = Counted(length)
    assert run(body, pieces(data, cuts)) == (data[:length], data[length:])
    assert body.done is (len(data) >= length)


@given(noise=st.binary(min_size=1, max_size=60))
def test_noise_is_refused_or_waited_for_but_never_passed_beyond_its_size(noise: bytes) -> None:
    try:
        out, rest = run(Chunked(framed=False), [noise])
    except BodyError:
        return
    assert len(out) + len(rest) <= len(noise)


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    with pytest.raises(BodyError):
        run(Chunked(), [b"0"] * 10000)
