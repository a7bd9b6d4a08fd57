"""Host names become paths, and Locations become what the client asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, ask

from apus.proxy.middleware.domain_remap import DomainRemap, DomainRemapConfig, remapped
from apus.proxy.middleware.host_names import split_host

CONFIG = DomainRemapConfig()
DEFAULTING = DomainRemapConfig(default_reseller_prefix="AUTH")


@pytest.mark.parametrize(
    ("host", "path", "made"),
    [
        ("AUTH_a.example.com", "/c/o", "/v1/AUTH_a/c/o"),
        ("auth-a.example.com", "/c/o", "/v1/AUTH_a/c/o"),
        ("Auth-a-b.EXAMPLE.com", "/c", "/v1/AUTH_a-b/c"),
        ("c.auth-a.example.com", "/", "/v1/AUTH_a/c/"),
        ("c.auth-a.example.com", "/o/p", "/v1/AUTH_a/c/o/p"),
        ("c.auth-a.example.com", "/v1/o", "/v1/AUTH_a/c/v1/o"),
        ("example.com", "/v1/a", None),
        ("a.example.org", "/o", None),
        ("a.example.com", "/o", None),
        ("notexample.com", "/o", None),
    ],
)
def test_a_host_names_account_and_container(host: str, path: str, made: str | None) -> None:
    """In any case, with a hyphen for the underscore."""
    assert remapped(host, path, CONFIG) == made


@pytest.mark.parametrize("path", ["//o", "//", "/a//b", "/./o", "/../o", "/o//"])
def test_trap_7_slashes_and_dots_of_a_name_stay(path: str) -> None:
    """An object's name may begin with a slash, and nothing is normalised."""
    assert remapped("c.auth-a.example.com", path, CONFIG) == "/v1/AUTH_a/c" + path


def test_an_account_without_prefix_may_be_given_one() -> None:
    """If the operator says which."""
    assert remapped("a.example.com", "/o", DEFAULTING) == "/v1/AUTH_a/o"
    assert remapped("c.a-b.example.com", "/o", DEFAULTING) == "/v1/AUTH_a_b/c/o"
    without = DomainRemapConfig(reseller_prefixes=())
    assert remapped("a-b.example.com", "/o", without) == "/v1/a-b/o"


def test_client_paths_may_repeat_the_root() -> None:
    """Where that is asked for."""
    config = DomainRemapConfig(mangle_client_paths=True)
    assert remapped("c.auth-a.example.com", "/v1/o", config) == "/v1/AUTH_a/c/o"
    assert remapped("c.auth-a.example.com", "/v1", config) == "/v1/AUTH_a/c/"
    assert remapped("c.auth-a.example.com", "/v11/o", config) == "/v1/AUTH_a/c/v11/o"


def test_too_many_labels_are_400() -> None:
    """A host is a container and an account, and no more."""
    app = DomainRemap(FixedApp(), CONFIG)
    refused = ask(app, "GET", "/o", headers={"Host": "x.c.auth-a.example.com"})
    assert (refused.status, refused.text) == (400, "Bad domain in host header")


def test_a_redirect_leads_back_to_the_host() -> None:
    """A Location under the made path becomes one under the path that was asked for."""
    store = FixedApp(
        "301 Moved Permanently", [("Location", "http://c.auth-a.example.com/v1/AUTH_a/c/d%20e/?x=1")]
    )
    app = DomainRemap(store, CONFIG)
    reply = ask(app, "GET", "/d e", headers={"Host": "c.auth-a.example.com:8080"})
    assert store.seen[0]["PATH_INFO"] == "/v1/AUTH_a/c/d e"
    assert reply.headers["location"] == "http://c.auth-a.example.com/d%20e/?x=1"


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("a:80", ("a", "80")),
        ("a", ("a", "")),
        ("[::1]:80", ("::1", "80")),
        ("[::1]", ("::1", "")),
        ("::1", ("::1", "")),
    ],
)
def test_hosts_are_split(host: str, parts: tuple[str, str]) -> None:
    """Addresses of either kind, with and without a port."""
    assert split_host(host) == parts


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_host_and_path_are_taken(host: str, path: str) -> None:
    """What strangers send makes a path, nothing, or a sentence; and a path never loses its end."""
    if f"{host}.example.com"[: -len(".example.com")].strip(".").count(".") > 1:
        with pytest.raises(ValueError, match="host header"):
            remapped(f"{host}.example.com", f"/{path}", DEFAULTING)
        return
    made = remapped(f"{host}.example.com", f"/{path}", DEFAULTING)
    assert made is not None
    assert made.startswith("/v1/")
    assert made.endswith(f"/{path}")
