"""Tokens: what is believed, and what is not."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as some

from apus.common.errors import Unavailable
from apus.common.identity import AccessRule, Identity, Revocation, TokenRefused, Verifier
from apus.common.identity.claims import Unreadable, claims_of, identity_in
from apus.common.identity.notice_board import FILE, FolderBoard, Notices, RemoteBoard, notices_text
from apus.common.identity.signature import ALGORITHM, NOTICES, TOKEN, Keys, SigningKey, public_text, sign
from apus.common.identity.verifier import judged

NOW = 1_800_000_000.0
KEY = SigningKey.of(Ed25519PrivateKey.generate())
OTHER = SigningKey.of(Ed25519PrivateKey.generate())
SOMEBODY = Identity(
    user_id="u1",
    user_name="Ümit",
    user_domain_id="default",
    user_domain_name="Default",
    project_id="p1",
    project_name="demo",
    project_domain_id="default",
    project_domain_name="Default",
    roles=("member",),
    role_ids=("r1",),
    audit_id="a1",
    parent_audit_id="a0",
    issued_at=NOW - 10,
    expires_at=NOW + 100,
    methods=("password",),
)


def published(
    folder: Path, *keys: SigningKey, revoked: tuple[Revocation, ...] = (), now: float = NOW
) -> None:
    folder.mkdir(exist_ok=True)
    for key in keys:
        (folder / f"{key.key_id}.pem").write_text(public_text(key.private.public_key()))
    publics = [key.private.public_key() for key in keys]
    fresh = folder / "fresh"
    fresh.write_text(notices_text(publics, revoked, by=keys[0], now=now))
    fresh.rename(folder / FILE)


def verifier(folder: Path, now: float = NOW, service_type: str = "") -> Verifier:
    return Verifier(FolderBoard(folder), service_type=service_type, clock=lambda: now)


def token(identity: Identity = SOMEBODY, key: SigningKey = KEY) -> str:
    return sign(claims_of(identity), TOKEN, key)


texts = some.text(min_size=1, max_size=20)
identities = some.builds(
    Identity,
    user_id=texts,
    user_name=texts,
    user_domain_id=texts,
    user_domain_name=texts,
    project_id=some.none() | texts,
    domain_id=some.none() | texts,
    system_scope=some.booleans(),
    roles=some.lists(texts).map(tuple),
    audit_id=texts,
    issued_at=some.floats(1, 1e10),
    expires_at=some.floats(1, 1e10),
    methods=some.lists(texts).map(tuple),
    application_credential_restricted=some.booleans(),
    access_rules=some.none() | some.lists(some.builds(AccessRule, texts, texts, texts)).map(tuple),
)


@given(identities)
def test_claims_come_back(identity: Identity) -> None:
    """What is written into a token is what is read from it."""
    assert identity_in(json.loads(json.dumps(claims_of(identity)))) == identity


@given(some.dictionaries(some.sampled_from(["uid", "r", "rules", "exp", "sys", "jti"]), some.none() | texts))
def test_claims_of_another_kind_are_unreadable(said: dict[str, Any]) -> None:
    """Whatever was signed, it is an identity or it is Unreadable."""
    with pytest.raises(Unreadable):
        identity_in(said)


def test_a_good_token_is_believed_twice(tmp_path: Path) -> None:
    """A token is checked, and from then on remembered until it expires."""
    published(tmp_path, KEY)
    moment = [NOW]
    asked = Verifier(FolderBoard(tmp_path), clock=lambda: moment[0])
    assert asked.verify(token()) == asked.verify(token()) == SOMEBODY
    moment[0] = SOMEBODY.expires_at
    with pytest.raises(TokenRefused, match="expired"):
        asked.verify(token())


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_with_another_algorithm_is_refused(tmp_path: Path, algorithm: str) -> None:
    """Trap: alg=none, and the public key taken for the secret of a MAC."""
    published(tmp_path, KEY)
    secret = None if algorithm == "none" else base64.b64encode(KEY.private.public_key().public_bytes_raw())
    forged = jwt.encode(
        claims_of(SOMEBODY),
        secret,  # type: ignore[arg-type]
        algorithm=algorithm,
        headers={"kid": KEY.key_id, "typ": TOKEN},
    )
    with pytest.raises(TokenRefused):
        verifier(tmp_path).verify(forged)


def test_a_token_of_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """Only published keys are believed, also when somebody signs under the id of one."""
    published(tmp_path, KEY)
    posing = SigningKey(OTHER.private, KEY.key_id)
    for forger in (OTHER, posing):
        with pytest.raises(TokenRefused):
            verifier(tmp_path).verify(token(key=forger))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(tmp_path: Path, part: int) -> None:
    """No letter of a token can be changed."""
    published(tmp_path, KEY)
    parts = token().split(".")
    changed = "A" if parts[part][5] != "A" else "B"
    parts[part] = parts[part][:5] + changed + parts[part][6:]
    with pytest.raises(TokenRefused):
        verifier(tmp_path).verify(".".join(parts))


@given(some.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    """What is no token is refused, whatever it is."""
    with pytest.raises(TokenRefused):
        judged(text, Notices(Keys({KEY.key_id: KEY.private.public_key()})), now=NOW)


def test_notices_are_no_token(tmp_path: Path) -> None:
    """What the same key has signed for another purpose is no token."""
    published(tmp_path, KEY)
    with pytest.raises(TokenRefused):
        verifier(tmp_path).verify(sign(claims_of(SOMEBODY), NOTICES, KEY))


def test_a_clock_may_be_a_little_behind(tmp_path: Path) -> None:
    """A token issued by a clock half a minute ahead is good; one from further ahead is not."""
    published(tmp_path, KEY)
    ahead = replace(SOMEBODY, issued_at=NOW + 20)
    assert verifier(tmp_path).verify(token(ahead)) == ahead
    with pytest.raises(TokenRefused, match="future"):
        verifier(tmp_path).verify(token(replace(SOMEBODY, issued_at=NOW + 40)))


@pytest.mark.parametrize(
    "revoked",
    [
        Revocation(before=NOW, audit_id="a1"),
        Revocation(before=NOW, chain_id="a0"),
        Revocation(before=NOW, user_id="u1"),
        Revocation(before=NOW, user_id="u1", project_id="p1"),
        Revocation(before=NOW, project_id="p1"),
        Revocation(before=NOW, domain_id="default"),
        Revocation(before=NOW, role_id="r1"),
    ],
)
def test_a_revocation_counts_with_the_next_request(tmp_path: Path, revoked: Revocation) -> None:
    """A token that was good a moment ago is not, as soon as the folder says so."""
    published(tmp_path, KEY)
    asked = verifier(tmp_path)
    asked.verify(token())
    published(tmp_path, KEY, revoked=(revoked,))
    with pytest.raises(TokenRefused, match="revoked"):
        asked.verify(token())


@pytest.mark.parametrize(
    "revoked",
    [
        Revocation(before=NOW, audit_id="a0"),
        Revocation(before=NOW, user_id="u2"),
        Revocation(before=NOW - 11, user_id="u1"),
        Revocation(before=NOW, user_id="u1", project_id="p2"),
        Revocation(before=NOW, scope_domain_id="default"),
        Revocation(before=NOW, user_id="u1", system=True),
        Revocation(before=NOW),
    ],
)
def test_a_revocation_means_no_others(tmp_path: Path, revoked: Revocation) -> None:
    """Tokens of others, of other scopes, and later ones stay good."""
    published(tmp_path, KEY, revoked=(revoked,))
    assert verifier(tmp_path).verify(token()) == SOMEBODY


def test_keys_change_while_tokens_stay_good(tmp_path: Path) -> None:
    """Both keys count while both are published; afterwards the old one's tokens are refused."""
    published(tmp_path, KEY)
    asked = verifier(tmp_path)
    published(tmp_path, OTHER, KEY)
    assert asked.verify(token()) == asked.verify(token(key=OTHER)) == SOMEBODY
    (tmp_path / f"{KEY.key_id}.pem").unlink()
    published(tmp_path, OTHER)
    with pytest.raises(TokenRefused):
        asked.verify(token())


def test_without_a_key_nobody_is_let_in(tmp_path: Path) -> None:
    """No key, or notices that no key of the folder has signed: Unavailable, and never a guess."""
    with pytest.raises(Unavailable):
        verifier(tmp_path).verify(token())
    published(tmp_path, KEY)
    (tmp_path / FILE).write_text(notices_text([], [], by=OTHER, now=NOW))
    with pytest.raises(Unavailable):
        verifier(tmp_path).verify(token())


def test_another_machine_asks_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New keys and revocations arrive by HTTP; what is forged or older changes nothing."""
    published(tmp_path, KEY)
    (tmp_path / FILE).unlink()
    answers: list[str] = []
    monkeypatch.setattr("apus.common.identity.notice_board.fetched", lambda url: answers.pop(0))
    moment = [0.0]
    board = RemoteBoard("http://identity/", tmp_path, clock=lambda: moment[0])
    asked = Verifier(board, clock=lambda: NOW)
    publics = [KEY.private.public_key(), OTHER.private.public_key()]
    revoked = Revocation(before=NOW, user_id="u1")
    answers += [
        notices_text(publics, [], by=KEY, now=NOW),
        notices_text(publics, [revoked], by=SigningKey(OTHER.private, KEY.key_id), now=NOW + 1),
        notices_text(publics, [revoked], by=OTHER, now=NOW - 1),
        notices_text(publics, [revoked], by=OTHER, now=NOW + 1),
    ]
    for _ in range(3):
        assert asked.verify(token(key=OTHER)) == SOMEBODY
        assert asked.verify(token(key=OTHER)) == SOMEBODY  # Asks nobody: it is too early.
        moment[0] += 30
    with pytest.raises(TokenRefused, match="revoked"):
        asked.verify(token(key=OTHER))


def test_access_rules_bind(tmp_path: Path) -> None:
    """A limited credential is good for its requests at its service, and nowhere where nobody asks about them."""
    published(tmp_path, KEY)
    limited = token(replace(SOMEBODY, access_rules=(AccessRule("compute", "GET", "/v2.1/servers/*"),)))
    asked = verifier(tmp_path, service_type="compute")
    assert asked.verify(limited, method="GET", path="/v2.1/servers/1").user_id == "u1"
    for method, path in (("GET", "/v2.1/servers/1/ips"), ("DELETE", "/v2.1/servers/1"), ("", "")):
        with pytest.raises(TokenRefused):
            asked.verify(limited, method=method, path=path)
    with pytest.raises(TokenRefused):
        verifier(tmp_path, service_type="image").verify(limited, method="GET", path="/v2.1/servers/1")


@pytest.mark.parametrize(
    ("rule", "path", "fits"),
    [
        ("/v2/**", "/v2/a/b", True),
        ("/v2/{id}/x", "/v2/1/x", True),
        ("/v2/*", "/v2/", False),
        ("/v2/a.c", "/v2/abc", False),
        ("/v2/*", "/v2/a/b", False),
    ],
)
def test_patterns_of_access_rules(rule: str, path: str, fits: bool) -> None:
    """One star is one word, two are any number; all else is meant literally."""
    assert AccessRule("x", "GET", rule).admits(service="x", method="get", path=path) is fits


def test_the_algorithm_is_ed25519() -> None:
    """Tokens are signed with Ed25519; their head says so."""
    assert jwt.get_unverified_header(token())["alg"] == ALGORITHM
