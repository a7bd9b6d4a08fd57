"""Laws of who is asked, in which order, by a whole request."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from storage_doubles import doubled_cluster

from apus.common.cluster import ClusterConf
from apus.common.http.client import Pool
from apus.proxy.backend import Backend
from apus.proxy.error_limit import ErrorLimit
from apus.proxy.nodes import candidates, shuffled
from apus.proxy.replicas import Replicas
from apus.proxy.rings import Rings
from apus.proxy.settings import ProxySettings


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Three replicas on seven devices; a request tries four of them, and one failure is one too many."""
    directory = tmp_path_factory.mktemp("replicas")
    with doubled_cluster(directory, nodes=7):
        settings = ProxySettings(swift_dir=str(directory), request_node_count="4")
        rings = Rings(ClusterConf.load(directory), str(directory))
        yield Replicas(rings, Backend(Pool(), ErrorLimit(errors_max=0)), settings)


@pytest.mark.parametrize("seed", range(40))
def test_who_is_tried_does_not_depend_on_when_it_is_thought_about(replicas: Replicas, seed: int) -> None:
    """Whoever fails while asked, the same devices follow as if each were judged in its turn."""
    dice = random.Random(seed)
    home = replicas.rings.of_object(0, "AUTH_t", "c", str(seed))
    failing = {device.id for device in replicas.rings.of_object(0, "a", "c", "o").ring.devices if device}
    failing = {each for each in failing if dice.random() < 0.5}
    uploading, at_once = dice.random() < 0.5, dice.randrange(1, 4)

    limited: set[int] = set()
    expected = []
    replicas._dice.seed(seed)
    in_any_order = [*shuffled(home.at_home, replicas._dice), *home.stand_ins()]
    for candidate in candidates(in_any_order, count=4, is_limited=lambda each: each.id in limited):
        expected.append((candidate.device.id, candidate.primary, candidate.resting))
        limited.update({candidate.device.id} & failing)

    replicas._dice.seed(seed)
    asked = []
    for candidate in replicas.in_reading_order(home, 0, at_once=at_once, uploading=uploading):
        asked.append((candidate.device.id, candidate.primary, candidate.resting))
        if candidate.device.id in failing:
            replicas.backend.failed(candidate.device, "PUT", "it fails")
    replicas.backend._limits.records.clear()
    assert asked == expected


def test_who_has_failed_before_is_asked_last(replicas: Replicas) -> None:
    """However many are asked at once: one that rests is none of them while there are others."""
    home = replicas.rings.of_object(0, "AUTH_t", "c", "o")
    replicas.backend.failed(home.primaries[1], "PUT", "it has failed")
    asked = [each.device.id for each in replicas.in_reading_order(home, 0, at_once=3, uploading=True)]
    replicas.backend._limits.records.clear()
    assert home.primaries[1].id not in asked
    assert len(asked) == 4
