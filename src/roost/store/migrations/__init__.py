"""Alembic migrations, run by `roost.store.schema`. Draft one: `python -m roost.store.migrations "what changes"`."""
