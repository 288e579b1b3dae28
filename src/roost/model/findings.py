"""A finding: what a check of a plan or a cluster has to say, with the money and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Severity(StrEnum):
    """How much it matters: BROKEN does not work, COSTLY wastes money, RISKY may fail or leak, NOTE is worth knowing."""

    BROKEN = "broken"
    RISKY = "risky"
    COSTLY = "costly"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. `code` is stable, such as NET-ROOM; `subject` is what it is about.

    `message` says what was seen, in numbers; `remedy` what to do; `monthly_usd` None = no amount is known.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    remedy: str = ""
    monthly_usd: Decimal | None = None


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, then by money, then by code and subject, so that two runs list alike."""
    ranks = {severity: rank for rank, severity in enumerate(Severity)}
    return sorted(findings, key=lambda f: (ranks[f.severity], -(f.monthly_usd or Decimal(0)), f.code, f.subject))
