"""Certificates as key pairs: what guests with Windows take to let a person in by WinRM.

PEM ──fingerprint()──▶ SHA-1      user id ──generated()──▶ private key and certificate, self-signed

What is made is what `cloudbase-init` and WinRM ask for: RSA of 2048 bits, the purpose client authentication,
and as alternative name the user principal name (Microsoft's otherName), `<user id>@localhost`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..api.faults import BadRequest

PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
VALID = timedelta(days=3650)

_UTF8_STRING = 0x0C
# A common name has at most 64 characters (X.520); the principal name's length then fits DER's short form.
_NAMEABLE = re.compile(r"[!-~]{1,64}")


def fingerprint(certificate: str) -> str:
    """Return the SHA-1 of a certificate in PEM as colon-separated bytes.

    Raises:
        BadRequest: the text is no such certificate, or has a private key besides.
    """
    if "PRIVATE KEY-----" in certificate:
        raise BadRequest(
            "Keypair data is invalid: public_key has a private key: give the certificate alone, keep the key."
        )
    try:
        digest = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1())  # noqa: S303 - a name, no proof
    except ValueError as problem:
        raise BadRequest(
            "Keypair data is invalid: failed to generate X509 fingerprint: public_key must be a certificate"
            " in PEM, from -----BEGIN CERTIFICATE----- on; a key of OpenSSH is imported with the type ssh."
        ) from problem
    return digest.hex(":")


def generated(user_id: str, now: float) -> tuple[str, str]:
    """Return a new private key (PKCS #8) and its self-signed certificate for a person, both in PEM.

    now: seconds since 1970, from which on the certificate is valid for ten years.

    Raises:
        BadRequest: the user's id cannot be a common name.
    """
    if not _NAMEABLE.fullmatch(user_id):
        raise BadRequest("No certificate can bear this user's id: make one and import it as public_key.")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id)])
    principal = f"{user_id}@localhost".encode()
    other = x509.OtherName(PRINCIPAL_NAME, bytes([_UTF8_STRING, len(principal)]) + principal)
    start = datetime.fromtimestamp(int(now), UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALID)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
