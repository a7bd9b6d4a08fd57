"""The confs of an all-in-one cluster can be read, and its users are who the contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

from apus.bin.allinone import confs
from apus.bin.allinone.layout import DAEMONS, SERVERS, Layout
from apus.common.cluster import ClusterConf
from apus.common.config import read_ini

LAYOUT = Layout.fresh(Path("/srv/apus"), bind_ip="127.0.0.1", port=8080, workers=2, nodes=4)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Every conf, read back from disk."""
    found = {}
    for path, text in confs.files(LAYOUT, confs.TEST_USERS, prefix="a", suffix="b").items():
        file = tmp_path / path.name
        file.write_text(text)
        found[str(path.relative_to(LAYOUT.home))] = read_ini(file)
    return found


def test_every_process_finds_its_section(written: dict[str, dict[str, dict[str, str]]]) -> None:
    """Servers a pipeline that ends in their application, daemons a section of their name."""
    for role in SERVERS:
        sections = written[f"node1/etc/{role}.conf"]
        assert sections["pipeline:main"]["pipeline"].split()[-1] == role
        for name in sections["pipeline:main"]["pipeline"].split()[:-1]:
            assert sections[f"filter:{name}"]["use"] == f"egg:apus#{name}"
    for role in DAEMONS:
        kind = role.partition("-")[0]
        assert role in written[f"node1/etc/{kind}-server.conf"]


def test_no_two_servers_share_a_port(written: dict[str, dict[str, dict[str, str]]]) -> None:
    """Among all confs that bind one."""
    ports = [
        sections["DEFAULT"]["bind_port"]
        for sections in written.values()
        if "bind_port" in sections["DEFAULT"]
    ]
    assert len(ports) == 4 * 3 + 1
    assert len(set(ports)) == len(ports)


def test_the_cluster_conf_is_swifts(tmp_path: Path) -> None:
    """One default policy, and a salt of its own."""
    (tmp_path / "swift.conf").write_text(confs.cluster_conf(prefix="before", suffix="after"))
    conf = ClusterConf.load(tmp_path)
    assert conf.policies.default.name == "gold"
    assert (conf.salt.prefix, conf.salt.suffix) == (b"before", b"after")


def test_users_of_ones_own_are_read() -> None:
    """Comments and a section line may be there."""
    text = "# ours\n[filter:tempauth]\nuser_shop_anna = s3cret .admin\n\nuser_shop_read_only = other\n"
    assert confs.parse_users(text) == {"user_shop_anna": "s3cret .admin", "user_shop_read_only": "other"}


@pytest.mark.parametrize("line", ["user_shop = x", "anna = x", "user_shop_anna =", "user_shop_anna"])
def test_a_bad_user_line_is_named(line: str) -> None:
    """With its number."""
    with pytest.raises(ValueError, match="line 2"):
        confs.parse_users(f"# first\n{line}\n")


def test_test_credentials_are_recognised() -> None:
    """By name and key; a test name with a key of one's own is fine."""
    users = {**confs.TEST_USERS, "user_test_tester": "changed .admin", "user_shop_anna": "s3cret"}
    assert set(confs.well_known(users)) == set(confs.TEST_USERS) - {"user_test_tester"}
