"""A certificate authority for tests: chains and keys as files, good and bad."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT = ec.generate_private_key(ec.SECP256R1())
SIGNER = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Paths:
    """A chain and a key on disk."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"certificate": str(self.certificate), "key": str(self.key)}


def name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Lab")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(
    key: Any = SIGNER,
    *,
    authority: bool = False,
    usage: Any = None,
    days: tuple[int, int] = (-1, 9),
) -> bytes:
    """A certificate in PEM, signed by the root; the root's own with `authority`."""
    now, public = datetime.now(UTC), (ROOT if authority else key).public_key()
    uses = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    uses |= {"digital_signature": not authority, "encipher_only": False, "decipher_only": False}
    uses |= {"key_cert_sign": authority, "crl_sign": authority}
    made = (
        x509.CertificateBuilder()
        .subject_name(name("Root" if authority else "Signer"))
        .issuer_name(name("Root"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), True)
        .add_extension(x509.KeyUsage(**uses), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.public_key()), False)
    )
    if not authority:
        usage = usage or ExtendedKeyUsageOID.EMAIL_PROTECTION
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return made.sign(ROOT, hashes.SHA256()).public_bytes(Encoding.PEM)


def private(key: Any = SIGNER, *, old: bool = False, passphrase: bytes = b"") -> bytes:
    """A private key in PEM: PKCS #8, or the older form of its kind."""
    form = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    made: bytes = key.private_bytes(Encoding.PEM, form, lock)
    return made


def files(folder: Path, chain: bytes | None = None, key: bytes | None = None) -> Paths:
    """Both in files; by default those of a good signer."""
    paths = Paths(folder / "chain.pem", folder / "key.pem")
    good = certificate() + certificate(authority=True)
    paths.certificate.write_bytes(good if chain is None else chain)
    paths.key.write_bytes(private() if key is None else key)
    return paths
