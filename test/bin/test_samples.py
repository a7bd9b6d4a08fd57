"""The sample files say what the code reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from apus.bin.samples import FOLDER, samples
from apus.common.config import read_ini


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_sample_is_current(name: str) -> None:
    """As the configuration classes are now; `make samples` writes them anew."""
    assert FOLDER.joinpath(name).read_text() == samples()[name]


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_sample_can_be_read(name: str, tmp_path: Path) -> None:
    """It is an ini file in which every filter of the pipeline has its section."""
    (tmp_path / name).write_text(samples()[name])
    sections = read_ini(tmp_path / name)
    for each in sections.get("pipeline:main", {}).get("pipeline", "").split():
        assert f"filter:{each}" in sections or f"app:{each}" in sections
