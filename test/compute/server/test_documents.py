"""What a guest reads about itself."""

from __future__ import annotations

import base64
import json
from typing import Any

from apus.compute.server.documents import (
    Guest,
    Link,
    config_drive_files,
    ec2_document,
    ec2_id,
    openstack_document,
)

LINK = Link(
    port_id="0123456789abcdef",
    network_id="n1",
    mac="fa:16:3e:00:00:01",
    mtu=1450,
    addresses=(
        {
            "address": "10.0.0.5",
            "prefix": 24,
            "gateway": "10.0.0.1",
            "version": 4,
            "dns": ["10.0.0.2"],
            "dhcp": False,
        },
    ),
)
GUEST = Guest(
    uuid="11111111-2222-3333-4444-555555555555",
    name="web",
    hostname="web",
    project_id="p1",
    key_name="mine",
    public_key="ssh-ed25519 AAAA me",
    metadata={"role": "front"},
    user_data=b"#cloud-config\n",
    files=(("/etc/motd", b"hello"),),
    links=(LINK,),
    random_seed=b"x" * 8,
)


def openstack(path: str) -> Any:
    document = openstack_document(GUEST, path)
    assert document is not None
    return json.loads(document)


def test_meta_data_has_what_cloud_init_reads() -> None:
    """uuid, hostname, keys, metadata and the seed, under their names."""
    document = openstack("latest/meta_data.json")
    assert document["uuid"] == GUEST.uuid
    assert document["public_keys"] == {"mine": "ssh-ed25519 AAAA me"}
    assert document["meta"] == {"role": "front"}
    assert base64.b64decode(document["random_seed"]) == b"x" * 8
    assert document["files"] == [{"path": "/etc/motd", "content_path": "/content/0000"}]
    assert openstack_document(GUEST, "content/0000") == b"hello"
    assert openstack_document(GUEST, "content/0001") is None


def test_what_is_not_set_is_left_out() -> None:
    """Readers test for presence: no key, no `public_keys`; no user data, 404."""
    bare = Guest(uuid="u", name="n", hostname="n", project_id="p")
    document = json.loads(openstack_document(bare, "latest/meta_data.json") or b"")
    assert not {"public_keys", "keys", "meta", "admin_pass", "files"} & set(document)
    assert openstack_document(bare, "latest/user_data") is None
    assert ec2_document(bare, "latest/user-data") is None


def test_network_data_ties_addresses_to_links() -> None:
    """A static address has its netmask, its default route and its resolvers; a dynamic one says so."""
    document = openstack("latest/network_data.json")
    assert document["links"][0]["ethernet_mac_address"] == LINK.mac
    network = document["networks"][0]
    assert (network["type"], network["ip_address"], network["netmask"]) == (
        "ipv4",
        "10.0.0.5",
        "255.255.255.0",
    )
    assert network["routes"] == [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}]
    assert document["services"] == [{"type": "dns", "address": "10.0.0.2"}]
    assert network["link"] == document["links"][0]["id"]


def test_folders_list_their_names() -> None:
    """A client walks down from the versions; an unknown version or name is not there."""
    assert b"latest" in (openstack_document(GUEST, "") or b"").split(b"\n")
    assert b"user_data" in (openstack_document(GUEST, "latest") or b"").split(b"\n")
    assert openstack_document(GUEST, "1999-01-01/meta_data.json") is None
    assert openstack_document(GUEST, "latest/none.json") is None


def test_ec2_has_the_same_in_its_own_form() -> None:
    """Keys are numbered folders whose line names the key, ids are short, addresses are there."""
    assert ec2_document(GUEST, "latest/meta-data/public-keys") == b"0=mine"
    assert ec2_document(GUEST, "latest/meta-data/public-keys/0/openssh-key") == b"ssh-ed25519 AAAA me"
    assert ec2_document(GUEST, "latest/meta-data/local-ipv4") == b"10.0.0.5"
    assert ec2_document(GUEST, "2009-04-04/meta-data/placement/availability-zone") == b"nova"
    assert ec2_document(GUEST, "latest/user-data") == b"#cloud-config\n"
    assert ec2_document(GUEST, "latest/meta-data/none") is None
    assert b"placement/" in (ec2_document(GUEST, "latest/meta-data") or b"").split(b"\n")
    assert ec2_id(GUEST.uuid, "i") == "i-11111111"


def test_the_config_drive_holds_the_same_documents() -> None:
    """A guest without a network reads the same as one with."""
    files = config_drive_files(GUEST)
    assert files["openstack/latest/meta_data.json"] == openstack_document(GUEST, "latest/meta_data.json")
    assert files["openstack/latest/user_data"] == GUEST.user_data
    assert files["openstack/content/0000"] == b"hello"
    assert json.loads(files["ec2/latest/meta-data.json"])["hostname"] == "web"
