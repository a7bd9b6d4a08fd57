"""A small Keystone, version 3 of its API: what a store, its clients and Tempest need, kept in memory.

    python keystone.py PORT STORE_URL ──▶ POST /v3/auth/tokens ──▶ X-Subject-Token, the catalogue in the body
                                          GET /v3/auth/tokens ──▶ what a token is good for
                                          domains, projects, users, roles and who has which where

A double for tests: passwords lie open, tokens live an hour, and whoever has the role `admin` anywhere may change
everything. `running()` is a process of its own, as Keystone would be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

Thing = dict[str, Any]
ADMIN_PASSWORD = "keystone-admin"
SERVICE_PASSWORD = "keystone-swift"
REGION = "RegionOne"
LIFE_SECONDS = 3600
KINDS = {"domains": "domain", "projects": "project", "users": "user", "roles": "role"}
ROLES = ("admin", "member", "reader", "service", "swiftoperator", "ResellerAdmin")
START_TIMEOUT_SECONDS = 120


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Token:
    """What was handed out."""

    user: Thing
    scope: str | None
    """"projects", "domains" or "system", None for an unscoped one."""
    target: Thing | None
    expires: float = field(default_factory=lambda: time.time() + LIFE_SECONDS)


class Directory:
    """Who there is, and who may do what where."""

    def __init__(self, store_url: str) -> None:
        self.store_url = store_url
        self.things: dict[str, dict[str, Thing]] = {kind: {} for kind in KINDS}
        self.grants: set[tuple[str, str, str, str]] = set()
        """(scope, target's id, user's id, role's id)"""
        self.tokens: dict[str, Token] = {}
        self.add("domains", {"id": "default", "name": "Default"})
        roles = {name: self.add("roles", {"name": name})["id"] for name in ROLES}
        for name, password, role in (
            ("admin", ADMIN_PASSWORD, "admin"),
            ("swift", SERVICE_PASSWORD, "service"),
        ):
            project = self.add("projects", {"name": "admin" if name == "admin" else "service"})
            user = self.add("users", {"name": name, "password": password})
            self.grants.add(("projects", project["id"], user["id"], roles[role]))
            if name == "swift":
                self.grants.add(("projects", project["id"], user["id"], roles["admin"]))

    def add(self, kind: str, wanted: Mapping[str, Any]) -> Thing:
        """Make a thing; its name must be new in its domain."""
        made: Thing = {"id": uuid.uuid4().hex, "enabled": True, "description": "", "links": {}, **wanted}
        if kind in ("projects", "users"):
            made["domain_id"] = wanted.get("domain_id") or "default"
        if kind == "projects":
            made |= {"is_domain": False, "parent_id": made["domain_id"], "tags": []}
        if not made.get("name"):
            raise Problem(400, "a name is required")
        if self.named(kind, made["name"], made.get("domain_id")) is not None:
            raise Problem(409, f"{KINDS[kind]} {made['name']} exists")
        self.things[kind][made["id"]] = made
        return made

    def named(self, kind: str, name: str, domain_id: str | None) -> Thing | None:
        """Return the thing of that name; names of users and projects count within their domain."""
        for thing in self.things[kind].values():
            if thing["name"].lower() == name.lower() and thing.get("domain_id") == domain_id:
                return thing
        return None

    def get(self, kind: str, key: str) -> Thing:
        """Return the thing with that id."""
        if key not in self.things[kind]:
            raise Problem(404, f"Could not find {KINDS[kind]}: {key}.")
        return self.things[kind][key]

    def remove(self, kind: str, key: str) -> None:
        """Remove a thing, and what was granted to it or on it."""
        self.get(kind, key)
        del self.things[kind][key]
        self.grants = {grant for grant in self.grants if key not in grant[1:]}
        self.tokens = {
            name: token
            for name, token in self.tokens.items()
            if key not in (token.user["id"], (token.target or {}).get("id"))
        }

    def referred(self, kind: str, reference: Mapping[str, Any]) -> Thing:
        """Return the thing that is told by its id, or by its name and its domain's id or name."""
        if "id" in reference:
            found = self.things[kind].get(reference["id"])
        else:
            domain = reference.get("domain") or {"id": "default"}
            domain_id = None if kind == "domains" else self.referred("domains", domain)["id"]
            found = self.named(kind, reference.get("name", ""), domain_id)
        if found is None:
            raise Problem(401, "The request you have made requires authentication.")
        return found

    def roles_of(self, token: Token) -> list[Thing]:
        """Return what roles a token gives."""
        target = (token.target or {}).get("id", "")
        return [
            self.things["roles"][role]
            for scope, where, user, role in sorted(self.grants)
            if (scope, where, user) == (token.scope, target, token.user["id"])
        ]

    def log_in(self, request: Thing) -> str:
        """Return a new token for somebody who knows a password, or has a token already."""
        wanted = request.get("auth", {})
        identity = wanted.get("identity", {})
        if "password" in identity.get("methods", ()):
            given = identity["password"]["user"]
            user = self.referred("users", given)
            if user["password"] != given.get("password"):
                raise Problem(401, "The request you have made requires authentication.")
        elif "token" in identity.get("methods", ()):
            user = self.token(identity["token"]["id"]).user
        else:
            raise Problem(400, "the method must be password or token")
        token = Token(user, None, None)
        for word in ("project", "domain", "system"):
            if word in (wanted.get("scope") or {}):
                token.scope = word if word == "system" else f"{word}s"
                if word != "system":
                    token.target = self.referred(token.scope, wanted["scope"][word])
        if token.scope and not self.roles_of(token):
            raise Problem(401, "The user has no role there.")
        name = f"gAAAA{uuid.uuid4().hex}"
        self.tokens[name] = token
        return name

    def token(self, name: str | None) -> Token:
        """Return a token that is good."""
        token = self.tokens.get(name or "")
        if token is None or token.expires < time.time():
            raise Problem(401, "The request you have made requires authentication.")
        return token

    def described(self, token: Token, identity_url: str) -> Thing:
        """Return what Keystone tells of a token."""
        told: Thing = {
            "methods": ["password"],
            "user": self._named_within(token.user),
            "audit_ids": [uuid.uuid4().hex[:22]],
            "expires_at": _moment(token.expires),
            "issued_at": _moment(token.expires - LIFE_SECONDS),
        }
        if token.scope is None:
            return {"token": told}
        told["roles"] = [{"id": role["id"], "name": role["name"]} for role in self.roles_of(token)]
        if token.scope == "system":
            told["system"] = {"all": True}
        elif token.scope == "domains":
            assert token.target is not None
            told["domain"] = {"id": token.target["id"], "name": token.target["name"]}
        else:
            assert token.target is not None
            told |= {"project": self._named_within(token.target), "is_domain": False}
        project_id = (token.target or {}).get("id", "")
        told["catalog"] = [
            _service("object-store", "swift", f"{self.store_url}/v1/AUTH_{project_id}"),
            _service("identity", "keystone", identity_url),
        ]
        return {"token": told}

    def _named_within(self, thing: Thing) -> Thing:
        domain = self.things["domains"][thing["domain_id"]]
        return {
            "id": thing["id"],
            "name": thing["name"],
            "domain": {"id": domain["id"], "name": domain["name"]},
            "password_expires_at": None,
        }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))


def _service(kind: str, name: str, url: str) -> Thing:
    endpoints = [
        {"id": uuid.uuid4().hex, "interface": face, "region": REGION, "region_id": REGION, "url": url}
        for face in ("public", "internal", "admin")
    ]
    return {"id": uuid.uuid4().hex, "type": kind, "name": name, "endpoints": endpoints}


def answer(
    directory: Directory, method: str, target: str, headers: Mapping[str, str], body: Thing, identity_url: str
) -> tuple[int, dict[str, str], Thing | None]:
    """Return status, headers and body of an answer; Problem says what else."""
    path, _, query = target.partition("?")
    words = path.strip("/").split("/")
    if words in ([""], ["v3"]):
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{identity_url}/"}]}
        return (200, {}, {"version": version}) if words[0] else (300, {}, {"versions": {"values": [version]}})
    if words == ["v3", "auth", "tokens"]:
        return _tokens(directory, method, headers, body, identity_url)
    asker = directory.token(headers.get("x-auth-token"))
    if words[0] != "v3":
        raise Problem(404, f"no {path}")
    if not any(role["name"] == "admin" for role in directory.roles_of(asker)):
        raise Problem(403, "You are not authorized to perform the requested action.")
    if len(words) in (2, 3) and words[1] in KINDS:
        return _things(directory, method, words[1:], dict(parse_qsl(query)), body)
    if "users" in words[2:] and "roles" in words[3:]:
        return _grants(directory, method, words[1:])
    raise Problem(404, f"no {path}")


def _tokens(
    directory: Directory, method: str, headers: Mapping[str, str], body: Thing, identity_url: str
) -> tuple[int, dict[str, str], Thing | None]:
    if method == "POST":
        name = directory.log_in(body)
        return 201, {"X-Subject-Token": name}, directory.described(directory.tokens[name], identity_url)
    directory.token(headers.get("x-auth-token"))
    name = headers.get("x-subject-token", "")
    try:
        token = directory.token(name)
    except Problem as problem:
        raise Problem(404, "Could not find token.") from problem
    if method == "DELETE":
        del directory.tokens[name]
        return 204, {}, None
    return 200, {"X-Subject-Token": name}, directory.described(token, identity_url)


def _things(
    directory: Directory, method: str, words: list[str], query: Mapping[str, str], body: Thing
) -> tuple[int, dict[str, str], Thing | None]:
    kind, key = words[0], words[1] if len(words) > 1 else None
    one = KINDS[kind]
    if key is None:
        if method == "POST":
            return 201, {}, {one: _shown(directory.add(kind, body[one]))}
        wanted = {name: value for name, value in query.items() if name in ("name", "domain_id")}
        found = [
            _shown(thing)
            for thing in directory.things[kind].values()
            if all(thing.get(name) == value for name, value in wanted.items())
        ]
        return 200, {}, {kind: found, "links": {"next": None, "previous": None, "self": ""}}
    if method == "DELETE":
        directory.remove(kind, key)
        return 204, {}, None
    thing = directory.get(kind, key)
    if method == "PATCH":
        thing.update(body[one])
    return 200, {}, {one: _shown(thing)}


def _shown(thing: Thing) -> Thing:
    return {name: value for name, value in thing.items() if name != "password"}


def _grants(directory: Directory, method: str, words: list[str]) -> tuple[int, dict[str, str], Thing | None]:
    """Answer for projects/P/users/U/roles[/R], the same of domains, and system/users/U/roles[/R]."""
    scope = words[0]
    where = "" if scope == "system" else directory.get(scope, words[1])["id"]
    rest = words[1:] if scope == "system" else words[2:]
    user = directory.get("users", rest[1])["id"]
    if len(rest) == 3:
        held = [role for (*place, role) in sorted(directory.grants) if place == [scope, where, user]]
        return 200, {}, {"roles": [_shown(directory.things["roles"][role]) for role in held]}
    grant = (scope, where, user, directory.get("roles", rest[3])["id"])
    if method == "PUT":
        directory.grants.add(grant)
    elif grant not in directory.grants:
        raise Problem(404, "Could not find role assignment.")
    elif method == "DELETE":
        directory.grants.remove(grant)
    return 204, {}, None


def server(port: int, store_url: str) -> ThreadingHTTPServer:
    """Return a server that is not running yet."""
    directory = Directory(store_url)
    identity_url = f"http://127.0.0.1:{port}/v3"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                body = json.loads(self.rfile.read(length)) if length else {}
                status, fields, content = answer(
                    directory, self.command, self.path, headers, body, identity_url
                )
            except Problem as problem:
                status, fields = problem.status, {}
                if status == 401:
                    fields = {"WWW-Authenticate": f'Keystone uri="{identity_url}"'}
                content = {"error": {"code": status, "message": str(problem), "title": "Error"}}
            raw = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made.daemon_threads = True
    return made


@contextmanager
def running(port: int, store_url: str) -> Iterator[str]:
    """A Keystone that runs; yields its URL with /v3."""
    process = subprocess.Popen([sys.executable, str(Path(__file__)), str(port), store_url])
    try:
        _await(f"http://127.0.0.1:{port}/v3", process)
        yield f"http://127.0.0.1:{port}/v3"
    finally:
        process.terminate()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            urlopen(url, timeout=1).close()
        except OSError:
            assert process.poll() is None, "keystone ended at once"
            assert time.monotonic() < deadline, f"keystone does not answer at {url}"
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    assert urlsplit(sys.argv[2]).scheme, "expected PORT STORE_URL"
    server(int(sys.argv[1]), sys.argv[2]).serve_forever()
