"""Templates to HTML: one Jinja environment with autoescape, made when first needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roost.model.units import format_bytes, format_cpu, format_usd
from roost.web import words
from roost.web.assets import Assets
from roost.web.views import Frame

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, frame: Frame | None, values: Mapping[str, Any], *, part: str = "") -> str:
    """A page, or with `part` only that block of it.

    Every template sees `frame` (None outside of the sign-in) and the values.
    """
    found = _environment().get_template(template)
    context: dict[str, Any] = {"frame": frame, **values}
    if part:
        block = found.blocks.get(part)
        if block is not None:
            return "".join(block(found.new_context(context)))
    return found.render(context)


@cache
def assets() -> Assets:
    """The static files."""
    return Assets(Path(__file__).parent / "static")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        bytes=format_bytes,
        cpu=format_cpu,
        usd=format_usd,
        hourly=words.hourly,
        monthly=words.monthly,
        initials=words.initials,
        browser=words.browser,
        iso=_iso,
        span=_span,
    )
    environment.globals.update(
        phase_words=words.PHASE_WORDS,
        ago=words.ago,
        clock=words.clock,
        day=words.day,
        exact=words.exact,
        duration=words.duration,
        memory=words.memory,
        percent=words.percent,
        plural=words.plural,
        static=assets().url,
    )
    return environment


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(length: timedelta) -> str:
    return words.duration(length.total_seconds())
