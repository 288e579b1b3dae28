from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.services.keys import Vault, ensure_keys
from roost.settings import Settings
from roost.store.database import Store, open_store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path)
    ensure_keys(made)
    return made


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    yield opened
    opened.close()


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings)
