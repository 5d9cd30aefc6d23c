"""The key that signs what an installation makes, and the certificates that say whose it is.

A root certificate signs one signing certificate and its own key is then forgotten, so nobody can make a second. C2PA
refuses a self-signed certificate, hence the two. Made on first use; the private key never leaves its file.
"""

import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.errors import Invalid

_LIFE = timedelta(days=365 * 20)
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----\n.+?-----END [A-Z ]+-----\n", re.DOTALL)
_SIGNS, _CERTIFIES = "digital_signature", "key_cert_sign"


@dataclass(frozen=True)
class SigningKey:
    """A private key, the certificate of its public half, and the root that vouches for it: PEM each."""

    private: bytes
    certificate: bytes
    root: bytes

    @property
    def chain(self) -> bytes:
        """The certificates in the order that a signature names them."""
        return self.certificate + self.root

    @property
    def fingerprint(self) -> str:
        """What the root is known by: SHA-256 of its DER form, in hex."""
        return x509.load_pem_x509_certificate(self.root).fingerprint(hashes.SHA256()).hex()


def signing_key(file: Path, producer: str) -> SigningKey:
    """The key of this file, which is made where there is none; two processes at once get the same.

    Raises:
        Invalid: the file holds something else.
    """
    if not file.exists():
        _write_once(file, _new(producer))
    try:
        private, certificate, root = _PEM.findall(file.read_bytes())
        serialization.load_pem_private_key(private, None)
        x509.load_pem_x509_certificates(certificate + root)
    except ValueError as error:
        raise Invalid(
            f"{file} must hold a private key, its certificate and the root certificate, as PEM in this order.",
            code="bad_signing_key",
        ) from error
    return SigningKey(private, certificate, root)


def _new(producer: str) -> bytes:
    begins = datetime.now(UTC) - timedelta(days=1)  # a clock may be a little behind
    root_key, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    mark = secrets.token_hex(4)
    root_name, name = _name(producer, f"Atelier {mark}"), _name(producer, f"Atelier {mark} works")
    root = (
        _certificate(root_name, root_name, root_key, begins)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(_CERTIFIES), critical=True)
        .sign(root_key, None)
    )
    certificate = (
        _certificate(name, root_name, key, begins)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(_SIGNS), critical=True)
        # C2PA asks for this purpose, or for one that only its own certificate authorities may give.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, None)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(pem) + root.public_bytes(pem)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey, begins: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(producer: str, common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, producer[:64] or "Atelier")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(purpose: str) -> x509.KeyUsage:
    purposes = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name == purpose for name in purposes})


def _write_once(file: Path, content: bytes) -> None:
    """The file appears whole, and the first to make it wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    own.touch(0o600)
    try:
        own.write_bytes(content)
        os.link(own, file)
    except FileExistsError:
        pass  # another process was first
    finally:
        own.unlink()
