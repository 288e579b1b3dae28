"""How amounts, prices and times are said on the pages. Pure; `static/times.js` says durations the same way.

Nothing is guessed: an unknown price is the word "unknown", never zero.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from roost.model.lifecycle import Phase
from roost.model.units import format_bytes, format_duration, format_usd, format_used, monthly_usd

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DATED_AFTER_S = 30 * _DAY

#: What a phase is called on the pages; the icon and the colour carry the same name as the phase.
PHASE_WORDS = {
    Phase.STARTING: "Starting",
    Phase.RUNNING: "Running",
    Phase.STOPPING: "Stopping",
    Phase.STOPPED: "Stopped",
    Phase.FAILED: "Failed",
}


def ago(time: datetime, now: datetime) -> str:
    """How long ago something was, in its largest unit; after a month the date.

    >>> at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> ago(at, at), ago(at, at.replace(minute=12)), ago(at, at.replace(day=3)), ago(at, at.replace(month=7))
    ('just now', '12 min ago', '2 d ago', '1 Mar 2026')
    """
    seconds = (now - time).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds >= _DATED_AFTER_S:
        return day(time)
    for unit, scale in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= scale:
            return f"{int(seconds // scale)} {unit} ago"
    return f"{int(seconds)} s ago"


def day(time: datetime, zone: tzinfo = UTC) -> str:
    """A date without a leading zero.

    >>> day(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '1 Mar 2026'
    """
    local = time.astimezone(zone)
    return f"{local.day} {local:%b %Y}"


def clock(time: datetime, now: datetime, zone: tzinfo = UTC) -> str:
    """A time of day, with the day where it is not today.

    >>> at = datetime(2026, 3, 1, 18, 40, tzinfo=UTC)
    >>> clock(at, at), clock(at, at.replace(month=2, day=28))
    ('18:40', '18:40 on 1 Mar')
    """
    local, today = time.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%H:%M} on {local.day} {local:%b}"


def exact(time: datetime, zone: tzinfo = UTC) -> str:
    """A time to the second, with its zone.

    >>> exact(datetime(2026, 3, 1, 18, 40, 5, tzinfo=UTC))
    '1 Mar 2026, 18:40:05 UTC'
    """
    local = time.astimezone(zone)
    return f"{day(time, zone)}, {local:%H:%M:%S} {local.tzname() or 'UTC'}"


def duration(seconds: float) -> str:
    """A duration; one that would be negative (a clock that went back) is nothing.

    >>> duration(0.31), duration(-2), duration(3 * 3600 + 120)
    ('0.3 s', '0 s', '3 h 2 min')
    """
    return format_duration(max(0.0, seconds))


def hourly(usd: Decimal | None) -> str:
    """A price per hour.

    >>> hourly(Decimal("0.504")), hourly(Decimal(0)), hourly(None)
    ('$0.50 / h', 'free', 'price unknown')
    """
    if usd is None:
        return "price unknown"
    return "free" if usd == 0 else f"{format_usd(usd)} / h"


def monthly(usd: Decimal | None) -> str:
    """What an hourly price is in a month, rounded to dollars where that loses nothing that matters.

    >>> monthly(Decimal("0.504")), monthly(Decimal("0.0376")), monthly(None)
    ('$368 a month', '$27 a month', 'unknown')
    """
    month = monthly_usd(usd)
    if month is None:
        return "unknown"
    return f"{'$' + format(month, ',.0f') if month >= 10 else format_usd(month)} a month"


def memory(used: int | None, limit: int) -> str:
    """How much of a limit is used, or only the limit where nothing is known.

    >>> memory(1 << 30, 4 << 30), memory(None, 4 << 30)
    ('1.0 of 4.0 GB', '4 GB')
    >>> memory(46 << 20, 4 << 30)
    '46 MB of 4 GB'
    """
    if used is not None and used < limit / 80:  # "0.0 of 4.0 GB" would say that nothing is used
        return f"{format_bytes(used)} of {format_bytes(limit)}"
    return format_bytes(limit) if used is None else format_used(used, limit)


def percent(part: float, whole: float) -> float:
    """A share in percent with one decimal, within 0 and 100.

    >>> percent(1, 3), percent(5, 0), percent(5, 4)
    (33.3, 0.0, 100.0)
    """
    return round(min(100.0, max(0.0, 100 * part / whole)), 1) if whole > 0 else 0.0


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "worker"), plural(3, "worker"), plural(0, "person", "people")
    ('1 worker', '3 workers', '0 people')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def initials(name: str) -> str:
    """One or two letters that stand for a person.

    >>> initials("Ada Lovelace"), initials("émile"), initials("  ")
    ('AL', 'É', '?')
    """
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


def browser(agent: str) -> str:
    """The browser and system a user agent string claims to be.

    >>> browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36")
    'Chrome on Linux'
    """
    names = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    )
    name = next((shown for mark, shown in names if mark in agent), "")
    system = next((shown for mark, shown in systems if mark in agent), "")
    return " on ".join(part for part in (name, system) if part) or agent.split("/")[0][:40] or "Unknown browser"
