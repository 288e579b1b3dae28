"""Codes and tickets: good for one session, one host, one browser, one half minute; anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model import tickets
from roost.model.tickets import check_code, check_ticket, hash_secret, issue_code, issue_ticket

KEY = b"k" * 32
HOST = "ws-a.roost.localhost"
NOW_US = 1_800_000_000_000_000
SESSION = hash_secret("the session's secret")


def code(now_us: int = NOW_US) -> str:
    return issue_code(KEY, session_key=SESSION, workload_host=HOST, nonce_hash=hash_secret("n"), now_us=now_us)


def test_a_code_gives_the_session_back() -> None:
    assert check_code(KEY, code(), workload_host=HOST, nonce="n", now_us=NOW_US + 29_999_999) == SESSION


@pytest.mark.parametrize(
    ("key", "host", "nonce", "later_us"),
    [
        (b"x" * 32, HOST, "n", 0),
        (KEY, "ws-b.roost.localhost", "n", 0),
        (KEY, HOST, "other", 0),
        (KEY, HOST, "", 0),
        (KEY, HOST, "n", 30_000_000),
    ],
)
def test_a_code_is_bound_to_key_host_nonce_and_time(key: bytes, host: str, nonce: str, later_us: int) -> None:
    assert check_code(key, code(), workload_host=host, nonce=nonce, now_us=NOW_US + later_us) is None


def test_a_code_bound_to_no_nonce_is_refused() -> None:
    bare = issue_code(KEY, session_key=SESSION, workload_host=HOST, nonce_hash=hash_secret(""), now_us=NOW_US)
    assert check_code(KEY, bare, workload_host=HOST, nonce="", now_us=NOW_US) is None


def test_a_ticket_is_bound_to_key_and_host() -> None:
    ticket = issue_ticket(KEY, session_key=SESSION, workload_host=HOST)
    assert check_ticket(KEY, ticket, workload_host=HOST) == SESSION
    assert check_ticket(b"x" * 32, ticket, workload_host=HOST) is None
    assert check_ticket(KEY, ticket, workload_host="p8050-" + HOST) is None


def test_a_code_is_no_ticket_and_a_ticket_no_code() -> None:
    ticket = issue_ticket(KEY, session_key=SESSION, workload_host=HOST)
    assert check_ticket(KEY, code(), workload_host=HOST) is None
    assert check_code(KEY, ticket, workload_host=HOST, nonce="n", now_us=NOW_US) is None


@given(text=st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    assert check_ticket(KEY, text, workload_host=HOST) is None
    assert check_code(KEY, text, workload_host=HOST, nonce="n", now_us=NOW_US) is None


@given(position=st.integers(0, 10**6), replacement=st.characters(min_codepoint=1, max_codepoint=300))
def test_one_changed_character_spoils_it(position: int, replacement: str) -> None:
    good = code()
    place = position % len(good)
    changed = good[:place] + replacement + good[place + 1 :]
    if changed != good:
        assert check_code(KEY, changed, workload_host=HOST, nonce="n", now_us=NOW_US) is None


@given(fields=st.tuples(st.text(), st.text()), other=st.tuples(st.text(), st.text()))
def test_two_different_pairs_never_share_a_ticket(fields: tuple[str, str], other: tuple[str, str]) -> None:
    first = issue_ticket(KEY, session_key=fields[0].replace(".", ""), workload_host=fields[1])
    checked = check_ticket(KEY, first, workload_host=other[1])
    assert (checked is not None) == (fields[1] == other[1])


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("__Host-roost-0123abcd", True),
        ("roost-0123abcd", True),
        ("__host-roost-ticket-0123abcd", True),
        ("roost-nonce-ffffffff", True),
        ("roost-theme", False),
        ("_xsrf", False),
        ("__Host-roost-0123abcd-mine", False),
    ],
)
def test_which_cookies_are_the_platforms(name: str, ours: bool) -> None:
    assert tickets.is_platform_cookie(name) is ours


@pytest.mark.parametrize("prefixed", [True, False])
def test_every_cookie_name_is_the_platforms(prefixed: bool) -> None:
    names = [
        make("0123abcd", prefixed) for make in (tickets.session_cookie, tickets.ticket_cookie, tickets.nonce_cookie)
    ]
    assert all(tickets.is_platform_cookie(name) for name in names)
    assert len(set(names)) == 3
    assert all(name.startswith("__Host-") is prefixed for name in names)


SAFARI = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15"
CHROME = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("secure", "agent", "prefixed"),
    [(False, SAFARI, False), (True, SAFARI, True), (False, CHROME, True), (False, "curl/8", True), (False, "", True)],
)
def test_only_safari_on_plain_http_gets_plain_names(secure: bool, agent: str, prefixed: bool) -> None:
    assert tickets.cookies_prefixed(secure, agent) is prefixed
