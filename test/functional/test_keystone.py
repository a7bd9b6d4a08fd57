"""A store behind Keystone: projects are accounts, roles are rights; `swift` and `openstack` find their way."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from clusters import AllInOne, free_port_block
from keystone_store import Front, Person, keystone_front, password_of, proxy_believing
from programs import CommandError, openstack, run, swift_command
from store import Client, Store


@pytest.fixture(scope="module")
def front(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The shared store's second front."""
    port = free_port_block(2)
    conf = shared_cluster.home / "proxy" / "etc" / "proxy-server.conf"
    folder = tmp_path_factory.mktemp("keystone")
    with keystone_front(conf, folder, port=port, identity_port=port + 1) as made:
        yield made


@pytest.fixture(scope="module")
def owner(front: Front) -> Person:
    """A member of a project."""
    return front.person("owner", "member")


@pytest.fixture(scope="module")
def stranger(front: Front) -> Person:
    """A member of another project."""
    return front.person("stranger", "member")


@pytest.fixture
def container(owner: Person) -> Iterator[str]:
    """A container of the owner's, with an object in it."""
    client = owner.client()
    with client.container() as name:
        assert client.put(name, "o", body=b"content").status == 201
        yield name


def test_members_own_their_projects_account(owner: Person, stranger: Person, container: str) -> None:
    """And nobody else's."""
    assert owner.client().get(container, "o").body == b"content"
    assert stranger.client(account_of=owner).get(container, "o").status == 403
    nobody = Client(owner.front.store, f"/v1/AUTH_{owner.project_id}")
    refused = nobody.get(container, "o")
    assert refused.status == 401
    assert "www-authenticate" in refused.headers
    forged = Client(nobody.store, nobody.account_path, {"X-Auth-Token": "forged"})
    assert forged.get(container, "o").status == 401


def test_identity_headers_of_clients_mean_nothing(owner: Person, container: str) -> None:
    """auth_token takes away what anybody may write."""
    lies = {
        "X-Identity-Status": "Confirmed",
        "X-Project-Id": owner.project_id,
        "X-User-Id": owner.user_id,
        "X-Roles": "admin,ResellerAdmin",
    }
    liar = Client(owner.front.store, f"/v1/AUTH_{owner.project_id}", lies)
    assert liar.get(container, "o").status == 401


def test_readers_read_and_do_not_write(front: Front, owner: Person, container: str) -> None:
    """project_reader_roles open a project's account for GET and HEAD."""
    reader = front.person(f"reader-{uuid.uuid4().hex[:6]}", "reader", project=owner.project)
    client = reader.client()
    assert client.get(container, "o").status == 200
    assert client.put(container, "p").status == 403
    assert client.post(container, headers={"X-Container-Read": ".r:*"}).status == 403


def test_reseller_admins_do_everything_everywhere(front: Front, owner: Person, container: str) -> None:
    """They are owners of every account."""
    admin = front.person(f"reseller-{uuid.uuid4().hex[:6]}", "ResellerAdmin").client(account_of=owner)
    assert admin.get(container, "o").status == 200
    assert admin.post(container, headers={"X-Container-Meta-Seen": "yes"}).status == 204


def test_trap_35_lists_name_people_by_ids(owner: Person, stranger: Person, container: str) -> None:
    """PROJECT:USER with stars, and names within the default domain."""
    theirs = stranger.client(account_of=owner)
    for acl, expected in (
        (f"{stranger.project_id}:{stranger.user_id}", 200),
        (f"{stranger.project_id}:*", 200),
        (f"*:{stranger.user_id}", 200),
        ("*:*", 200),
        (f"{stranger.project}:{stranger.name}", 200),
        (f"{owner.project_id}:{stranger.user_id}", 403),
    ):
        assert owner.client().post(container, headers={"X-Container-Read": acl}).status == 204
        assert theirs.get(container, "o").status == expected, acl
        assert theirs.put(container, "p").status == 403, acl
    assert Client(theirs.store, theirs.account_path).get(container, "o").status == 401


def test_trap_35_star_colon_star_is_not_for_everybody(owner: Person, container: str) -> None:
    """It takes a token; .r:* does not, and lists nothing."""
    nobody = Client(owner.front.store, f"/v1/AUTH_{owner.project_id}")
    assert owner.client().post(container, headers={"X-Container-Read": "*:*"}).status == 204
    assert nobody.get(container, "o").status == 401
    assert owner.client().post(container, headers={"X-Container-Read": ".r:*"}).status == 204
    assert nobody.get(container, "o").status == 200
    assert nobody.get(container).status == 401


def test_service_accounts_take_both_tokens(front: Front, owner: Person) -> None:
    """A user's data that only a service may touch lies under the other prefix."""
    service = front.person(f"service-{uuid.uuid4().hex[:6]}", "service", "admin", project="service")
    admin = front.person(f"admin-{uuid.uuid4().hex[:6]}", "admin", project=owner.project)
    path = f"/v1/SERVICE_{owner.project_id}"
    tokens = {"X-Auth-Token": admin.token(), "X-Service-Token": service.token()}
    both = Client(front.store, path, tokens)
    alone = Client(front.store, path, {"X-Auth-Token": tokens["X-Auth-Token"]})
    forged = Client(front.store, path, {**tokens, "X-Service-Token": "forged"})
    assert both.put("c").status == 201
    assert alone.get("c").status == 403
    assert forged.get("c").status == 401
    assert both.delete("c").status == 204


def test_an_account_remembers_its_projects_domain(owner: Person, container: str) -> None:
    """Names on its lists count, because its project is of the default domain."""
    del container
    assert owner.client().head().headers["x-account-project-domain-id"] == "default"


def environment_of(person: Person) -> dict[str, str]:
    """Return what `swift` and `openstack` read to log in as somebody."""
    return {
        "OS_AUTH_URL": person.front.identity,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": person.name,
        "OS_PASSWORD": password_of(person.name),
        "OS_PROJECT_NAME": person.project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }


def test_the_swift_command_logs_in_with_keystone(owner: Person, container: str) -> None:
    """And finds the store in the catalogue."""
    assert run([swift_command(), "list", container], environment_of(owner), None).split() == ["o"]


def test_the_openstack_command_stores_and_brings_back(owner: Person, tmp_path: Path) -> None:
    """Containers, objects and properties, as OpenStack's own client asks for them."""
    trees.big_file(tmp_path / "photo", 1 << 20)
    client = owner.client()
    created, uploaded, listed, holder, photo = openstack(
        environment_of(owner),
        (
            "container create test-openstack -f json",
            "container set test-openstack --property Colour=red",
            "object create test-openstack photo --name sub/photo -f json",
            "object set test-openstack sub/photo --property Seen=yes",
            "object list test-openstack --long -f json",
            "container show test-openstack -f json",
            "object show test-openstack sub/photo -f json",
            "container save test-openstack",
        ),
        cwd=tmp_path,
    )
    assert created[0]["container"] == "test-openstack"
    whole = trees.digests(tmp_path)
    size, etag = whole["photo"]
    assert whole["sub/photo"] == whole["photo"]
    assert uploaded == [{"object": "sub/photo", "container": "test-openstack", "etag": etag}]
    assert [(row["Name"], row["Bytes"], row["Hash"]) for row in listed] == [("sub/photo", size, etag)]
    assert (holder["properties"], photo["properties"]) == ({"Colour": "red"}, {"Seen": "yes"})
    assert (photo["etag"], photo["content-length"]) == (etag, str(size))
    assert client.get("test-openstack", "sub/photo").body == (tmp_path / "photo").read_bytes()
    openstack(environment_of(owner), ["container delete --recursive test-openstack"])
    assert client.head("test-openstack").status == 404


def test_the_openstack_command_describes_the_account(owner: Person, container: str) -> None:
    """Its properties are the account's metadata; a container that is not empty stays."""
    before, after = openstack(
        environment_of(owner),
        (
            "object store account set --property Colour=red",
            "object store account show -f json",
            "object store account unset --property Colour",
            "object store account show -f json",
        ),
    )
    assert before["properties"] == {"Colour": "red"}
    assert before["Account"] == f"AUTH_{owner.project_id}"
    assert "properties" not in after
    with pytest.raises(CommandError, match="HTTP 409"):
        openstack(environment_of(owner), [f"container delete {container}"])
    assert owner.client().get(container, "o").body == b"content"


def test_a_containers_temporary_urls_show_its_listings(owner: Person) -> None:
    """The container's key is found behind Keystone's filter, though the container is a website, too."""
    client = owner.client()
    headers = {"X-Container-Meta-Web-Listings": "true", "X-Container-Meta-Temp-URL-Key": "key"}
    with client.container(headers=headers) as name:
        assert client.put(name, "folder/o", body=b"content").status == 201
        expires = int(time.time()) + 3600
        signed = f"GET\n{expires}\nprefix:{client.account_path}/{name}/folder/".encode()
        signature = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
        query = {"temp_url_sig": signature, "temp_url_expires": str(expires), "temp_url_prefix": "folder/"}
        visitor = Client(owner.front.store, client.account_path)
        assert visitor.request("GET", name, "folder/o", query=query).body == b"content"
        page = visitor.request("GET", name, "folder/", query=query)
        assert page.status == 200
        assert f"Listing of {client.account_path}/{name}/folder/" in page.text


@pytest.mark.parametrize(("delays", "status"), [("false", 503), ("true", 401)])
def test_trap_46_without_keystone_nobody_is_let_in(
    shared_cluster: AllInOne, tmp_path: Path, delays: str, status: int
) -> None:
    """503 where auth_token decides alone; it says 401 itself where requests without a token go on."""
    port = free_port_block(2)
    conf = shared_cluster.home / "proxy" / "etc" / "proxy-server.conf"
    with proxy_believing(f"http://127.0.0.1:{port + 1}/v3", conf, tmp_path, port=port, delays=delays):
        store = Store(f"http://127.0.0.1:{port}")
        assert Client(store, "/v1/AUTH_x", {"X-Auth-Token": "some"}).get("c").status == status
        assert Client(store, "/v1/AUTH_x").get("c").status == 401
