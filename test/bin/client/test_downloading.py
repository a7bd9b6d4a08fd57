"""Where objects may go."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from apus.bin.client.display import Display
from apus.bin.client.downloading import _placed


@pytest.mark.parametrize(
    ("container", "name"), [("..", "x"), (".", "x"), ("c", "../x"), ("c", "a/../../x"), ("..", "/x")]
)
def test_no_name_leads_out_of_the_folder(container: str, name: str) -> None:
    """Neither an object's nor, where each container has a folder, a container's; it is said, and is a failure."""
    display = Display(as_json=False, verbose=0, bars=False)
    options = Namespace(yes_all=True, remove_prefix=False, prefix="")
    assert list(_placed(display, container, name, Path("in"), options)) == []
    assert display.failures == 1
