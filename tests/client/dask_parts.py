"""Real Dask schedulers and workers: Roost's programs, in the Python of the default image, started by hand."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.harness import eventually

SOURCES = Path(__file__).resolve().parents[2] / "src"
_RUN = "import sys; from roost.runtimes.image.{program} import main; sys.exit(main([]))"


def write_certificates(directory: Path) -> Path:
    """An authority of its own and one certificate of it, as the files a part gets."""
    directory.mkdir(parents=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("authority", authority_key.public_key(), authority_key, ca=True)
    leaf = _certificate("part", key.public_key(), authority_key, ca=False)
    (directory / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (directory / "cert.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return directory


def _certificate(
    name: str, public: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )


@dataclass
class DaskParts:
    """One scheduler and its workers, each with directories as a runtime gives them."""

    python: Path
    directory: Path
    files: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def http_socket(self) -> Path:
        return self.directory / "http"

    @property
    def port(self) -> int:
        return int((self.addresses("scheduler") / "dask").read_text().rpartition(":")[2])

    def worker_port(self, index: int) -> int:
        """Where a worker listens."""
        return int((self.addresses(f"worker-{index}") / "ready").read_text().rpartition(":")[2])

    def addresses(self, part: str) -> Path:
        return self.directory / "peers" / part

    def start_scheduler(self) -> None:
        """Start it and wait until it listens."""
        self.launch("scheduler", "dask_scheduler", ROOST_SOCKET_HTTP=str(self.http_socket))
        eventually((self.addresses("scheduler") / "dask").exists, what="the scheduler's address")

    def start_worker(self, index: int, **variables: str) -> None:
        """Start it and wait until it is registered."""
        part = f"worker-{index}"
        self.launch(part, "dask_worker", ROOST_INDEX=str(index), **variables)
        eventually((self.addresses(part) / "ready").exists, what=f"worker {index} being ready")

    def run(self, code: str, *, files: Path | None = None, **variables: str) -> str:
        """Run code in the image's Python; ADDRESS, CA, CERT and KEY are defined. Returns what it printed."""
        begin = """
            import os, ssl
            from pathlib import Path
            from distributed import Client
            from distributed.security import Security
            ADDRESS = os.environ["ADDRESS"]
            CA, CERT, KEY = (Path(os.environ["FILES"], name).read_text() for name in ("ca.pem", "cert.pem", "key.pem"))
            SECURITY = Security(require_encryption=True, tls_ca_file=CA, tls_client_cert=CERT, tls_client_key=KEY)
        """
        done = subprocess.run(
            [self.python, "-c", textwrap.dedent(begin) + textwrap.dedent(code)],
            env=self._environment(
                {"ADDRESS": f"tls://127.0.0.1:{self.port}", "FILES": str(files or self.files), **variables}
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self, part: str) -> int:
        """Ask it to end; returns its exit code."""
        process = self.processes.pop(part)
        process.terminate()
        return process.wait(timeout=20)

    def close(self) -> None:
        """End everything."""
        for part in sorted(self.processes, reverse=True):
            self.stop(part)

    def launch(self, part: str, program: str, **variables: str) -> None:
        """Start a program with the directories and variables that a runtime would give it."""
        addresses = self.addresses(part)
        addresses.mkdir(parents=True)
        given = {
            "ROOST_FILES": str(self.files),
            "ROOST_ADDRESSES": str(addresses),
            "ROOST_PEERS": str(self.directory / "peers"),
            "ROOST_CPU_MILLIS": "2000",
            "ROOST_MEMORY_BYTES": str(2**29),
            **variables,
        }
        with (self.directory / f"{part}.log").open("wb") as log:
            self.processes[part] = subprocess.Popen(
                [self.python, "-c", _RUN.format(program=program)], env=self._environment(given), stdout=log, stderr=log
            )

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
        return {**clean, "PYTHONPATH": str(SOURCES), **given}
