"""Names hash as OpenStack Swift hashes them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.cluster import ClusterConf
from apus.common.errors import Refused
from apus.common.hashing import HashSalt, storage_directory

NAMES = st.text(min_size=1).filter(lambda name: "\0" not in name)


@given(NAMES, NAMES, NAMES)
def test_a_hash_is_md5_of_the_salted_path(account: str, container: str, obj: str) -> None:
    """Prefix + /account/container/object + suffix, in UTF-8."""
    salt = HashSalt(b"before", b"after")
    path = f"/{account}/{container}/{obj}".encode("utf-8", "surrogateescape")
    assert salt.path_hash(account, container, obj) == hashlib.md5(b"before" + path + b"after").hexdigest()


def test_known_hashes() -> None:
    """Golden values: an empty prefix and the suffix `changeme`."""
    salt = HashSalt(b"", b"changeme")
    assert salt.path_hash("a") == hashlib.md5(b"/achangeme").hexdigest()
    assert salt.path_hash("a", "c") == hashlib.md5(b"/a/cchangeme").hexdigest()
    digest = salt.path_hash("a", "c", "o")
    assert storage_directory("objects", 7, digest) == f"objects/7/{digest[-3:]}/{digest}"


def test_no_salt_is_refused(tmp_path: Path) -> None:
    """A cluster without salt does not start: its names could be aimed at one partition."""
    with pytest.raises(ValueError, match="both empty"):
        HashSalt()
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix =\n")
    with pytest.raises(Refused, match="both empty"):
        ClusterConf.load(tmp_path)


def test_a_stock_swift_conf_is_read(tmp_path: Path) -> None:
    """Salt, policies, limits and the optional secret come from one file; a missing one says where to look."""
    with pytest.raises(Refused, match="set swift_dir"):
        ClusterConf.load(tmp_path)
    (tmp_path / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = p\nswift_hash_path_suffix = s\n"
        "[storage-policy:0]\nname = gold\n[swift-constraints]\nmax_meta_count = 5\n"
        "[apus]\ncluster_secret = hush\n"
    )
    conf = ClusterConf.load(tmp_path)
    assert (conf.salt.prefix, conf.salt.suffix, conf.secret) == (b"p", b"s", "hush")
    assert (conf.policies.default.name, conf.constraints.max_meta_count) == ("gold", 5)
