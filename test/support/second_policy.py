"""A cluster with two storage policies: the ring of the first serves the second one too.

AllInOne ──add_policy("silver")──▶ its swift.conf has [storage-policy:1], and every process knows it
"""

from __future__ import annotations

import shutil

from clusters import AllInOne


def add_policy(cluster: AllInOne, name: str, *, aliases: str = "", deprecated: bool = False) -> None:
    """Add policy 1 to a cluster that is up; it is up again afterwards."""
    etc = cluster.home / "etc"
    cluster.down()
    with (etc / "swift.conf").open("a") as conf:
        conf.write(f"\n[storage-policy:1]\nname = {name}\naliases = {aliases}\ndeprecated = {deprecated}\n")
    shutil.copy(etc / "object.ring.gz", etc / "object-1.ring.gz")
    cluster.up()
