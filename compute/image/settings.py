"""Settings of the image service: its section beside those of the store and of the blocks."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting
from .web_guard import WebRules, networks_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """What an operator may say of images."""

    database: str = setting(
        "sqlite:////var/lib/apus/image.db",
        help="The catalogue: sqlite:////path, postgresql+pg8000://… or mysql+pymysql://…",
    )
    identity_url: str = setting("http://127.0.0.1:5000", help="Where the identity service is.")
    token_keys: str = setting(
        "/var/lib/apus/keys",
        help="Folder with the identity service's public keys, by which tokens are checked.",
    )
    image_size_cap: int = setting(
        1 << 40, help="Bytes that an image's file may have; 0 for any number.", minimum=0
    )
    virtual_size_cap: int = setting(
        16 << 40,
        help="Bytes of disk that may come of an image, whatever its file's size: a file of a few bytes can "
        "promise exabytes. 0 for any number.",
        minimum=0,
    )
    project_image_count: int = setting(0, help="Images that a project may have; 0 for any number.", minimum=0)
    project_image_bytes: int = setting(
        0, help="Bytes that a project's images may have together; 0 for any number.", minimum=0
    )
    image_property_quota: int = setting(128, help="Custom properties that an image may have.", minimum=0)
    image_tag_quota: int = setting(128, help="Tags that an image may have.", minimum=0)
    image_member_quota: int = setting(128, help="Projects that an image may be shared with.", minimum=0)
    web_download: bool = setting(True, help="Whether images may be imported from the web.")  # noqa: FBT003
    web_download_ports: tuple[str, ...] = setting(("80", "443"), help="Ports that are fetched from.")
    web_download_hosts_refused: tuple[str, ...] = setting(
        (), help="Names of hosts that are not fetched from, although their addresses are public."
    )
    web_download_networks: tuple[str, ...] = setting(
        (),
        help="Networks that are fetched from although they are not public, as 10.1.0.0/16: a mirror of your "
        "own. Everybody who may make images can then read what is served there.",
    )
    web_download_timeout_seconds: float = setting(
        30.0, help="How long to wait for a web server to answer, and for each piece.", minimum=0.1
    )
    upload_lease_seconds: float = setting(
        60.0, help="After how long a silence an upload or import counts as broken off.", minimum=1
    )
    upkeep_seconds: float = setting(
        15.0, help="How often broken-off uploads and deleted images are looked for.", minimum=0.1
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be read as ports and networks."""
        self.web_rules()

    def web_rules(self) -> WebRules:
        """Return where images may be fetched from."""
        return WebRules(
            ports=frozenset(int(port) for port in self.web_download_ports),
            hosts_refused=frozenset(host.lower().rstrip(".") for host in self.web_download_hosts_refused),
            networks=networks_of(self.web_download_networks),
        )
