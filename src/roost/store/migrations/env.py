"""Runs migrations on the connection that `roost.store.schema` gives, in its transaction."""

from typing import Any, Literal

from alembic import context

from roost.store.tables import Word, metadata


def _render(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """A migration must not change when an enumeration does."""
    return f"sa.String(length={item.impl.length})" if kind == "type" and isinstance(item, Word) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=_render,
    compare_server_default=True,
)
context.run_migrations()
