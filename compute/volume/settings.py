"""Settings of the volume service."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeConfig:
    """What an operator may say of volumes and backups."""

    database: str = setting(
        "sqlite:////var/lib/apus/volume.db",
        help="Where the catalogue is: sqlite:////path, postgresql+pg8000://user@host/name or mysql+pymysql://…",
    )
    host: str = setting("volume", help="Name of this service in lists of hosts and pools.")
    availability_zone: str = setting("nova", help="The one availability zone that there is, by name.")
    image_url: str = setting(
        "http://127.0.0.1:9292", help="The image service, for volumes of images and images of volumes."
    )
    default_type: str = setting(
        "__DEFAULT__", help="Volume type of volumes that name none; made at start where it is missing."
    )
    pool_gigabytes: int = setting(
        1_000_000,
        help="Capacity told to those who ask for pools: the store's, which knows no limit of its own.",
        minimum=1,
    )
    jobs_at_once: int = setting(
        4, help="Long jobs (backups, restores, copies) that run at a time.", minimum=1
    )
    job_lease_seconds: float = setting(
        30.0, help="After so long without a sign of life another process takes over a job.", minimum=1
    )
    job_attempts: int = setting(
        8, help="How often a step is tried while the store or another service does not answer.", minimum=1
    )
    poll_seconds: float = setting(
        2.0, help="How often to look for jobs that other processes left, and for schedules.", minimum=0.05
    )
    commit_wait_seconds: float = setting(
        60.0,
        help="How long a snapshot or backup of an attached volume waits for its host to hand over what the "
        "guest has written; then it fails and says so.",
        minimum=0,
    )
    message_days: float = setting(30.0, help="How long messages about failed requests are kept.", minimum=0)
    token_keys: str = setting(
        "/var/lib/apus/keys",
        help="Folder with the identity service's public keys, by which tokens are checked.",
    )
    identity_url: str = setting(
        "http://127.0.0.1:5000", help="The identity service, told to whoever comes without a token."
    )
    service_user: str = setting("cloud", help="User as whom the image service is asked.")
    service_password: str = setting("", help="That user's password at the identity service.")
    service_project: str = setting("service", help="That user's project.")
    service_domain: str = setting("Default", help="Domain of both, by name.")
