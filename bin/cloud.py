"""`apus-cloud`: what an operator does to the cloud's services by hand.

    apus-cloud bootstrap CONF     the first domain, roles, users and endpoints; again: what is missing of them
    apus-cloud rotate-keys CONF   a new key signs tokens; keys whose tokens have all expired go
    apus-cloud rebuild CONF…      lost catalogues of images, volumes, servers are made of what the store knows

CONF is the service's own (identity-server.conf; image-server.conf, volume-server.conf, compute-server.conf).
Commands exit with 0 when done, 1 when something failed.
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from ..common.config import parse, read_ini
from ..common.errors import ApusError, Refused
from ..compute.identity.app import world_of
from ..compute.identity.bootstrap import Founded, Founding
from ..compute.identity.bootstrap import bootstrap as found
from ..compute.identity.settings import IdentityConfig
from ..compute.identity.world import World
from ..compute.image.app import rebuild_of as rebuild_images
from ..compute.server.app import rebuild_of as rebuild_servers
from ..compute.volume.app import office_of
from ..compute.volume.rebuild import rebuild as rebuild_volumes

SECTION = "app:identity-server"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cloud() -> None:
    """Keep the cloud's services in order."""


def _world(conf: str) -> World:
    """Return the identity service's world, as its configuration says."""
    sections = read_ini(conf)
    if SECTION not in sections:
        raise Refused(f"{conf} has no section [{SECTION}]")
    return world_of(parse(IdentityConfig, sections[SECTION]))


@cloud.command()
@click.argument("conf", type=click.Path(exists=True, dir_okay=False))
@click.option("--admin-password", envvar="APUS_ADMIN_PASSWORD", default="", help="Made up when not given.")
@click.option("--demo-password", envvar="APUS_DEMO_PASSWORD", default="", help="Made up when not given.")
@click.option(
    "--cloud-password",
    envvar="APUS_CLOUD_PASSWORD",
    default="",
    help="Of the user that image, volume and server services log in as. Made up when not given.",
)
@click.option("--no-demo", is_flag=True, help="No project and user demo.")
@click.option("--region", default="RegionOne", show_default=True, help="Of the endpoints.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="TYPE=URL",
    help="Where a service is, such as object-store='http://HOST:8080/v1/AUTH_$(project_id)s'. Repeatable.",
)
@click.option(
    "--clouds-yaml", type=click.Path(dir_okay=False), help="Write a file for `openstack --os-cloud`."
)
@click.option("--auth-url", default="http://127.0.0.1:5000/v3", show_default=True, help="What stands in it.")
def bootstrap(
    conf: str,
    admin_password: str,
    demo_password: str,
    cloud_password: str,
    no_demo: bool,  # noqa: FBT001 - click gives it by name
    region: str,
    endpoints: tuple[str, ...],
    clouds_yaml: str | None,
    auth_url: str,
) -> None:
    """Make the first domain, roles, projects, users and endpoints; what is there already stays."""
    world = _world(conf)
    given = {"admin": admin_password, "demo": demo_password, "cloud": cloud_password}
    founding = Founding(
        passwords={name: password for name, password in given.items() if password},
        endpoints=dict(_endpoint(each) for each in endpoints),
        region=region,
        with_demo=not no_demo,
    )
    founded = found(world, founding)
    click.echo(f"{founded.changes} changes made." if founded.changes else "Everything was there already.")
    for user, password in founded.passwords.items():
        if user not in founding.passwords:
            click.echo(f"password of {user}: {password}")
    if clouds_yaml:
        known = {**founded.passwords, **founding.passwords}
        _write_clouds(Path(clouds_yaml), founded, known, auth_url=auth_url, region=region)


def _endpoint(text: str) -> tuple[str, str]:
    """Read TYPE=URL."""
    kind, equals, url = text.partition("=")
    if not equals or not kind or "://" not in url:
        raise Refused(f"--endpoint {text}: expected TYPE=URL")
    return kind, url


def _write_clouds(
    path: Path, founded: Founded, passwords: dict[str, str], *, auth_url: str, region: str
) -> None:
    """Write clouds.yaml (JSON is YAML) for whose passwords are known, readable by its owner only."""
    clouds = {
        user: {
            "auth": {
                "auth_url": auth_url,
                "username": user,
                "password": password,
                "project_name": project,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": region,
            "identity_api_version": 3,
        }
        for user, project in (("admin", "admin"), ("demo", "demo"), ("cloud", "service"))
        if (password := passwords.get(user)) and project in founded.projects
    }
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps({"clouds": clouds}, indent=2) + "\n")
    click.echo(f"{path} written, for {', '.join(clouds)}.")


@cloud.command("rotate-keys")
@click.argument("conf", type=click.Path(exists=True, dir_okay=False))
def rotate_keys(conf: str) -> None:
    """Let a new key sign tokens; remove the keys whose last token has expired."""
    world = _world(conf)
    fresh = world.keys.rotate()
    patience = world.config.token_seconds + world.config.clock_skew_seconds
    gone = world.keys.retire(older_than_seconds=patience, now=time.time())
    world.publisher.publish()
    click.echo(f"{fresh.key_id} signs from now on; removed: {', '.join(gone) or 'none'}.")


REBUILDING: dict[str, Callable[[Mapping[str, str]], int]] = {
    "app:image-server": rebuild_images,
    "app:volume-server": lambda options: rebuild_volumes(office_of(options)),
    "app:compute-server": rebuild_servers,
}
"""By the section that says where catalogue and store are."""


@cloud.command()
@click.argument("confs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
def rebuild(confs: tuple[str, ...]) -> None:
    """Add to catalogues what the store knows and they do not; give images' conf before volumes'."""
    for conf in confs:
        sections = read_ini(conf)
        found = [section for section in REBUILDING if section in sections]
        if not found:
            raise Refused(f"{conf} has no section {' or '.join(f'[{section}]' for section in REBUILDING)}")
        for section in found:
            added = REBUILDING[section](sections[section])
            click.echo(f"{conf}: {added} records added.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command."""
    try:
        cloud.main(args=list(argv) if argv is not None else None, standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except click.Abort:
        return 1
    except ApusError as problem:
        click.echo(f"apus-cloud: {problem}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
