"""Laws of the keymaster: whose keys an id names, and which settings it refuses to start with."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.http.wsgi import to_wsgi
from apus.proxy.middleware.keymaster import (
    FETCH_KEYS,
    Keymaster,
    Keyring,
    Place,
    Secrets,
    UnknownSecret,
    filter_factory,
    place_of,
    secrets_of,
)

SECRET = base64.b64encode(b"s" * 32).decode()
SECRETS = Secrets({None: b"s" * 32, "a": b"t" * 32}, None)
names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20)


@given(names, names, names | st.just("/lead") | st.just("a/b"), st.sampled_from("123"))
def test_an_id_finds_its_own_keys_again(account: str, container: str, name: str, version: str) -> None:
    """In a request for the object, and of its container's key in a listing, whatever is active by then."""
    place = Place(account, container, name)
    keys = Keyring(Secrets(SECRETS.by_id, "a", version), place).fetch()
    assert Keyring(SECRETS, place).fetch(key_id=keys["id"]) == keys
    listing = Keyring(SECRETS, Place(account, container)).fetch(key_id=keys["id"])
    assert listing["container"] == keys["container"]
    assert "object" not in listing


def test_wrong_paths_of_earlier_versions_are_understood() -> None:
    """Names with a leading slash in version 1; text encoded twice in 1 and 2, but never in 3."""
    place = Place("AUTH_a", "c", "/lead")
    assert place_of({"v": "1", "path": "/lead"}, place) == place
    umlauts = Place("AUTH_a", "c", "ü")
    for version in "12":
        assert place_of({"v": version, "path": to_wsgi("/AUTH_a/c/ü")}, umlauts) == umlauts
        row = place_of({"v": version, "path": to_wsgi("/AUTH_a/ü/o")}, Place("AUTH_a", "ü"))
        assert row == Place("AUTH_a", "ü", "o")
    written = to_wsgi("/AUTH_a/c/ü")
    assert place_of({"v": "3", "path": written}, umlauts) == Place("AUTH_a", "c", to_wsgi("ü"))


def test_the_path_of_the_id_counts_where_the_request_has_another() -> None:
    """So that what was moved as it is stays readable."""
    written = Place("AUTH_a", "c", "o")
    assert place_of({"v": "2", "path": "/AUTH_a/c/o"}, Place("AUTH_b", "d", "p")) == written


@pytest.mark.parametrize(
    "key_id", [{"v": "4", "path": "/a/c/o"}, {"v": "2"}, {"v": "2", "path": "o"}, {"x": "y"}]
)
def test_an_id_of_unknown_form_is_refused(key_id: dict[str, str]) -> None:
    """Keys of another keymaster are not guessed."""
    with pytest.raises(ValueError, match="unknown form"):
        Keyring(SECRETS, Place("a", "c", "o")).fetch(key_id=key_id)


def test_a_keymaster_further_left_is_asked_for_what_this_one_lacks() -> None:
    """And its ids are among those that conditions are tried with."""
    place = Place("a", "c", "o")
    elsewhere = Keyring(Secrets({"old": b"o" * 32}, "old"), place).fetch
    old = elsewhere()
    both = Keyring(SECRETS, place, elsewhere)
    assert both.fetch(key_id=old["id"]) == old
    assert old["id"] in both.fetch()["all_ids"]
    with pytest.raises(UnknownSecret):
        Keyring(SECRETS, place).fetch(key_id=old["id"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"encryption_root_secret": ""},
        {"encryption_root_secret": "short"},
        {"encryption_root_secret": base64.b64encode(b"x" * 31).decode()},
        {"encryption_root_secret": "!" * 44},
        {"encryption_root_secret_": SECRET},
        {"encryption_root_secrets": SECRET},
        {"encryption_root_secret": SECRET, "active_root_secret_id": "b"},
        {"encryption_root_secret_b": SECRET},
        {"encryption_root_secret": SECRET, "meta_version_to_write": "4"},
    ],
)
def test_it_does_not_start_without_a_good_secret(options: dict[str, str]) -> None:
    """And says which option is wrong, never its value."""
    with pytest.raises(Refused) as refused:
        filter_factory({}, **options)
    assert SECRET not in str(refused.value)


def test_secrets_are_not_shown() -> None:
    """Not even where a program prints what it works with."""
    shown = repr(secrets_of({"encryption_root_secret": SECRET}, "here"))
    assert SECRET not in shown
    assert "ssss" not in shown


def test_secrets_can_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    """Then none may stand in the filter's section, where they would be passed over in silence."""
    conf = tmp_path / "keymaster.conf"
    conf.write_text(f"[keymaster]\nencryption_root_secret_x = {SECRET}\nactive_root_secret_id = x\n")
    seen = {}
    app = filter_factory({}, keymaster_config_path=str(conf))(
        lambda environ, _start: seen.update(environ) or []
    )
    assert isinstance(app, Keymaster)
    app({"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/a/c/o"}, lambda *_: None)
    assert seen[FETCH_KEYS]()["id"] == {"v": "2", "path": "/a/c/o", "secret_id": "x"}
    with pytest.raises(Refused, match="other config options specified: encryption_root_secret_y"):
        filter_factory({}, keymaster_config_path=str(conf), encryption_root_secret_y=SECRET)
