"""Writes the reference from the code while Sphinx reads it.

A page says `<!-- roost: settings -->` where the table of the settings belongs; the function of that name in `PIECES`
gives the Markdown. An unknown name is an error, so that a page never shows less than it promises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from docs.generate import api_routes, cli_pages, settings_table, sizes_table, spec_schema, states

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What a page may ask for -> the function that writes it.
PIECES: Mapping[str, Callable[[], str]] = {
    "settings": settings_table.markdown,
    "cli": cli_pages.markdown,
    "api": api_routes.markdown,
    "pages": api_routes.pages_markdown,
    "scopes": api_routes.scopes_markdown,
    "spec": spec_schema.markdown,
    "sizes": sizes_table.local_markdown,
    "eks-sizes": sizes_table.eks_markdown,
    "price-source": sizes_table.source_markdown,
    "errors": states.errors_markdown,
    "codes": states.codes_markdown,
    "phases": states.phases_markdown,
    "exits": states.exits_markdown,
    "exit-codes": states.exit_codes_markdown,
}
_MARK = re.compile(r"^<!-- roost: ([a-z-]+) -->$", re.MULTILINE)

schema_files = spec_schema.files


def filled(text: str) -> str:
    """A page with its marks replaced by what the code says."""
    return _MARK.sub(lambda mark: PIECES[mark[1]](), text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _always)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = filled(source[0])


def _always(app: Sphinx, env: Any, *_others: object) -> list[str]:
    """Read the generated pages at every build: Sphinx does not see that the code changed."""
    del app
    return [page for page in env.found_docs if page.startswith("reference/")]
