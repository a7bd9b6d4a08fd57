"""The operator's file of webhooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from apus.common.errors import Refused
from apus.proxy.middleware.s3.notification.targets import FILE, Targets, parse_targets

GOOD = """
[orders]
url = https://hooks.example.com:8443/s3?x=1
secret = 100%sure
authorization = Bearer abc
timeout = 2.5
[plain-1]
url = http://10.0.0.1/
"""


def test_a_file_is_read() -> None:
    """Operators may send wherever they like, and secrets may have any sign."""
    found = parse_targets(GOOD)
    assert list(found) == ["orders", "plain-1"]
    assert found["orders"].secret == "100%sure"
    assert found["orders"].timeout_seconds == 2.5


@pytest.mark.parametrize(
    "text",
    [
        "[a]\n",
        "[a]\nurl = ftp://host/\n",
        "[a]\nurl = http://\n",
        "[a]\nurl = http://name:word@host/\n",
        "[a]\nurl = http://host:99999/\n",
        "[a b]\nurl = http://h/\n",
        "[a]\nurl = http://h/\ncolour = red\n",
        "[a]\nurl = http://h/\ntimeout = soon\n",
        "[a]\nurl = http://h/\ntimeout = 0\n",
        "[a]\nurl = http://h/\nauthorization = a\n b\n",
        "url = http://h/\n",
    ],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    """It says which."""
    with pytest.raises(Refused, match=FILE):
        parse_targets(text)


def test_a_change_is_seen_and_a_mistake_is_not(tmp_path: Path) -> None:
    """What was read before a mistake stays; without the file there is none."""
    targets = Targets(str(tmp_path))
    assert not targets.all()
    path = tmp_path / FILE
    path.write_text(GOOD)
    assert set(targets.all()) == {"orders", "plain-1"}
    path.write_text("[a]\nurl = nowhere\n")
    assert set(targets.all()) == {"orders", "plain-1"}
    path.write_text("[other]\nurl = http://h/\n")
    assert set(targets.all()) == {"other"}
    path.unlink()
    assert not targets.all()
