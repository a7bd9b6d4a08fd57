"""The operator's tools, asked about real servers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_nodes import ROOT, ObjectNodes

from apus.common import recon_cache


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectNodes]:
    made = ObjectNodes(tmp_path_factory.mktemp("cluster") / "nodes")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def nodes(running: ObjectNodes) -> ObjectNodes:
    running.reset()
    return running


def run(tool: str, *arguments: object) -> tuple[int, str, str]:
    """Run a tool in a process of its own: it makes the standard library's calls green."""
    command = [sys.executable, "-m", f"apus.bin.{tool}", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def survey_of(nodes: ObjectNodes, *more: str) -> tuple[int, dict[str, Any]]:
    code, told, _ = run("survey", "--swift-dir", nodes.etc, "--json", *more)
    return code, json.loads(told)["policies"][0]


def test_the_survey_tells_the_truth_by_its_exit_code(nodes: ObjectNodes) -> None:
    """0 settled, 1 not, 2 when a device could not be asked."""
    nodes.put("x", b"x", time.time())
    code, found = survey_of(nodes)
    assert (code, found["objects"], found["settled"], found["objects_by_copies"]) == (0, 1, True, {"3": 1})
    nodes.wipe(nodes.primaries("x")[0])
    code, found = survey_of(nodes)
    assert (code, found["objects_below"], found["shortages"][0]["hash"]) == (1, 1, nodes.hash("x"))
    walked = [f"--device={node}={nodes.device(node)}" for node in range(nodes.count)]
    assert survey_of(nodes, *walked) == (code, found)
    nodes.kill(3)
    code, found = survey_of(nodes)
    assert (code, found["exact"]) == (2, False)
    assert found["silent_devices"] == [f"127.0.0.1:{nodes.ports[3]}/sd0"]
    code, told, _ = run("survey", "--swift-dir", nodes.etc)
    assert code == 2
    assert "this count is a bound" in told


def test_a_survey_leaves_its_figures_for_recon(nodes: ObjectNodes, tmp_path: Path) -> None:
    """What an earlier one has left goes with it."""
    recon_cache.leave(tmp_path, "survey", {"survey_policies": {"7": {"objects": 1}}})
    nodes.put("x", b"x", time.time())
    _, found = survey_of(nodes, "--recon-cache-path", str(tmp_path))
    left = recon_cache.look(tmp_path, "survey")
    assert left["survey_policies"] == {"0": {**found, "shortages": []}}
    assert left["survey_last"] <= time.time()


def test_what_cannot_be_surveyed_is_said(tmp_path: Path) -> None:
    """A missing conf, ring or policy is a sentence, not a traceback."""
    code, _, complaint = run("survey", "--swift-dir", tmp_path)
    assert code == 2
    assert complaint.startswith("apus-survey: ")
    assert "Traceback" not in complaint


def test_recon_asks_every_server(nodes: ObjectNodes) -> None:
    """Figures that the replicators left, and who does not answer."""
    nodes.put("x", b"x", time.time())
    nodes.replicate()
    arguments = ("object", "--all", "--swiftdir", nodes.etc)
    code, told, _ = run("recon", *arguments)
    assert code == 0
    assert "[replication_failure] low: 0, high: 0" in told
    assert "Oldest completion was 20" in told
    assert "4/4 hosts matched." in told
    nodes.kill(0)
    _, told, _ = run("recon", *arguments, "--json")
    checks = json.loads(told)["object"]["checks"]
    assert checks["replication/{kind}"]["answered"] == 3


def test_recon_knows_its_servers() -> None:
    """An unknown kind is refused; no question is an offer of help."""
    assert run("recon", "toaster", "-r")[0] == 1
    code, told, _ = run("recon")
    assert code == 0
    assert "usage" in told


def test_the_replicator_runs_once_for_a_part(nodes: ObjectNodes) -> None:
    """The command's -d, -p and -i limit a pass as the stock tool's do."""
    first, *_ = nodes.primaries("x")
    nodes.put("x", b"x", time.time(), on=[first])
    conf = nodes.folder / "replicator.conf"
    cache = nodes.folder / f"node{first}" / "cache"
    cache.mkdir(exist_ok=True)
    options = {
        "devices": nodes.device(first).parent,
        "mount_check": "false",
        "swift_dir": nodes.etc,
        "bind_ip": "127.0.0.1",
        "bind_port": nodes.ports[first],
        "recon_cache_path": cache,
    }
    lines = [f"{name} = {value}" for name, value in options.items()]
    conf.write_text("\n".join(["[object-replicator]", *lines]))
    assert run("object_replicator", conf, "--once", "-p", 99)[0] == 0
    assert nodes.holders("x") == [first]
    wanted = nodes.partition("x")
    assert run("object_replicator", conf, "--once", "-p", wanted, "-d", "sd0")[0] == 0
    assert nodes.holders("x") == sorted(nodes.primaries("x"))
