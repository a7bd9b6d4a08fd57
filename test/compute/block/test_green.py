"""The block layer in a service whose standard library is green."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
from apus.common import concurrency
concurrency.patch()
import os, time
from block_store import MemoryStore
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream

store = MemoryStore(on_step=lambda method, what: time.sleep(0.001))
project = Project.open(store, "p", BlockConfig(block_size=65536))
turns = []

def beat():
    while True:
        turns.append(1)
        concurrency.sleep(0.001)

concurrency.spawn(beat)
data = os.urandom(65536 * 30 + 1)
disk = write_stream(project.maps, [data])
assert b"".join(read_range(project.maps, project.maps.load(disk.map_id))) == data
print("turns", len(turns))
"""


def test_others_have_their_turns_while_a_disk_is_written_and_read() -> None:
    """Uploads and reads run in green threads there, and the hub goes round meanwhile."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'test' / 'support'}:{ROOT / '.dev'}"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 5
