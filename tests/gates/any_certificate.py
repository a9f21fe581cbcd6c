"""An authority of our own, and certificates of it: good, for another name, and of yesterday."""

import datetime as dt
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Authority:
    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path

    def issue(self, name: str, *, address: str = "127.0.0.1", days: int = 30) -> Path:
        """A certificate and its key in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address(address))]
        built = _begun(name, days, self.certificate.subject, key)
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = built.sign(self.key, hashes.SHA256())
        file = self.folder / f"{name}.pem"
        file.write_bytes(_pem(signed) + _key(key))
        return file


def authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    built = _begun("an authority", 30, name, key)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = built.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    file = folder / "ca.pem"
    file.write_bytes(_pem(certificate))
    return Authority(folder, key, certificate, file)


def server_side(file: Path, clients: Path | None = None) -> ssl.SSLContext:
    """A server that shows the certificate; with `clients`, it wants one of theirs."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(file)
    if clients:
        found.verify_mode = ssl.CERT_REQUIRED
        found.load_verify_locations(clients)
        found.maximum_version = (
            ssl.TLSVersion.TLSv1_2
        )  # later ones refuse us after the handshake, and may hang up first
    return found


def _begun(
    name: str, days: int, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=60),
        not_valid_after=now + dt.timedelta(days=days),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
