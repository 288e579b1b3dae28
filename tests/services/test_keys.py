import threading

import pytest
from cryptography.fernet import Fernet
from tests.services.fixed import by, counted
from tests.store.making import NOW, person

from roost.model.errors import Unavailable
from roost.model.specs import WorkspaceSpec
from roost.services import keys, workloads
from roost.services.keys import Vault
from roost.settings import Settings
from roost.store.database import Store


def seal(store: Store, vault: Vault, value: bytes = b"secret") -> str:
    """A workload with a sealed secret."""
    ada = person(store)
    return workloads.create(
        store, by(ada, NOW), "home", WorkspaceSpec(), seal=lambda tx, id: vault.put(tx, id, {"a": value}, now_us=NOW)
    )[0].id


def opened(store: Store, vault: Vault, id: str) -> dict[str, bytes]:
    with store.read() as tx:
        return vault.of(tx, id)


def test_keys_are_private_and_never_replaced(settings: Settings) -> None:
    paths = (keys.ticket_key_path(settings), keys.secrets_key_path(settings))
    before = [path.read_bytes() for path in paths]
    keys.ensure_keys(settings, entropy=counted("others"))
    assert [path.read_bytes() for path in paths] == before
    assert [path.stat().st_mode & 0o777 for path in (*paths, settings.keys)] == [0o600, 0o600, 0o700]
    assert sorted(path.name for path in settings.keys.iterdir()) == ["secrets.key", "ticket.key"]
    assert len(keys.load_ticket_key(settings)) == 32


def test_two_that_make_keys_at_once_agree(tmp_path_factory: pytest.TempPathFactory) -> None:
    for _ in range(10):
        fresh = Settings(home=tmp_path_factory.mktemp("home"))
        found: list[bytes] = []

        def make(fresh: Settings = fresh, found: list[bytes] = found) -> None:
            keys.ensure_keys(fresh)
            found.append(keys.load_ticket_key(fresh))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(found)) == 1


def test_what_is_sealed_is_opened_by_its_key_alone(store: Store, settings: Settings, vault: Vault) -> None:
    id = seal(store, vault)
    assert opened(store, Vault(settings), id) == {"a": b"secret"}
    path = keys.secrets_key_path(settings)
    old = path.read_bytes()
    path.write_bytes(Fernet.generate_key())
    with pytest.raises(Unavailable) as caught:
        opened(store, Vault(settings), id)
    assert (caught.value.code, caught.value.subject) == ("key-unusable", str(path))
    path.write_bytes(Fernet.generate_key() + b"\n" + old)  # rotated: the newest on top, the old ones kept
    assert opened(store, Vault(settings), id) == {"a": b"secret"}


@pytest.mark.parametrize("content", [b"", b"not a key", None])
def test_a_key_file_that_cannot_be_used_is_named(store: Store, settings: Settings, content: bytes | None) -> None:
    for path, use in (
        (keys.ticket_key_path(settings), lambda: keys.load_ticket_key(settings)),
        (keys.secrets_key_path(settings), lambda: seal(store, Vault(settings))),
    ):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Unavailable) as caught:
            use()
        assert (caught.value.code, caught.value.subject) == ("key-unusable", str(path))


def test_a_place_where_keys_cannot_be_made_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "keys").write_text("in the way")
    with pytest.raises(Unavailable) as caught:
        keys.ensure_keys(Settings(home=home))
    assert caught.value.code == "keys-not-writable"
    assert "--home" in caught.value.hint
