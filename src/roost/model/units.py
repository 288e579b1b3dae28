"""Amounts as people read and type them: memory, CPU, durations, money.

Inside, an amount is an integer in the unit its name carries (`memory_bytes`, `cpu_millis`, `timeout_s`,
`cost_micro_usd`) or a Decimal of dollars. Memory counts in 1024s whatever the suffix, as machines are sold: "16 GB"
is 16 x 1024^3 bytes. Kubernetes quantities, where "16G" is decimal, are not read here.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from roost.model.errors import InvalidInput

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
HOURS_PER_MONTH = 730  # the month of AWS price pages: 365 x 24 / 12
MICRO_USD = 1_000_000
MICROSECONDS_PER_HOUR = 3_600_000_000

_SCALES = (("TB", TIB), ("GB", GIB), ("MB", MIB), ("KB", KIB))
_FACTORS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB}
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?:([KMGT])I?)?B?", re.IGNORECASE | re.ASCII)
_CPU = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(m|cores?|)", re.IGNORECASE | re.ASCII)
_DURATION_PART = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,3})?)\s*(d|h|min|m|s|)", re.IGNORECASE | re.ASCII)
_SECONDS = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1, "": 1}


def parse_bytes(text: str, field: str = "memory") -> int:
    """Read an amount of memory or disk.

    >>> parse_bytes("4 GB"), parse_bytes("512Mi"), parse_bytes("1024")
    (4294967296, 536870912, 1024)
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise _unreadable(text, field, "an amount of memory", "a number and KB, MB, GB or TB, such as 4 GB")
    return int(Decimal(match[1]) * _FACTORS[(match[2] or "").upper()])


def format_bytes(amount_bytes: int) -> str:
    """Say an amount with at most one decimal.

    >>> format_bytes(4 << 30), format_bytes(1610612736), format_bytes(700), format_bytes(133 << 20)
    ('4 GB', '1.5 GB', '700 B', '133 MB')
    """
    for unit, scale in _SCALES:
        amount = Decimal(amount_bytes) / scale
        if abs(amount) >= 100:
            return f"{amount:.0f} {unit}"
        if abs(amount) >= Decimal("0.95"):  # rounds to 1: "1 GB" reads better than "1023 MB"
            return f"{amount:.1f}".removesuffix(".0") + f" {unit}"
    return f"{amount_bytes} B"


def format_used(used_bytes: int, limit_bytes: int) -> str:
    """Say how much of a limit is used, both in the unit of the limit.

    >>> format_used(4187593113, 4 << 30)
    '3.9 of 4.0 GB'
    """
    unit, scale = next(((u, s) for u, s in _SCALES if limit_bytes >= s), ("B", 1))
    if scale == 1:
        return f"{used_bytes} of {limit_bytes} B"
    return f"{Decimal(used_bytes) / scale:.1f} of {Decimal(limit_bytes) / scale:.1f} {unit}"


def parse_cpu(text: str | float, field: str = "cpu") -> int:
    """Read CPU in cores, as thousandths of a core.

    >>> parse_cpu("2"), parse_cpu("500m"), parse_cpu(1.5)
    (2000, 500, 1500)
    """
    match = _CPU.fullmatch(str(text).strip())
    if match is None:
        raise _unreadable(str(text), field, "an amount of CPU", "cores such as 2 or 0.5, or thousandths such as 500m")
    return int(Decimal(match[1]) * (1 if match[2].lower() == "m" else 1000))


def format_cpu(cpu_millis: int) -> str:
    """Say CPU in cores.

    >>> format_cpu(1000), format_cpu(1500), format_cpu(63770)
    ('1 core', '1.5 cores', '63.77 cores')
    """
    number = f"{cpu_millis / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{number} core" if number == "1" else f"{number} cores"


def parse_duration(text: str, field: str = "duration") -> int:
    """Read a duration in whole seconds; a bare number is seconds, "never" is 0.

    >>> parse_duration("1h30m"), parse_duration("2 d 4 h"), parse_duration("90"), parse_duration("never")
    (5400, 187200, 90, 0)
    """
    if text.strip().lower() == "never":
        return 0
    rest, total = text.strip(), Decimal(0)
    while rest:
        match = _DURATION_PART.match(rest)
        if match is None:
            raise _unreadable(text, field, "a duration", "a number and s, min, h or d, such as 30 min, 1h30m, or never")
        total += Decimal(match[1]) * _SECONDS[match[2].lower()]
        rest = rest[match.end() :].strip()
    if not text.strip():
        raise _unreadable(text, field, "a duration", "a number and s, min, h or d, such as 30 min")
    return int(total)


def format_duration(duration_s: float) -> str:
    """Say a duration in its two largest units, rounded down; below ten seconds with one decimal.

    >>> [format_duration(s) for s in (0.42, 59, 12 * 60, 3 * 3600 + 61, 2 * 86400)]
    ['0.4 s', '59 s', '12 min', '3 h 1 min', '2 d']
    """
    if duration_s < 0:
        return f"-{format_duration(-duration_s)}"
    if duration_s < 10:
        return f"{int(duration_s * 10) / 10:.1f} s".replace(".0 ", " ")
    rest, said = int(duration_s), []
    for unit, scale in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, scale)
        if count:
            said.append(f"{count} {unit}")
        elif said:
            break
        if len(said) == 2:
            break
    # "12 min 3 s" says more than anybody wants to know; seconds count only below one minute.
    return said[0] if len(said) == 2 and said[1].endswith(" s") else " ".join(said)


def micro_usd(usd: Decimal) -> int:
    """Dollars as they are stored: integer millionths, rounded half to even.

    >>> micro_usd(Decimal("0.252"))
    252000
    """
    return int((usd * MICRO_USD).to_integral_value(ROUND_HALF_EVEN))


def from_micro_usd(amount_micro_usd: int) -> Decimal:
    """Stored millionths as dollars, exactly.

    >>> from_micro_usd(252000)
    Decimal('0.252000')
    """
    return Decimal(amount_micro_usd).scaleb(-6)


def monthly_usd(hourly_usd: Decimal | None) -> Decimal | None:
    """What an hourly price is for a month of 730 hours; unknown stays unknown."""
    return None if hourly_usd is None else hourly_usd * HOURS_PER_MONTH


def parse_usd(text: str, field: str = "price") -> Decimal:
    """Read dollars, with or without the sign.

    >>> parse_usd("$1,471.68")
    Decimal('1471.68')
    """
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise _unreadable(text, field, "an amount of money", "dollars such as 0.50")
    return amount


def format_usd(usd: Decimal | None) -> str:
    """Say dollars; amounts below ten cents keep the digits that distinguish them; None is unknown, never free.

    >>> [format_usd(a if a is None else Decimal(a)) for a in ("0.504", "0.0376", "2943.36", "0", None)]
    ['$0.50', '$0.0376', '$2,943.36', '$0', 'unknown']
    """
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    sign, amount = ("-" if usd < 0 else ""), abs(usd)
    if amount < Decimal("0.1"):
        digits = f"{amount:.4f}".rstrip("0").rstrip(".")
        return f"{sign}${digits}" if Decimal(digits) else "less than $0.0001"
    return f"{sign}${amount:,.2f}"


def format_price(hourly_usd: Decimal | None) -> str:
    """Say what something costs while it runs.

    >>> format_price(Decimal("0.504")), format_price(Decimal(0)), format_price(None)
    ('$0.50 / h, about $368 a month', 'free', 'price unknown')
    """
    month = monthly_usd(hourly_usd)
    if month is None:
        return "price unknown"
    return f"{format_usd(hourly_usd)} / h, about ${month:,.0f} a month" if month else "free"


def _unreadable(text: str, field: str, what: str, valid: str) -> InvalidInput:
    return InvalidInput(f"{field} is {text[:60]!a}, which is not {what}.", field=field, hint=f"Use {valid}.")
