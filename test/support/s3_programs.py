"""Programs that speak S3, unmodified: aws, s3cmd, rclone, restic, duplicity and s3fs.

aws(front, "s3", "ls", tls=True) ──▶ what it printed, or CommandError with what it complained of
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from programs import REMOTE, installed, run
from s3 import REGION, S3Front
from store import KEYS

USER = "test:tester"
MOUNT_SECONDS = 120


def aws(front: S3Front, *words: str, tls: bool = False, cwd: Path | None = None) -> str:
    """Run the `aws` command."""
    program = str(Path(sys.executable).with_name("aws"))
    return run([program, *words], front.environment(USER, tls=tls), cwd)


def s3cmd(front: S3Front, *words: str, tls: bool = False, cwd: Path | None = None) -> str:
    """Run s3cmd."""
    host = urlsplit(front.address(tls=tls)).netloc
    options = [
        *("--config=/dev/null", f"--access_key={USER}", f"--secret_key={KEYS[USER]}"),
        *(f"--host={host}", f"--host-bucket={host}", "--no-progress"),
        *(["--ssl", f"--ca-certs={front.certificate}"] if tls else ["--no-ssl"]),
    ]
    return run([installed("s3cmd"), *options, *words], {}, cwd)


def rclone(front: S3Front, *words: str, tls: bool = False, cwd: Path | None = None) -> str:
    """Run rclone; the remote's name is REMOTE."""
    options = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ACCESS_KEY_ID": USER,
        "SECRET_ACCESS_KEY": KEYS[USER],
        "ENDPOINT": front.address(tls=tls),
        "REGION": REGION,
        "FORCE_PATH_STYLE": "true",
        "UPLOAD_CUTOFF": "5M",
        "CHUNK_SIZE": "5M",
    }
    remote = {f"RCLONE_CONFIG_{REMOTE.upper()}_{name}": value for name, value in options.items()}
    trust = ["--ca-cert", str(front.certificate)] if tls else []
    command = [installed("rclone"), *trust, "--retries", "1", *words]
    return run(command, {**remote, "RCLONE_CONFIG": "/dev/null", "AWS_CA_BUNDLE": ""}, cwd)


def restic(front: S3Front, bucket: str, *words: str, cache: Path, tls: bool = False) -> str:
    """Run restic on a repository in a bucket."""
    environment = {**front.environment(USER, tls=tls), "RESTIC_PASSWORD": "secret"}
    trust = ["--cacert", str(front.certificate)] if tls else []
    repository = f"s3:{front.address(tls=tls)}/{bucket}/backups"
    command = [installed("restic"), *trust, "--repo", repository, "--cache-dir", str(cache), *words]
    return run(command, environment, None)


def duplicity(front: S3Front, *words: str, cache: Path) -> str:
    """Run duplicity with its boto3 back end."""
    options = ["--no-encryption", f"--archive-dir={cache}", f"--s3-endpoint-url={front.endpoint}"]
    options.append(f"--s3-region-name={REGION}")
    return run([installed("duplicity"), *words, *options], front.environment(USER), None)


@contextmanager
def s3fs(front: S3Front, bucket: str, folder: Path) -> Iterator[Path]:
    """A bucket as a folder; skips the test where nothing may be mounted."""
    program, place = installed("s3fs"), folder / "mounted"
    place.mkdir()
    options = f"url={front.endpoint},use_path_request_style,multipart_size=5,endpoint={REGION}"
    command = [program, bucket, str(place), "-f", "-o", options]
    keys = {"AWSACCESSKEYID": USER, "AWSSECRETACCESSKEY": KEYS[USER]}
    log = folder / "s3fs.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**front.environment(), **keys})
    try:
        deadline = time.monotonic() + MOUNT_SECONDS
        while not place.is_mount():
            if process.poll() is not None:
                said = log.read_text()
                if "fuse" in said and ("permitted" in said or "not found" in said):
                    pytest.skip(f"nothing may be mounted here: {said[-200:]}")
                raise AssertionError(said)
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield place
    finally:
        fusermount = shutil.which("fusermount3") or shutil.which("fusermount")
        if fusermount is not None and process.poll() is None:
            subprocess.run([fusermount, "-u", str(place)], check=False, capture_output=True)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
