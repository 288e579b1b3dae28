"""The certificates of a Dask cluster: an authority of its own, so that nobody else's client connects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from roost.model.errors import Unavailable
from roost.services.keys import Vault
from roost.store.database import Store
from roost.store.rows import WorkloadRow, moment

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

#: Names of the secrets of a cluster.
CA, NODE_CERTIFICATE, NODE_KEY = "ca.pem", "cert.pem", "key.pem"
CLIENT_CERTIFICATE, CLIENT_KEY = "client.pem", "client-key.pem"
_LIFE = timedelta(days=366)
_SLACK = timedelta(hours=1)


def make_certificates(now_us: int) -> dict[str, bytes]:
    """A new authority, and certificates for the cluster's own programs and for its clients (PEM)."""
    from cryptography.hazmat.primitives.serialization import Encoding

    now = moment(now_us)
    authority_key, authority = _certified("Roost cluster authority", now, None)
    made = {CA: authority.public_bytes(Encoding.PEM)}
    for name, certificate_file, key_file in (
        ("Roost cluster", NODE_CERTIFICATE, NODE_KEY),
        ("Roost client", CLIENT_CERTIFICATE, CLIENT_KEY),
    ):
        key, certificate = _certified(name, now, (authority_key, authority))
        made[certificate_file] = certificate.public_bytes(Encoding.PEM)
        made[key_file] = _pem(key)
    return made


def credentials(store: Store, vault: Vault, row: WorkloadRow) -> dict[str, Any]:
    """What a client of the owner needs to join: authority, certificate and key. Unavailable before it was made."""
    with store.read() as tx:
        found = vault.of(tx, row.id)
    if CLIENT_KEY not in found:
        raise Unavailable("The certificates of the cluster are missing.", subject=row.name, hint="Make a new cluster.")
    return {
        "ca": found[CA].decode(),
        "certificate": found[CLIENT_CERTIFICATE].decode(),
        "key": found[CLIENT_KEY].decode(),
    }


def node_files(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that scheduler and workers get."""
    return {name: found[name] for name in (CA, NODE_CERTIFICATE, NODE_KEY)}


def _certified(
    name: str, now: datetime, issuer: tuple[EllipticCurvePrivateKey, Certificate] | None
) -> tuple[EllipticCurvePrivateKey, Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_key, issuer_name = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _LIFE)
        .add_extension(
            x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_usage(authority=issuer is None), critical=True)
    )
    return key, builder.sign(issuer_key, hashes.SHA256())


def _usage(*, authority: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def image_versions(manifest: str) -> dict[str, Any]:
    """Python and package versions of an image, from its manifest (JSON)."""
    content = json.loads(manifest)
    return {"python": content.get("python", ""), "packages": content.get("packages", {})}
