"""Laws of headers that every request of a pool carries."""

from __future__ import annotations

import pytest
from engine import Recorder, serving

from apus.common.cluster_secret import HEADER, credentials
from apus.common.http.client import Pool, request_head


@pytest.mark.parametrize("whole", [True, False])
def test_they_are_on_every_request(whole: bool) -> None:
    """On those sent at once and on those whose body follows."""
    recorder = Recorder()
    with serving(recorder) as served:
        pool = Pool(default_headers=credentials("the secret"))
        if whole:
            pool.request(served.address, "PUT", "/x", {"A": "b"}, b"body").read()
        else:
            exchange = pool.open(served.address, "PUT", "/x", {"A": "b"}, length=4)
            exchange.send(b"body")
            exchange.finish()
            exchange.response().read()
    environ = recorder.seen[0].environ
    assert environ["HTTP_X_BACKEND_CLUSTER_SECRET"] == "the secret"
    assert environ["HTTP_A"] == "b"


def test_they_cannot_break_out_of_their_line() -> None:
    """Our own fault, found before anything is sent."""
    with pytest.raises(ValueError, match="line break"):
        Pool(default_headers={"A": "b\r\nC: d"})


def test_without_a_secret_there_are_none() -> None:
    """Stock servers never see our header."""
    assert credentials("") == {}
    assert HEADER.encode() not in request_head(("127.0.0.1", 1), "GET", "/", {}, measure=None)
