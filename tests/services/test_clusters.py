import asyncio
import ssl
from pathlib import Path

import pytest
from tests.services.fixed import by
from tests.store.making import NOW, person

from roost.model.errors import Unavailable
from roost.model.specs import ClusterSpec
from roost.services import clusters, workloads
from roost.services.keys import Vault
from roost.store.database import Store


@pytest.fixture(scope="module")
def made() -> list[dict[str, bytes]]:
    """Two clusters' certificates; valid at the time of the machine, which TLS looks at."""
    import time

    return [clusters.make_certificates(time.time_ns() // 1000) for _ in range(2)]


def context(folder: Path, files: dict[str, bytes], side: str) -> ssl.SSLContext:
    """Mutual TLS as Dask does it: both show a certificate, and only their own authority counts."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    chosen = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH if side == "server" else ssl.Purpose.SERVER_AUTH, cafile=str(folder / clusters.CA)
    )
    chosen.check_hostname = False
    chosen.verify_mode = ssl.CERT_REQUIRED
    names = {"server": ("cert.pem", "key.pem"), "client": ("client.pem", "client-key.pem")}[side]
    chosen.load_cert_chain(*(str(folder / name) for name in names))
    return chosen


async def connects(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
            said = await reader.read()
            writer.close()
            return said == b"hello"
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        listening.close()


async def test_only_clients_of_the_same_cluster_connect(made: list[dict[str, bytes]], tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    server = context(folders[0], made[0], "server")
    assert await connects(server, context(folders[0], made[0], "client"))
    stranger = context(folders[1], made[1], "client")
    stranger.load_verify_locations(str(folders[0] / clusters.CA))  # trusts the server, and is not trusted by it
    assert not await connects(server, stranger)
    nobody = ssl.create_default_context(cafile=str(folders[0] / clusters.CA))
    nobody.check_hostname = False
    assert not await connects(server, nobody)


def test_the_authoritys_key_is_kept_nowhere_and_workers_get_no_clients_key(made: list[dict[str, bytes]]) -> None:
    assert set(made[0]) == {"ca.pem", "cert.pem", "key.pem", "client.pem", "client-key.pem"}
    assert b"PRIVATE" not in made[0]["ca.pem"]
    assert set(clusters.node_files(made[0])) == {"ca.pem", "cert.pem", "key.pem"}
    assert made[0]["key.pem"] != made[0]["client-key.pem"]


def test_credentials_are_sealed_in_the_store(store: Store, vault: Vault, made: list[dict[str, bytes]]) -> None:
    ada = person(store)
    row, _ = workloads.create(
        store, by(ada, NOW), "dask", ClusterSpec(), seal=lambda tx, id: vault.put(tx, id, made[0], now_us=NOW)
    )
    told = clusters.credentials(store, vault, row)
    assert told == {
        "ca": made[0]["ca.pem"].decode(),
        "certificate": made[0]["client.pem"].decode(),
        "key": made[0]["client-key.pem"].decode(),
    }
    written = b"".join(path.read_bytes() for path in Path(store.subject).parent.glob("roost.db*"))
    assert made[0]["client-key.pem"].splitlines()[1] not in written
    bare, _ = workloads.create(store, by(ada, NOW), "without", ClusterSpec())
    with pytest.raises(Unavailable, match="missing"):
        clusters.credentials(store, vault, bare)


def test_versions_of_a_manifest() -> None:
    assert clusters.image_versions('{"python": "3.11.2", "packages": {"dask": "1"}}')["packages"] == {"dask": "1"}
    assert clusters.image_versions("{}") == {"python": "", "packages": {}}
