"""Key pairs of the type x509: imported, made, and what guests are told of them."""

from __future__ import annotations

import hashlib
import json
import ssl
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from servers import Cloud

from apus.compute.api.faults import BadRequest
from apus.compute.server import certificates
from apus.compute.server.documents import Guest, openstack_document

START = 1_700_000_000.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return Cloud(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return certificates.generated("a-person", START)


def wish(cloud: Cloud, version: str = "2.2", **pair: Any) -> tuple[int, Any]:
    status, document = cloud.ask("POST", "/os-keypairs", {"keypair": pair}, version=version)
    return status, document


def test_a_made_certificate_is_one_for_winrm(pair: tuple[str, str]) -> None:
    """Self-signed by the key that comes with it, for client authentication, with the user principal name."""
    private, pem = pair
    certificate = x509.load_pem_x509_certificate(pem.encode())
    key = serialization.load_pem_private_key(private.encode(), None)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "a-person"
    assert certificate.not_valid_before_utc.timestamp() == START
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=3650)
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.OtherName(certificates.PRINCIPAL_NAME, b"\x0c\x12a-person@localhost")]


def test_a_fingerprint_is_the_sha1_of_the_certificate(pair: tuple[str, str]) -> None:
    """Of its DER form, as pairs of digits between colons: what Windows shows as the thumbprint."""
    digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(pair[1]), usedforsecurity=False).hexdigest()
    mark = certificates.fingerprint(pair[1])
    assert mark.replace(":", "") == digest
    assert {len(part) for part in mark.split(":")} == {2}


@pytest.mark.parametrize("user_id", ["", "x" * 65, "two words", "ü"])
def test_an_id_that_no_certificate_can_bear_is_refused(user_id: str) -> None:
    """With the way out: to import one's own."""
    with pytest.raises(BadRequest, match="import it"):
        certificates.generated(user_id, START)


def test_an_imported_certificate_is_shown_as_it_is(cloud: Cloud, pair: tuple[str, str]) -> None:
    """With its type in each form since 2.2, and nothing private, also where none is made any more."""
    for version in ("2.2", "2.92"):
        name = f"imported-{version[2:]}"
        status, taken = wish(cloud, version, name=name, type="x509", public_key=pair[1])
        assert (status, taken["keypair"]["type"]) == (201, "x509")
        assert "private_key" not in taken["keypair"]
        shown = cloud.ask("GET", f"/os-keypairs/{name}", version="2.2")[1]["keypair"]
        assert shown["public_key"] == pair[1].strip()
        assert (shown["type"], shown["fingerprint"]) == ("x509", certificates.fingerprint(pair[1]))
    listed = cloud.ask("GET", "/os-keypairs", version="2.2")[1]["keypairs"]
    assert {each["keypair"]["type"] for each in listed} == {"x509"}


def test_the_private_key_of_a_made_one_is_told_once(cloud: Cloud) -> None:
    """When it is made, which ends with 2.91; the certificate stays to be read."""
    status, made = wish(cloud, "2.91", name="made", type="x509")
    assert status == 201
    assert made["keypair"]["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    shown = cloud.ask("GET", "/os-keypairs/made", version="2.2")[1]["keypair"]
    assert "private_key" not in shown
    assert certificates.fingerprint(shown["public_key"]) == made["keypair"]["fingerprint"]
    assert wish(cloud, "2.92", name="late", type="x509")[0] == 400


def test_what_is_wrong_is_refused_with_what_to_do(cloud: Cloud, pair: tuple[str, str]) -> None:
    """A type too early or unknown, a key for a certificate and the other way round, a private key besides."""
    private, pem = pair
    ssh = "ssh-ed25519 AAAA me"
    for version, told, members in (
        ("2.1", "since 2.2", {"type": "x509", "public_key": pem}),
        ("2.2", "ssh or x509", {"type": "pgp"}),
        ("2.2", "ssh or x509", {"type": ["x509"]}),
        ("2.2", "PEM", {"type": "x509", "public_key": ssh}),
        ("2.10", "user_id", {"user_id": 7}),
        ("2.2", "PEM", {"type": "x509", "public_key": pem.replace("M", "", 3)}),
        ("2.2", "type x509", {"public_key": pem}),
        ("2.2", "alone", {"type": "x509", "public_key": pem + private}),
    ):
        status, fault = wish(cloud, version, name="wrong", **members)
        assert status == 400, members
        assert told in fault["badRequest"]["message"]


def test_a_guest_is_told_which_type_its_key_has(pair: tuple[str, str]) -> None:
    """`keys` says x509 for a certificate, which cloudbase-init looks for; ssh for all else."""
    for public, kind in ((pair[1].strip(), "x509"), ("ssh-ed25519 AAAA me", "ssh")):
        guest = Guest(uuid="u", name="n", hostname="n", project_id="p", key_name="k", public_key=public)
        document = json.loads(openstack_document(guest, "latest/meta_data.json") or b"")
        assert document["keys"] == [{"name": "k", "type": kind, "data": public}]
