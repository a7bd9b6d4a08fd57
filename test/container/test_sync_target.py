"""Laws of where a container may be synchronised to: what owners write is never believed unread."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.sync_realms import Realms
from apus.common.timestamp import Timestamp
from apus.container.sync_remote import RemoteContainer
from apus.container.sync_target import SyncTarget, SyncTargets

REALMS = "[US]\nkey = realm-key\ncluster_one = http://one/v1/\n"


@pytest.fixture
def targets(tmp_path: Path) -> SyncTargets:
    (tmp_path / "realms").write_text(REALMS)
    return SyncTargets(("127.0.0.1", "::1"), Realms(str(tmp_path / "realms")))


@pytest.mark.parametrize("nothing", [None, "", "/", "//"])
def test_nothing_is_no_target(targets: SyncTargets, nothing: str | None) -> None:
    """Nor is it an error: so a target is taken away."""
    assert targets.resolve(nothing) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("//us/one/AUTH_a/c", "http://one/v1/AUTH_a/c"),
        ("//US/ONE/AUTH_a/c/", "http://one/v1/AUTH_a/c"),
        ("//us/one/AUTH_\u00fc/c d", "http://one/v1/AUTH_%C3%BC/c%20d"),
        ("//us/one/AUTH_%c3%bc/c%7Ed", "http://one/v1/AUTH_%C3%BC/c~d"),
        ("http://127.0.0.1:8080/v1/AUTH_\u00fc/c", "http://127.0.0.1:8080/v1/AUTH_%C3%BC/c"),
        ("https://[::1]/v1/AUTH_a/c", "https://[::1]/v1/AUTH_a/c"),
        ("http://somebody@127.0.0.1/v1/AUTH_a/c", "http://127.0.0.1/v1/AUTH_a/c"),
    ],
)
def test_a_target_is_spelled_one_way(targets: SyncTargets, written: str, meant: str) -> None:
    """However it was written: what is sent is what is signed, and fits into a request line."""
    target = targets.resolve(written)
    assert target is not None
    assert target.url == meant


@pytest.mark.parametrize(
    "wrong",
    [
        "http://[::1",
        "http://127.0.0.1:port/v1/AUTH_a/c",
        "http://127.0.0.1:99999/v1/AUTH_a/c",
        "ftp://127.0.0.1/v1/AUTH_a/c",
        "http://127.0.0.1",
        "http://127.0.0.1/v1/AUTH_a/c?x",
        "http://127.0.0.1/v1/AUTH_a/c;x",
        "http://127.0.0.1/v1/AUTH_a/c#x",
        "http://127.0.0.1@elsewhere/v1/AUTH_a/c",
        "http:///v1/AUTH_a/c",
        "//us/one/AUTH_a",
        "//us/two/AUTH_a/c",
        "//them/one/AUTH_a/c",
        "nonsense",
    ],
)
def test_what_is_no_target_is_refused(targets: SyncTargets, wrong: str) -> None:
    """By 400 and a sentence, when it is set."""
    with pytest.raises(Refused) as refusal:
        targets.check(wrong)
    assert refusal.value.status == 400


@given(
    st.one_of(st.text(st.characters(exclude_categories=["Cs"])).map(str.encode), st.binary()).map(
        lambda data: data.decode("utf-8", "surrogateescape")
    )
)
def test_whatever_owners_write_is_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Nothing else comes of it, and a target is ASCII."""
    known = SyncTargets(("127.0.0.1",), Realms(str(tmp_path_factory.getbasetemp() / "none")))
    for written in (text, f"http://127.0.0.1{text}", f"http://127.0.0.1/{text}"):
        try:
            target = known.resolve(written)
        except Refused:
            continue
        assert target is None or target.url.isascii()


def test_a_key_of_any_letters_can_be_sent() -> None:
    """As the bytes that its owner has set."""
    remote = RemoteContainer(SyncTarget("http://127.0.0.1/v1/AUTH_a/c", None), "\u043a\u043b\u044e\u0447", 1)
    sent = remote._proof("PUT", "/v1/AUTH_a/c/o", "1.00000")["X-Container-Sync-Key"]
    assert sent.encode("latin-1").decode() == "\u043a\u043b\u044e\u0447"


def test_what_the_other_cluster_says_beside_its_status_is_not_read() -> None:
    """An answer without end holds nobody up and fills no memory."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard: list[bytes] = []

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
                )
                with suppress(ConnectionResetError):
                    connection.recv(1)  # Ends as soon as the other side has gone.

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/AUTH_a/c"
        RemoteContainer(SyncTarget(url, None), "key", 30).delete("o", Timestamp.of(1))
        thread.join()
    assert heard[0].startswith(b"DELETE /v1/AUTH_a/c/o HTTP/1.1\r\n")
