"""Findings list the worst first, the same way each time."""

from __future__ import annotations

from decimal import Decimal

from roost.model.findings import Finding, Severity, ordered


def finding(code: str, severity: Severity, monthly: str | None = None) -> Finding:
    amount = None if monthly is None else Decimal(monthly)
    return Finding(code=code, severity=severity, subject="s", message="m", monthly_usd=amount)


def test_severity_then_money_then_code() -> None:
    found = [
        finding("D", Severity.NOTE),
        finding("C", Severity.COSTLY, "10"),
        finding("B", Severity.COSTLY, "2943.36"),
        finding("A", Severity.COSTLY),
        finding("E", Severity.BROKEN),
    ]
    assert [f.code for f in ordered(found)] == ["E", "B", "C", "A", "D"]
    assert ordered(found) == ordered(reversed(found))
