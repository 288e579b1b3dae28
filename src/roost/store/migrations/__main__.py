"""Draft the next migration from the difference between the tables and the migrations there are."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from roost.store.database import Store, database_url
from roost.store.schema import alembic_config


def main(message: str) -> None:
    """Write versions/<number>_<words>.py; read it, then set HEAD in `roost.store.schema`."""
    config = alembic_config()
    number = f"{len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1:04}"
    with tempfile.TemporaryDirectory() as directory:
        store = Store(database_url(Path(directory) / "draft.db"))
        with store.write() as tx:
            config.attributes["connection"] = tx.connection
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=number)
        store.close()


main(" ".join(sys.argv[1:]))
