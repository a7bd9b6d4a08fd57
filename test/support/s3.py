"""A store's S3 door under test: a proxy with that filter, with and without TLS before it, and its clients.

    AllInOne ──s3_front()──▶ proxy with [filter:s3] ◀── haproxy with a certificate of its own
                               └ S3Front ──client("test:tester", tls=True)──▶ boto3

Over TLS Amazon's programs send other requests than over plain HTTP: chunked bodies with trailers.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import Config
from clusters import AllInOne, free_port_block
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fronts import front, with_filters
from processes import kill_and_wait
from store import KEYS, Client, Store

DOMAIN = "s3.apus.test"
REGION = "us-east-1"
START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class S3Front:
    """A proxy that speaks S3, and the Swift API, too."""

    store: Store
    tls_endpoint: str | None
    """None where haproxy is not installed."""
    certificate: Path

    @property
    def endpoint(self) -> str:
        """Where it speaks plain HTTP."""
        return self.store.endpoint

    def address(self, *, tls: bool = False) -> str:
        """Return where to connect; skip the test where nothing speaks TLS."""
        if not tls:
            return self.endpoint
        if self.tls_endpoint is None:
            pytest.skip("haproxy is not installed")
        return self.tls_endpoint

    def client(self, user: str | None = "test:tester", *, tls: bool = False, **config: Any) -> Any:
        """Return a boto3 client with the defaults of today, but that it tries once."""
        settings = {
            "retries": {"total_max_attempts": 1},
            "s3": {"addressing_style": "path"},
            "read_timeout": 180,
            **config,
        }
        if user is None:
            settings["signature_version"] = UNSIGNED
        return boto3.client(
            "s3",
            endpoint_url=self.address(tls=tls),
            aws_access_key_id=user or "nobody",
            aws_secret_access_key=KEYS[user] if user else "nothing",
            region_name=REGION,
            verify=str(self.certificate) if tls else None,
            config=Config(**settings),
        )

    def environment(self, user: str = "test:tester", *, tls: bool = False) -> dict[str, str]:
        """Return what the `aws` command reads."""
        return {
            **os.environ,
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": KEYS[user],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.address(tls=tls),
            **({"AWS_CA_BUNDLE": str(self.certificate)} if tls else {}),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def swift(self, user: str = "test:tester") -> Client:
        """Return a client of the same account's other door."""
        return self.store.client(user, account_of=user)


@contextmanager
def s3_front(
    cluster: AllInOne, folder: Path, options: Mapping[str, str] | None = None, *, before: str = "formpost"
) -> Iterator[S3Front]:
    """A further proxy of a cluster, with the S3 filter, as long as it is needed."""
    conf = (cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    port, tls_port = free_port_block(1), free_port_block(1)
    logs = {"access_log_spool": str(folder / "s3-access-log"), "access_log_seconds": "0.5"}
    settings = {"storage_domain": DOMAIN, **logs, **(options or {})}
    with (
        front(with_filters(conf, {"s3": settings}, before=before, port=port), folder, port=port) as store,
        _tls(folder, port=tls_port, behind=port) as certificate,
    ):
        tls_endpoint = f"https://127.0.0.1:{tls_port}" if shutil.which("haproxy") else None
        yield S3Front(store, tls_endpoint, certificate)


@contextmanager
def bucket_of(client: Any) -> Iterator[str]:
    """A bucket with a name of its own, which goes with all that is in it."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        empty(client, name)
        client.delete_bucket(Bucket=name)


def empty(client: Any, bucket: str) -> None:
    """Delete all versions of all objects of a bucket."""
    while True:
        page = client.list_object_versions(Bucket=bucket)
        rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if not rows:
            return
        for row in rows:
            client.delete_object(
                Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"], BypassGovernanceRetention=True
            )


@contextmanager
def _tls(folder: Path, *, port: int, behind: int) -> Iterator[Path]:
    """Haproxy, if there is one, which speaks TLS before a server; and the certificate that it shows."""
    certificate = folder / "front.crt"
    secret = folder / "front.crt.key"
    _make_certificate(certificate, secret)
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        yield certificate
        return
    conf = folder / "haproxy.cfg"
    conf.write_text(
        f"""global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
frontend tls
    bind 127.0.0.1:{port} ssl crt {certificate}
    default_backend proxy
backend proxy
    server proxy 127.0.0.1:{behind}
"""
    )
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([haproxy, "-db", "-f", str(conf)], stdout=log, stderr=log)
    try:
        _await(port, process, folder / "haproxy.log")
        yield certificate
    finally:
        kill_and_wait(process.pid)
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, f"haproxy ended at once:\n{log.read_text()}"
            assert time.monotonic() < deadline, "haproxy does not answer"
            time.sleep(0.02)


def _make_certificate(certificate: Path, secret: Path) -> None:
    """Write a certificate for this machine, signed by itself; haproxy finds its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName(DOMAIN),
        x509.DNSName(f"*.{DOMAIN}"),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
