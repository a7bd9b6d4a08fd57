"""The cluster a dispersion tool works on: its conf, its account through the front door, its servers behind.

    dispersion.conf ──▶ Site ──▶ connections of the ordinary client ──▶ the sample is put and listed
                             ──▶ head() of each copy on each device

It does not know what makes a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import swiftclient

from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.cluster_secret import credentials
from ...common.concurrency import Crew
from ...common.config import parse, read_ini, setting
from ...common.errors import Refused, Unavailable
from ...common.http.client import Pool
from ...common.policies import Policy
from ...ring.device import Device
from ...ring.table import Ring

T = TypeVar("T")
DEFAULT_CONF = "/etc/swift/dispersion.conf"
NO, YES = False, True


@dataclass(frozen=True, slots=True, kw_only=True)
class DispersionConfig:
    """The section [dispersion] of dispersion.conf, with stock Swift's names."""

    auth_url: str = setting("http://localhost:8080/auth/v1.0", help="Where the tools get their token.")
    auth_user: str = setting("test:tester", help="User whose account holds the sample.")
    auth_key: str = setting("testing", help="That user's key.")
    auth_version: str = setting("1.0", help="1.0, 2.0 or 3, as the client knows them.")
    endpoint_type: str = setting("publicURL", help="Which endpoint of the catalogue to use.")
    region_name: str = setting("", help="Region, where the catalogue has several.")
    user_domain_name: str = setting("", help="Domain of the user, for auth_version 3.")
    project_domain_name: str = setting("", help="Domain of the project, for auth_version 3.")
    project_name: str = setting("", help="Project, for auth_version 3.")
    keystone_api_insecure: bool = setting(NO, help="Do not check the identity service's certificate.")
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    dispersion_coverage: float = setting(1.0, minimum=0, maximum=100, help="Percentage of partitions.")
    retries: int = setting(5, minimum=0, help="How often a request is made again.")
    concurrency: int = setting(25, minimum=1, help="Requests under way at the same time.")
    container_populate: bool = setting(YES, help="Make the sample of containers.")
    object_populate: bool = setting(YES, help="Make the sample of objects.")
    container_report: bool = setting(YES, help="Report on the sample of containers.")
    object_report: bool = setting(YES, help="Report on the sample of objects.")
    dump_json: bool = setting(NO, help="Print the report as JSON.")


class Site:
    """The means to reach a cluster from both sides."""

    def __init__(self, config: DispersionConfig, policy_name: str | None) -> None:
        self.config = config
        self._facts = ClusterConf.load(config.swift_dir)
        policies = self._facts.policies
        policy = policies.by_name(policy_name) if policy_name else policies.default
        if policy is None:
            raise Refused(f"Unable to find policy: {policy_name}")
        self.policy: Policy = policy
        self._pool = Pool()
        self.url, self._token = self._log_in()
        self.account = self.url.rstrip("/").rsplit("/", 1)[1]

    @classmethod
    def load(cls, path: str, policy_name: str | None, overrides: dict[str, str]) -> Site:
        """Read dispersion.conf and log in."""
        sections = read_ini(path)
        if "dispersion" not in sections:
            raise Refused(f"{path} has no section [dispersion]")
        return cls(parse(DispersionConfig, {**sections["dispersion"], **overrides}), policy_name)

    def ring(self, name: str) -> Ring:
        """Return a ring of this cluster."""
        return Ring.load(Path(self.config.swift_dir) / f"{name}.ring.gz")

    def partition(self, ring: Ring, *names: str) -> int:
        """Return the partition of a container or object of the tools' account."""
        return ring.partition(self._facts.salt.path_hash(self.account, *names))

    def client(self, work: Callable[[Any], T]) -> T:
        """Do something with an ordinary client's connection; Unavailable when the cluster refuses."""
        connection = swiftclient.Connection(
            preauthurl=self.url, preauthtoken=self._token, retries=self.config.retries
        )
        try:
            return work(connection)
        except swiftclient.ClientException as problem:
            raise Unavailable(str(problem)) from problem
        finally:
            connection.close()

    def each(self, work: Callable[[str], T], names: Iterable[str]) -> list[T]:
        """Do something for each name, several at a time."""
        return list(Crew(self.config.concurrency).map(work, names))

    def head(self, device: Device, partition: int, *names: str) -> int:
        """Return how a device's server answers when asked for its copy; 0 for silence."""
        path = quote("/".join((device.device, str(partition), self.account, *names)))
        headers = {
            "X-Backend-Storage-Policy-Index": str(self.policy.index),
            **credentials(self._facts.secret),
        }
        try:
            answer = self._pool.request(device.address, "HEAD", f"/{path}", headers)
            answer.drain()
        except Unavailable:
            return 0
        return answer.status

    def _log_in(self) -> tuple[str, str]:
        config = self.config
        names = ("endpoint_type", "region_name", "user_domain_name", "project_domain_name", "project_name")
        options = {name: getattr(config, name) for name in names if getattr(config, name)}
        try:
            url, token = swiftclient.get_auth(
                config.auth_url,
                config.auth_user,
                config.auth_key,
                auth_version=config.auth_version,
                os_options=options,
                insecure=config.keystone_api_insecure,
            )
        except (swiftclient.ClientException, OSError) as problem:
            raise Unavailable(f"cannot log in at {config.auth_url}: {problem}") from problem
        return str(url), str(token)
