"""Where an all-in-one cluster's parts are follows from a few facts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.bin.allinone.layout import DAEMONS, SERVERS, Layout

HOME = Path("/srv/apus")


def fresh(*, port: int = 8080, nodes: int = 4, has_cloud: bool = False) -> Layout:
    layout = Layout.fresh(HOME, bind_ip="127.0.0.1", port=port, workers=1, nodes=nodes)
    return replace(layout, has_cloud=has_cloud)


@given(port=st.integers(1, 60000), nodes=st.integers(1, 50), has_cloud=st.booleans())
def test_no_two_processes_share_a_port_or_a_file(port: int, nodes: int, has_cloud: bool) -> None:
    """Whatever the port and the number of nodes, with the cloud's services or without."""
    services = fresh(port=port, nodes=nodes, has_cloud=has_cloud).services
    ports = [service.port for service in services if service.port]
    assert len(set(ports)) == len(ports)
    assert len({service.pid_file for service in services}) == len(services)
    assert len({service.log for service in services}) == len(services)
    assert all(port <= each < port + 10 * (nodes + 1) for each in ports)


def test_every_node_runs_every_role() -> None:
    """Each storage role once a node, and one proxy."""
    services = fresh().services
    assert len(services) == 4 * len(SERVERS + DAEMONS) + 1
    assert [service.place for service in services].count("proxy") == 1


def test_without_a_background_servers_are_all_that_should_run() -> None:
    """Daemons are found all the same, for who runs them once."""
    quiet = Layout.fresh(HOME, bind_ip="127.0.0.1", port=8080, workers=1, nodes=2, background=False)
    assert {service.role for service in quiet.services} == {*SERVERS, "proxy-server"}
    node = quiet.node("node1")
    assert [quiet.service(node, role) for role in DAEMONS] == [
        fresh().service(node, role) for role in DAEMONS
    ]


@pytest.mark.parametrize("chosen", [True, False])
def test_what_is_written_is_what_is_read(chosen: bool) -> None:
    """cluster.json holds the whole of it."""
    layout = replace(fresh(port=9000, nodes=5).grown(), background=chosen, has_cloud=not chosen)
    assert Layout.from_json(HOME, layout.to_json()) == layout


def test_clusters_from_before_there_was_a_choice_have_a_background() -> None:
    """Their cluster.json does not speak of it."""
    facts = json.loads(fresh().to_json())
    del facts["background"], facts["cloud"]
    assert Layout.from_json(HOME, json.dumps(facts)) == fresh()


def test_a_node_number_is_never_used_twice() -> None:
    """An old device must not come back as a new node's."""
    layout = fresh().grown()
    shrunk = layout.shrunk(layout.node("node5"))
    assert shrunk.grown().nodes[-1].name == "node6"


@pytest.mark.parametrize("name", ["node2", "2"])
def test_a_node_has_a_name_and_a_number(name: str) -> None:
    """Either finds it."""
    assert fresh().node(name).number == 2


def test_an_unknown_node_is_answered_with_the_known_ones() -> None:
    """So that a person sees what to type."""
    with pytest.raises(KeyError, match="node1, node2, node3, node4"):
        fresh().node("node9")


@pytest.mark.parametrize(("port", "nodes"), [(0, 4), (-1, 4), (65535, 1), (8080, 0), (8080, 6000)])
def test_what_does_not_fit_is_refused(port: int, nodes: int) -> None:
    """Ports beyond the last one, or no node at all."""
    with pytest.raises(ValueError):
        fresh(port=port, nodes=nodes)


def test_three_copies_where_there_are_three_nodes() -> None:
    """Fewer nodes, fewer copies."""
    assert [fresh(nodes=nodes).replicas for nodes in (1, 2, 3, 4, 9)] == [1, 2, 3, 3, 3]
