"""The most that an account may hold, altogether and by storage policy, as the cluster's operator wishes.

    PUT, POST account  X-Account-Quota-Bytes, -Quota-Count, each also -Policy-NAME ──▶ resellers, else 403
    GET, HEAD account  ◀── the same, from system metadata, for everybody who may look
    PUT object         usage asked now ──▶ quotas.py ──▶ 413 `Upload exceeds quota.`

An account learns what its containers hold only when they report, every few minutes. The container that is
written to is therefore counted as it is now (unless it keeps versions), the others as they last reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from ...common import info as capabilities
from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ...common.policies import Policies
from ..authorization import denial
from ..info import AccountInfo, ContainerInfo, get_account_info, get_container_info
from .container_quotas import keeps_versions
from .inner import ask, path_of
from .quotas import NOTHING, Amount, Gate, Limit, Quota, is_quota, names_of, size_of_stored, usage_headers
from .shortcut import Affair, Shortcut, passable

KINDS = ("Quota-Bytes", "Quota-Count")
OBSOLETE = (  # Names that were metadata once; their values mean the same.
    ("HTTP_X_ACCOUNT_META_QUOTA_BYTES", "HTTP_X_ACCOUNT_QUOTA_BYTES"),
    ("HTTP_X_REMOVE_ACCOUNT_META_QUOTA_BYTES", "HTTP_X_REMOVE_ACCOUNT_QUOTA_BYTES"),
)
POLICY_SENTENCE = "Upload exceeds policy quota."


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountQuotasConfig:
    """The filter's settings."""

    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf, which names the policies.")


class AccountQuotas:
    """The filter."""

    def __init__(self, app: WSGIApp, policies: Policies) -> None:
        self.app = app
        self._policies = policies
        self._gate = Gate(app)
        names = [(kind, f"X-Account-Sysmeta-{kind}") for kind in KINDS]
        for policy in policies.all:
            for kind in KINDS:
                stored = f"X-Account-Sysmeta-{kind}-Policy-{policy.index}"
                names.append((f"{kind}-Policy-{policy.name}", stored))
        self._shown = {stored.lower(): f"X-Account-{name}" for name, stored in names}
        self._settable = [(_key(f"Account-{name}"), _key(stored[2:])) for name, stored in names]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path: str = environ["PATH_INFO"]
        if path.count("/") < 4 and path.rstrip("/").count("/") == 2:
            return self._serve_account(environ, start_response)
        if environ["REQUEST_METHOD"] != "PUT" or environ.get("reseller_request") is True:
            return self.app(environ, start_response)
        names = names_of(environ)
        if names is None:
            return self.app(environ, start_response)
        account = get_account_info(environ, self.app)
        if not any(key.startswith("quota-") for key in (*account.sysmeta, *account.meta)):
            return self.app(environ, start_response)
        container = get_container_info(environ, self.app)
        quotas = self._quotas(environ, names, account, container)
        if not quotas or not container.exists:
            return self.app(environ, start_response)
        # Where versions are kept, the account goes on holding what is overwritten.
        stays = keeps_versions(container) or "versions-location" in container.sysmeta
        replaced = _nothing if stays else lambda: size_of_stored(self.app, environ)
        return self._gate.serve(
            environ, start_response, quotas, replaced=replaced, write_acl=container.write_acl
        )

    # --- quotas of the account ----------------------------------------------------------------

    def _serve_account(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("PUT", "POST"):
            refusal = self._take_settings(environ)
            if refusal is not None:
                return refusal(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            shown = [
                (self._shown[name.lower()], value) for name, value in headers if name.lower() in self._shown
            ]
            return start_response(status, [*headers, *shown], exc_info)

        return self.app(environ, start)

    def _take_settings(self, environ: Environ) -> Answer | None:
        """Make system metadata of what is to be set, or return the refusal."""
        for old, new in OBSOLETE:
            if old in environ and not environ.get(new):
                environ[new] = environ[old]
        wishes = {}
        for name, stored in self._settable:
            wish = environ.pop(f"HTTP_X_{name}", None)
            if environ.get(f"HTTP_X_REMOVE_{name}"):
                wish = ""
            if wish is not None:
                wishes[f"HTTP_X_{stored}"] = wish
        if not wishes:
            return None
        if environ.get("reseller_request") is not True:
            return denial(environ, None) or Answer.text(403, "Only resellers may set an account's quotas.")
        if not all(wish == "" or is_quota(wish) for wish in wishes.values()):
            return Answer.text(400, "A quota is a whole number of bytes or objects.")
        environ.update(wishes)
        return None

    # --- uploads ------------------------------------------------------------------------------

    def _quotas(
        self, environ: Environ, names: tuple[str, str, str], account: AccountInfo, container: ContainerInfo
    ) -> list[Quota]:
        """Return the quotas that are set, of the account and of the container's policy in it."""
        known, index = account.sysmeta, container.policy_index
        whole = Limit.of(known.get("quota-bytes", account.meta.get("quota-bytes")), known.get("quota-count"))
        of_policy = Limit.of(
            known.get(f"quota-bytes-policy-{index}"), known.get(f"quota-count-policy-{index}")
        )
        policy = self._policies.by_index(index)
        usage = self._usage_with_versions if keeps_versions(container) else self._usage
        quotas = []
        if whole.is_set:
            quotas.append(Quota(f"account/{names[0]}", whole, partial(usage, environ, names, "x-account-{}")))
        if of_policy.is_set and policy is not None:
            form = f"x-account-storage-policy-{policy.name.lower()}-{{}}"
            asked = partial(usage, environ, names, form)
            quotas.append(Quota(f"policy/{index}/{names[0]}", of_policy, asked, POLICY_SENTENCE))
        return quotas

    def _usage(self, environ: Environ, names: tuple[str, str, str], form: str) -> Amount:
        """Return what the account holds; its counts come last, so that a report in between counts twice."""
        reported = self._reported(environ, *names[:2])
        container = usage_headers(self.app, environ, path_of(environ, *names[:2]))
        account = usage_headers(self.app, environ, path_of(environ, names[0]))
        return _amount(account, form) + _amount(container, "x-container-{}") - reported

    def _usage_with_versions(self, environ: Environ, names: tuple[str, str, str], form: str) -> Amount:
        """Return what the account holds by its containers' reports.

        What a container with versions says of itself is not what it reports: its versions lie in another one.
        """
        return _amount(usage_headers(self.app, environ, path_of(environ, names[0])), form)

    def _reported(self, environ: Environ, account: str, container: str) -> Amount:
        """Return what the account has been told of a container."""
        query = {"format": "json", "prefix": container, "limit": "1"}
        reply = ask(self.app, environ, "GET", path_of(environ, account), query=query, trusted=True)
        if reply.status != 200:
            reply.close()
            return NOTHING
        rows = orjson.loads(reply.read() or b"[]")
        if not rows or rows[0].get("name") != container:
            return NOTHING
        return Amount(rows[0]["bytes"], rows[0]["count"])


def _amount(headers: dict[str, str], form: str) -> Amount:
    return Amount(
        int(headers.get(form.format("bytes-used"), 0)), int(headers.get(form.format("object-count"), 0))
    )


def _nothing() -> Amount:
    return NOTHING


def _key(name: str) -> str:
    return name.upper().replace("-", "_")


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#account_quotas`."""
    config = parse(AccountQuotasConfig, {**global_conf, **local_conf})
    policies = ClusterConf.load(config.swift_dir).policies
    capabilities.register("account_quotas")
    return passable(lambda app: AccountQuotas(app, policies), Affair(facts=True))
