"""Requests for containers.

    GET HEAD    ──▶ account there? ──▶ replicas ──▶ authorised by the read ACL found? ──▶ listing
    PUT         ──▶ account there, or made now ──▶ all replicas, each telling one account replica
    POST DELETE ──▶ all replicas

Listings leave here as JSON; the listing_formats filter makes of them what the client reads.
"""

from __future__ import annotations

from collections.abc import Callable

from ...common.constraints import check_container_name
from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.wsgi import let_go
from .. import backend_headers
from ..answers import HTML, answer_of, plain
from ..authorization import denial
from ..call import Call
from ..fanout import statuses
from ..info import AccountInfo, ContainerInfo
from ..infos import require_known
from ..listing.reading import read_listing
from ..metadata import check_item_metadata
from ..quorum import final_verdict
from ..services import Services
from .autocreate import create_account

POLICY_INDEX = "X-Backend-Storage-Policy-Index"


class ContainerController:
    """Serves requests for containers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._replicas = services.replicas
        self._settings = services.settings
        self.handlers = {
            "GET": self.read,
            "HEAD": self.read,
            "PUT": self.put,
            "POST": self.post,
            "DELETE": self.delete,
        }

    # --- reading -----------------------------------------------------------------------------

    def read(self, call: Call) -> Answer:
        """Serve a listing or its headers."""
        account = self._account(call)
        if not account.exists and not call.account.startswith("."):
            return denial(call.environ, None) or plain(404)
        assert call.container is not None
        answer = read_listing(self._services, call)
        info = ContainerInfo.of(answer.status, answer.headers)
        if answer.status // 100 == 2:
            self._services.infos.learn(call.environ, info, call.account, call.container)
        refusal = denial(call.environ, info.read_acl)
        if refusal is not None:
            let_go(answer.body)
            return refusal
        self._name_policy(answer)
        self._hide_from_strangers(call, answer)
        return answer

    def _account(self, call: Call) -> AccountInfo:
        info = self._services.infos.account(call.environ, call.account)
        if info.status >= 500:
            require_known(ContainerInfo(status=info.status))
        return info

    def _name_policy(self, answer: Answer) -> None:
        index = answer.headers.get(POLICY_INDEX)
        if index is None or answer.status // 100 != 2:
            return
        policy = self._services.cluster.policies.by_index(int(index))
        if policy is not None:
            answer.headers["X-Storage-Policy"] = policy.name

    def _hide_from_strangers(self, call: Call, answer: Answer) -> None:
        if call.is_owner:
            return
        for name in [name for name in answer.headers if name.title() in self._services.owner_headers]:
            del answer.headers[name]

    # --- writing -----------------------------------------------------------------------------

    def put(self, call: Call) -> Answer:
        """Create a container, or merge metadata into it."""
        refusal = self._refusal(call)
        if refusal is not None:
            return refusal
        policy_index = self._policy_index(call)
        assert call.container is not None
        account = self._account(call)
        if not account.really_exists and self._settings.account_autocreate and account.status != 410:
            if not create_account(self._services, call):
                return plain(503)
            account = self._account(call)
        if not account.really_exists:
            return plain(404)
        self._check_container_count(call, account)
        headers = backend_headers.for_container(call, self._replicas.user_agent)
        if policy_index is None:
            headers["X-Backend-Storage-Policy-Default"] = str(self._services.cluster.policies.default.index)
        else:
            headers[POLICY_INDEX] = str(policy_index)
        return self._change(call, headers, tells_account=True)

    def _check_container_count(self, call: Call, account: AccountInfo) -> None:
        most = self._settings.max_containers_per_account
        if not 0 < most <= account.container_count:
            return
        if call.account in self._settings.max_containers_whitelist:
            return
        assert call.container is not None
        if not self._services.infos.container(call.environ, call.account, call.container).exists:
            raise Refused(f"Reached container limit of {most}", 403)

    def _policy_index(self, call: Call) -> int | None:
        name = call.header("X_STORAGE_POLICY")
        if not name:
            return None
        policy = self._services.cluster.policies.by_name(name)
        if policy is None:
            raise Refused(f"Invalid X-Storage-Policy '{name}'")
        if policy.deprecated:
            raise Refused(f"Storage Policy {policy.name!r} is deprecated")
        return policy.index

    def post(self, call: Call) -> Answer:
        """Merge metadata into a container."""
        refusal = self._refusal(call)
        if refusal is not None:
            return refusal
        if not self._account(call).really_exists:
            return plain(404)
        return self._change(call, backend_headers.for_container(call, self._replicas.user_agent))

    def delete(self, call: Call) -> Answer:
        """Remove an empty container."""
        refusal = denial(call.environ, None)
        if refusal is not None:
            return refusal
        if not self._account(call).really_exists:
            return plain(404)
        headers = backend_headers.for_container(call, self._replicas.user_agent)
        headers["X-Backend-Storage-Policy-Default"] = str(self._services.cluster.policies.default.index)
        answer = self._change(call, headers, tells_account=True)
        # 202 says that no replica had the container.
        return plain(404) if answer.status == 202 else answer

    def _refusal(self, call: Call) -> Answer | None:
        """Judge a PUT or POST: authorisation, ACL syntax, metadata, name."""
        refusal = denial(call.environ, None)
        if refusal is not None:
            return refusal
        clean_acls(call)
        limits = self._services.cluster.constraints
        check_item_metadata(call.environ, "CONTAINER", limits)
        if not call.is_owner:
            for key in self._services.owner_keys():
                call.environ.pop(key, None)
        assert call.container is not None
        try:
            check_container_name(call.container, limits)
        except Refused as refused:
            return Answer.text(refused.status, str(refused), {"Content-Type": HTML})
        return None

    def _change(self, call: Call, headers: dict[str, str], *, tells_account: bool = False) -> Answer:
        assert call.container is not None
        home = self._replicas.rings.of_container(call.account, call.container)
        requests = [dict(headers) for _ in range(home.replicas)]
        if tells_account:
            self._name_account(call, requests)
        infos = self._services.infos
        infos.forget(call.environ, call.account, call.container)
        replies = self._replicas.change(
            self._replicas.question(call.method, call.path, home),
            requests,
            self._replicas.in_founding_order(home),
            replicas=home.replicas,
        )
        infos.forget(call.environ, call.account, call.container)
        return answer_of(replies, final_verdict(statuses(replies), replicas=home.replicas))

    def _name_account(self, call: Call, requests: list[dict[str, str]]) -> None:
        """Deal the account's replicas among the container's, so that each is told by one."""
        home = self._replicas.rings.of_account(call.account)
        for turn, device in enumerate(home.primaries):
            mine = requests[turn % len(requests)]
            mine["X-Account-Partition"] = str(home.partition)
            for name, value in (
                ("X-Account-Host", f"{device.ip}:{device.port}"),
                ("X-Account-Device", device.device),
            ):
                mine[name] = f"{mine[name]},{value}" if name in mine else value


def clean_acls(call: Call) -> None:
    """Let the auth filter bring ACLs into their canonical form; Refused when it can't read one."""
    cleaner: Callable[[str, str], str] | None = call.environ.get("swift.clean_acl")
    if cleaner is None:
        return
    for name in ("x-container-read", "x-container-write"):
        key = "HTTP_" + name.upper().replace("-", "_")
        if key in call.environ:
            try:
                call.environ[key] = cleaner(name, call.environ[key])
            except ValueError as problem:
                raise Refused(str(problem)) from problem
