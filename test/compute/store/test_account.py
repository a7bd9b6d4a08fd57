"""The account of a store that fails in every way, by a scripted server of HTTP."""

from __future__ import annotations

import dataclasses
import http.server
import io
import json
import threading
from collections.abc import Iterator
from hashlib import md5

import pytest

from apus.common.config import parse
from apus.common.errors import Corrupt, Missing, OutOfSpace, Refused, Unavailable
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig
from apus.compute.store.errors import Exists, LoginRefused, Undecidable


class Script:
    """Answers for requests to come; without any, an ordinary little store answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.logins = 0
        self.objects: dict[str, bytes] = {}
        self.cut_short = 0
        """Bodies to be broken off in the middle."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.command == "GET" and self.script.cut_short and "/c/" in self.path:
            self.script.cut_short -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while length := int(self.rfile.readline(), 16):
            found += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def serve(self) -> None:
        script = self.script
        body = self.body()
        if self.path.startswith("/auth"):
            script.logins += 1
            host = self.headers["Host"]
            token = f"token{script.logins}"
            self.reply(200, b"", {"X-Storage-Url": f"http://{host}/v1/AUTH_a", "X-Auth-Token": token})
            return
        if self.path.startswith("/v3"):
            self.keystone(body)
            return
        script.seen.append((self.command, self.path))
        script.headers.append({name.lower(): value for name, value in self.headers.items()})
        if script.answers:
            self.reply(*script.answers.pop(0))
        elif self.path.count("/") < 4 or "?" in self.path:
            self.listing()
        elif self.command == "PUT":
            script.objects[self.path] = body
            self.reply(201, b"", {"ETag": md5(body).hexdigest()})
        elif self.path not in script.objects:
            self.reply(404)
        elif self.command == "DELETE":
            del script.objects[self.path]
            self.reply(204)
        else:
            self.whole_or_part(script.objects[self.path])

    def keystone(self, body: bytes) -> None:
        """Answer as Keystone does: what versions there are, and a token for who knows the password."""
        base = f"http://{self.headers['Host']}"
        if self.command == "GET":
            version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{base}/v3/"}]}
            self.reply(200, json.dumps({"version": version}).encode())
            return
        asked = json.loads(body)["auth"]
        user = asked["identity"]["password"]["user"]
        if (user["name"], user["password"]) != ("cloud", "secret"):
            self.reply(401, b"{}")
            return
        assert asked["scope"] == {"project": {"name": "service", "domain": {"name": "Default"}}}
        self.script.logins += 1
        url = f"{base}/v1/AUTH_a"
        endpoint = {"interface": "public", "url": url, "region": "R", "region_id": "R", "id": "e"}
        catalog = [{"type": "object-store", "name": "swift", "id": "s", "endpoints": [endpoint]}]
        times = {"expires_at": "2999-01-01T00:00:00.000000Z", "issued_at": "2026-01-01T00:00:00.000000Z"}
        token = {"methods": ["password"], "user": {"id": "u"}, "catalog": catalog, **times}
        self.reply(201, json.dumps({"token": token}).encode(), {"X-Subject-Token": "t"})

    def whole_or_part(self, found: bytes) -> None:
        etag = md5(found).hexdigest()
        asked = self.headers.get("Range")
        if not asked:
            self.reply(200, found, {"ETag": etag})
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        self.reply(206, found[int(first) : int(last) + 1 if last else None], {"ETag": etag})

    def listing(self) -> None:
        rows = [
            {
                "name": path.rsplit("/", 1)[1],
                "bytes": 1,
                "hash": "h",
                "last_modified": "2026-01-02T03:04:05.5",
            }
            for path in sorted(self.script.objects)
        ]
        begin = self.path.partition("marker=")[2].partition("&")[0]
        page = [row for row in rows if str(row["name"]) > begin][:2]
        self.reply(200 if self.command == "GET" else 201, json.dumps(page).encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815


@pytest.fixture(scope="module")
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Scripted", (Handler,), {"script": Script()})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def script(server: http.server.ThreadingHTTPServer) -> Script:
    fresh = Script()
    server.RequestHandlerClass.script = fresh  # type: ignore[attr-defined]
    return fresh


@pytest.fixture
def account(server: http.server.ThreadingHTTPServer) -> Account:
    port = server.server_address[1]
    config = parse(
        StoreConfig,
        {"store_auth_url": f"http://127.0.0.1:{port}/auth", "store_user": "a:u", "store_retries": "2"},
    )
    return Account(config, sleep=lambda _: None)


def test_what_is_put_is_read(account: Account, script: Script) -> None:
    """Bytes, files and iterables; whole, in ranges, as a stream; and not after its removal."""
    assert account.put("c", "o", b"hello") == md5(b"hello").hexdigest()
    assert account.read("c", "o") == b"hello"
    assert account.read("c", "o", start=1, length=3) == b"ell"
    assert account.read("c", "o", start=3) == b"lo"
    assert b"".join(account.stream("c", "o", start=1, length=2)) == b"el"
    account.put("c", "f", io.BytesIO(b"file"), length=4)
    account.put("c", "i", iter([b"it", b"er"]))
    assert [account.read("c", name) for name in "fi"] == [b"file", b"iter"]
    assert account.head("c", "o")["content-length"] == "5"
    assert account.delete("c", "o")
    assert not account.delete("c", "o")
    with pytest.raises(Missing):
        account.read("c", "o")
    assert script.logins == 1


def test_a_listing_is_read_to_its_end(account: Account, script: Script) -> None:
    """Page by page, with times in Unix seconds."""
    for name in "abcde":
        account.put("c", name, b"1")
    rows = list(account.names("c"))
    assert [row.name for row in rows] == list("abcde")
    assert rows[0].modified == 1767323045.5


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 498])
def test_what_may_pass_is_asked_again(account: Account, script: Script, status: int) -> None:
    """A 5xx once or twice is not seen; three times is Unavailable."""
    script.answers = [(status, b"", {})] * 2
    account.put("c", "o", b"x")
    script.answers = [(status, b"", {})] * 3
    with pytest.raises(Unavailable):
        account.read("c", "o")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (507, OutOfSpace),
        (413, OutOfSpace),
        (412, Exists),
        (403, LoginRefused),
        (400, Refused),
        (422, Refused),
    ],
)
def test_what_stays_wrong_is_said_at_once(
    account: Account, script: Script, status: int, expected: type[Exception]
) -> None:
    """One request, and the error by the reaction that it asks for."""
    script.answers = [(status, b"", {})] * 3
    with pytest.raises(expected):
        account.put("c", "o", b"x")
    assert len(script.seen) == 1


def test_a_condition_that_waits_for_an_upgrade_is_said_at_once(account: Account, script: Script) -> None:
    """A 503 that says so is not repeated; without those words, or for another reason, it is."""
    script.answers = [(503, b"", {"X-Conditional-Writes": "mixed"})]
    with pytest.raises(Undecidable):
        account.put("c", "o", b"x", only_new=True)
    assert len(script.seen) == 1


def test_an_old_token_is_renewed_once(account: Account, script: Script) -> None:
    """A 401 logs in again and makes the request again; a second one is LoginRefused."""
    account.put("c", "o", b"x")
    script.answers = [(401, b"", {})]
    assert account.read("c", "o") == b"x"
    assert script.logins == 2
    script.answers = [(401, b"", {})] * 2
    with pytest.raises(LoginRefused):
        account.read("c", "o")
    assert account.read("c", "o") == b"x"


def test_a_body_that_cannot_be_read_again_is_sent_once(account: Account, script: Script) -> None:
    """An iterable that failed is its maker's to repeat; a file is rewound and sent again."""
    script.answers = [(503, b"", {})]
    with pytest.raises(Unavailable):
        account.put("c", "o", iter([b"x"]))
    script.answers = [(503, b"", {})]
    account.put("c", "o", io.BytesIO(b"whole"), length=5)
    assert account.read("c", "o") == b"whole"


def test_a_missing_container_is_made_on_the_way(account: Account, script: Script) -> None:
    """A PUT that hears 404 makes the container and is made again."""
    script.answers = [(404, b"", {}), (201, b"", {})]
    account.put("c", "o", b"x")
    assert [method for method, _ in script.seen] == ["PUT", "PUT", "PUT"]
    assert account.read("c", "o") == b"x"


def test_a_broken_body_is_taken_up_where_it_broke(account: Account, script: Script) -> None:
    """Broken off twice, a stream is whole; each time it asks for the rest of the same version only."""
    data = bytes(range(256)) * 4096
    account.put("c", "o", data)
    script.cut_short = 2
    assert b"".join(account.stream("c", "o")) == data
    assert script.headers[-1]["if-match"] == md5(data).hexdigest()
    script.cut_short = 1
    assert account.read("c", "o") == data
    script.cut_short = 99
    with pytest.raises(Unavailable):
        list(account.stream("c", "o"))


def test_another_etag_than_that_of_the_bytes_is_corruption(account: Account, script: Script) -> None:
    """The store must have what was sent."""
    script.answers = [(201, b"", {"ETag": "0" * 32})]
    with pytest.raises(Corrupt):
        account.put("c", "o", b"x")


def test_a_condition_and_a_newest_read_are_asked_for(account: Account, script: Script) -> None:
    """`only_new` and `newest` are the headers that say so."""
    account.put("c", "o", b"x", only_new=True)
    assert script.headers[-1]["if-none-match"] == "*"
    account.read("c", "o", newest=True)
    assert script.headers[-1]["x-newest"] == "true"


def test_a_log_in_by_version_3(server: http.server.ThreadingHTTPServer, script: Script) -> None:
    """User and project with their domain, the store's endpoint from the catalogue; a wrong password is said."""
    auth = f"http://127.0.0.1:{server.server_address[1]}/v3"
    right = StoreConfig(store_auth_url=auth, store_auth_version="3", store_user="cloud", store_key="secret")
    account = Account(right, sleep=lambda _: None)
    account.put("c", "o", b"x")
    script.answers = [(401, b"", {})]
    assert account.read("c", "o") == b"x"
    assert script.logins == 2
    with pytest.raises(LoginRefused):
        Account(dataclasses.replace(right, store_key="wrong"), sleep=lambda _: None).read("c", "o")


def test_a_store_that_is_not_there_is_unavailable() -> None:
    """Nobody listens: Unavailable, after the repetitions and no others."""
    config = StoreConfig(store_auth_url="http://127.0.0.1:9/auth", store_retries=1)
    with pytest.raises(Unavailable):
        Account(config, sleep=lambda _: None).read("c", "o")
