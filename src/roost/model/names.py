"""Identity: immutable ids, and labels people may choose.

An id is two letters of kind, `-`, and 26 characters of lower-case base32 (128 random bits). It is at once
database key, host name label, Kubernetes object name and directory name. Names are labels: nothing is ever
found by concatenating two of them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from enum import StrEnum

from roost.model.errors import InvalidInput

ENTROPY_BYTES = 16
NAME_LIMIT = 80
_ID = re.compile(r"[a-z]{2}-[a-z2-7]{26}")
_SLUG_LIMIT = 63 - 27  # a DNS label is at most 63 characters (RFC 1035); "-" and 26 characters of suffix


class IdKind(StrEnum):
    """The two letters that begin an id."""

    WORKSPACE = "ws"
    CLUSTER = "cl"
    APP = "ap"
    JOB = "jb"
    RUN = "rn"
    IMAGE = "im"
    VOLUME = "vo"
    SECRET = "se"
    PERSON = "pe"
    GROUP = "gr"
    SESSION = "sn"
    TOKEN = "tk"
    INVITATION = "iv"
    INSTANCE = "in"


_KINDS = {kind.value: kind for kind in IdKind}


def new_id(kind: IdKind, entropy: bytes) -> str:
    """Make an id from 16 random bytes.

    >>> new_id(IdKind.WORKSPACE, bytes(16))
    'ws-aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"an id takes {ENTROPY_BYTES} bytes of entropy, got {len(entropy)}")
    return f"{kind.value}-{_base32(entropy)}"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id (of any kind)."""
    return _ID.fullmatch(text) is not None


def fold(name: str) -> str:
    """The form under which a name is unique per owner and kind: NFKC, casefolded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def checked_name(name: str, field: str = "name") -> str:
    """The name as it will be shown, or an error that says what is valid."""
    shown = " ".join(unicodedata.normalize("NFC", name).split())
    if not shown:
        raise InvalidInput("A name is empty.", field=field, hint=f"Use 1 to {NAME_LIMIT} characters.")
    if len(shown) > NAME_LIMIT:
        raise InvalidInput(
            f"The name has {len(shown)} characters; at most {NAME_LIMIT} are allowed.",
            subject=printable(shown, 20),
            field=field,
            hint=f"Shorten it to {NAME_LIMIT} characters.",
        )
    bad = next((c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"}), None)
    if bad is not None:
        problem = f"contains the character U+{ord(bad):04X}"
    elif "/" in shown or "\\" in shown:
        problem = "contains a slash"
    elif is_id(fold(shown)):
        problem = "has the form of an id"
    elif not any(unicodedata.category(c)[0] in "LNS" for c in shown):
        problem = "has no letter or digit"
    else:
        return shown
    raise InvalidInput(
        f"The name {problem}.",
        subject=printable(shown),
        field=field,
        hint="Use letters, digits, spaces and ordinary punctuation.",
    )


def printable(text: str, limit: int = NAME_LIMIT) -> str:
    """Any text made safe to show in a message: shortened, what cannot be seen or turns the line around is escaped.

    >>> printable("tab\\there"), printable("abcdef", 3)
    ('tab\\\\there', 'abc…')
    """
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:limit])
    return shown + "…" if len(text) > limit else shown


def id_kind(id: str) -> IdKind | None:
    """What an id is of; None for anything that is not an id.

    >>> id_kind("ws-aaaaaaaaaaaaaaaaaaaaaaaaaa").name
    'WORKSPACE'
    """
    return _KINDS.get(id[:2]) if is_id(id) else None


def dns_label(text: str) -> str:
    """Turn any text into a DNS label people can recognise; collision-resistant by a 128-bit suffix.

    >>> dns_label("Ünï code!")
    'uni-code-fehjynzezs4xxcsfzove5k5bzq'
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")[:_SLUG_LIMIT].strip("-")
    suffix = _base32(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:ENTROPY_BYTES])
    return (
        f"{slug}-{suffix}" if slug and slug[0].isalpha() else f"x{slug and '-' + slug}"[:36].rstrip("-") + f"-{suffix}"
    )


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
