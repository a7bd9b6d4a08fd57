"""The identity service as people use it: `openstack`, python-keystoneclient and boto3, with the store behind it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import keystone
import pytest
from botocore.client import Config
from botocore.exceptions import ClientError
from clusters import AllInOne, free_port_block
from identity_front import IDENTITY_CONF, bootstrapped, identity_front
from keystone_store import Front
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from keystoneclient.v3.client import Client as Keystone
from programs import openstack
from store import Client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(scope="module")
def front(shared_cluster: AllInOne, folder: Path) -> Iterator[Front]:
    """The shared store's front with our own identity service."""
    port = free_port_block(2)
    conf = shared_cluster.home / "proxy" / "etc" / "proxy-server.conf"
    with identity_front(conf, folder, port=port, identity_port=port + 1) as made:
        yield made


@pytest.fixture
def admin(front: Front) -> Keystone:
    """OpenStack's library, as an administrator."""
    return Keystone(session=Session(auth=_password(front, "admin", keystone.ADMIN_PASSWORD, "admin")))


def _password(front: Front, user: str, password: str, project: str) -> v3.Password:
    return v3.Password(
        auth_url=front.identity,
        username=user,
        password=password,
        project_name=project,
        user_domain_id="default",
        project_domain_id="default",
    )


def environment(folder: Path, cloud: str) -> dict[str, str]:
    """Return what `openstack --os-cloud` reads."""
    return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"), "OS_CLOUD": cloud}


def test_the_openstack_command_administers(front: Front, folder: Path) -> None:
    """Domains, projects, users, groups, roles, assignments, catalogue: made, shown, listed, removed."""
    said = openstack(
        environment(folder, "admin"),
        (
            "token issue -f json",
            "domain create acme -f json",
            "project create web --domain acme --tag blue -f json",
            "user create ann --domain acme --password secret --email ann@acme -f json",
            "group create crew --domain acme -f json",
            "group add user --group-domain acme --user-domain acme crew ann",
            "role add --group crew --group-domain acme --project web --project-domain acme member",
            "role assignment list --effective --names --project web --project-domain acme -f json",
            "role assignment list --user admin --names -f json",
            "user list --domain acme --long -f json",
            "project list --tags blue -f json",
            "implied role list -f json",
            "service create --name x --description y thing -f json",
            "endpoint create --region RegionOne thing public http://127.0.0.1/x -f json",
            "endpoint list --service thing -f json",
            "catalog list -f json",
            "region list -f json",
            "limit list -f json",
            "user set --domain acme --disable ann",
            "user show --domain acme ann -f json",
            "domain set --disable acme",
            "domain delete acme",
            "service delete thing",
            "user list -f json",
        ),
        cwd=folder,
    )
    token, domain, web, ann, crew, counted, admins, users, tagged, implied = said[:10]
    assert token["project_id"]
    assert (web["domain_id"], web["tags"]) == (domain["id"], ["blue"])
    assert (ann["email"], crew["name"]) == ("ann@acme", "crew")
    assert {(row["Role"], row["User"]) for row in counted} == {("member", "ann@acme"), ("reader", "ann@acme")}
    assert {row["Role"] for row in admins} >= {"admin", "ResellerAdmin"}
    assert [row["Name"] for row in users] == ["ann"]
    assert [row["Name"] for row in tagged] == ["web"]
    pairs = {(row["Prior Role Name"], row["Implied Role Name"]) for row in implied}
    assert pairs == {("admin", "manager"), ("manager", "member"), ("member", "reader")}
    assert said[-2]["enabled"] is False
    assert {row["Name"] for row in said[-1]} == {"admin", "demo", "cloud"}


def test_the_openstack_command_of_an_ordinary_user(front: Front, folder: Path) -> None:
    """Application and EC2 credentials, the own project, and objects in the store."""
    (folder / "photo").write_bytes(b"picture")
    said = openstack(
        environment(folder, "demo"),
        (
            "application credential create app --role member -f json",
            "application credential list -f json",
            "application credential delete app",
            "ec2 credentials create -f json",
            "ec2 credentials list -f json",
            "container create pictures -f json",
            "object create pictures photo -f json",
            "object list pictures -f json",
            "object delete pictures photo",
            "container delete pictures",
        ),
        cwd=folder,
    )
    app, apps, key, keys, _, _, objects = said
    assert app.get("secret") or app["Secret"]  # By the client's version.
    assert [row["Name"] for row in apps] == ["app"]
    assert key["access"] in {row["Access"] for row in keys}
    assert [row["Name"] for row in objects] == ["photo"]


def test_an_access_key_is_s3s_key(front: Front, admin: Keystone) -> None:
    """boto3 stores with an EC2 credential; without it, or with one that is removed, it is refused."""
    person = front.person(f"s3-{uuid.uuid4().hex[:6]}", "member")
    key = admin.ec2.create(person.user_id, person.project_id)

    def client(secret: str) -> object:
        return boto3.client(
            "s3",
            endpoint_url=front.endpoint,
            aws_access_key_id=key.access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(
                retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=180
            ),
        )

    s3: object = client(key.secret)
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)  # type: ignore[attr-defined]
    s3.put_object(Bucket=bucket, Key="a", Body=b"by S3")  # type: ignore[attr-defined]
    assert person.client().get(bucket, "a").body == b"by S3"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client("guess").list_buckets()  # type: ignore[attr-defined]
    s3.delete_object(Bucket=bucket, Key="a")  # type: ignore[attr-defined]
    s3.delete_bucket(Bucket=bucket)  # type: ignore[attr-defined]
    admin.ec2.delete(person.user_id, key.access)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.list_buckets()  # type: ignore[attr-defined]


def test_projects_are_apart_in_the_store(front: Front) -> None:
    """A token is good for its own project's account; lists open containers to others by ids."""
    one, other = (front.person(f"{uuid.uuid4().hex[:6]}", "member") for _ in range(2))
    client = one.client()
    with client.container() as name:
        client.put(name, "o", body=b"x")
        theirs = other.client(account_of=one)
        assert theirs.get(name, "o").status == 403
        listed = f"{other.project_id}:{other.user_id}"
        assert client.post(name, headers={"X-Container-Read": listed}).status == 204
        assert theirs.get(name, "o").status == 200
        nobody = Client(front.store, f"/v1/AUTH_{one.project_id}", {"X-Auth-Token": "forged"})
        assert nobody.get(name, "o").status == 401


def test_taking_a_role_locks_the_store_at_once(front: Front, admin: Keystone) -> None:
    """The proxy reads what the identity service publishes; no token outlives its role."""
    person = front.person(f"gone-{uuid.uuid4().hex[:6]}", "member")
    client = person.client()
    assert client.put("c").status == 201
    assert client.delete("c").status == 204
    role = admin.roles.find(name="member")
    admin.roles.revoke(role, user=person.user_id, project=person.project_id)
    assert client.put("c").status == 401


def test_bootstrap_again_leaves_everything(front: Front, folder: Path) -> None:
    """And its file for `openstack` is its owner's only."""
    conf = IDENTITY_CONF.format(port=1, folder=folder, identity=front.identity.removesuffix("/v3"))
    token = front.log_in("demo", "demo-password", "demo")[0]
    said = bootstrapped(folder / "again.conf", conf, front.identity.removesuffix("/v3"), front.endpoint)
    assert "there already" in said
    assert (folder / "clouds.yaml").stat().st_mode & 0o077 == 0
    demo = Client(
        front.store, f"/v1/AUTH_{front.log_in('demo', 'demo-password', 'demo')[1]['project']['id']}"
    )
    assert Client(demo.store, demo.account_path, {"X-Auth-Token": token}).head().status in (200, 204)
