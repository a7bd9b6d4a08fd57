"""What went wrong, and the exit code that it means."""

from __future__ import annotations

import pytest
import requests
import swiftclient
from swiftclient.service import SwiftError

from apus.bin.client.troubles import Kind, exit_code, trouble
from apus.common.errors import Missing, Refused


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (swiftclient.ClientException("x", http_status=404), Kind.MISSING),
        (swiftclient.ClientException("x", http_status=403), Kind.DENIED),
        (swiftclient.ClientException("x", http_status=503), Kind.UNREACHED),
        (swiftclient.ClientException("x", http_status=422), Kind.FAILED),
        (SwiftError("x", exc=swiftclient.ClientException("x", http_status=401)), Kind.DENIED),
        (requests.ConnectionError("x"), Kind.UNREACHED),
        (Refused("x"), Kind.MISUSED),
        (Missing("x"), Kind.MISSING),
        (PermissionError(13, "denied", "f"), Kind.FAILED),
    ],
)
def test_a_failure_has_a_kind(problem: Exception, kind: Kind) -> None:
    """The same for a script, whichever library said it."""
    assert trouble(problem).kind is kind


def test_the_exit_code_is_the_kind_that_all_have() -> None:
    """0 for none, 1 for a mixture."""
    assert exit_code([]) == 0
    assert exit_code([Kind.DENIED, Kind.DENIED]) == 4
    assert exit_code([Kind.DENIED, Kind.MISSING]) == 1


def test_the_sentence_has_what_the_store_said_and_the_transaction() -> None:
    """In one line, without markup."""
    problem = swiftclient.ClientException(
        "PUT failed", http_status=413, http_reason="Too Large", http_response_content=b"5 GB\nat most",
        http_response_headers={"X-Trans-Id": "tx1"},
    )  # fmt: skip
    assert trouble(problem).sentence == "PUT failed: 413 Too Large: 5 GB at most (transaction tx1)"
