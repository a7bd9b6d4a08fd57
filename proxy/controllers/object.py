"""Requests for objects.

    GET HEAD ──▶ container facts ──▶ authorised? ──▶ reading.py
    PUT      ──▶ ... exists? limits? ──▶ writing.py ──▶ put_verdict ──▶ 201, 202, 4xx, 503
    POST DELETE ──▶ ... ──▶ fanout.py ──▶ verdict

The proxy's hot path: nothing here builds a request or response object that nobody looks at.
"""

from __future__ import annotations

import logging
import mimetypes
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from ...common import metrics
from ...common.constraints import check_metadata, check_object_name
from ...common.errors import Refused
from ...common.http.answer import Answer
from ...common.http.client import Lines, Sendable
from ...common.http.wsgi import Environ, from_wsgi
from ...common.register import METHOD
from .. import backend_headers, lost_rows
from ..answers import HTML, answer_of, http_date, is_echo, plain, without_echoes
from ..authorization import denial
from ..call import Call
from ..container_updates import UpdateTarget, deal_updates
from ..expiry import QUEUE_ACCOUNT, delete_at, queue_container
from ..fanout import Replies, statuses
from ..footers import FOOTERS, Mime, told
from ..info import ContainerInfo
from ..infos import require_known
from ..quorum import (
    final_verdict,
    listing_pending,
    post_verdict,
    put_is_settled,
    put_verdict,
    quorum_size,
)
from ..register.condition import IF_MATCH, Condition, condition_of
from ..register.primaries import NoRegisters
from ..rings import Home
from ..services import Services
from ..writing import Stream, UploadLimits, read_body
from . import conditional

log = logging.getLogger(__name__)

PENDING = metrics.counter(
    "apus_proxy_listing_pending_total",
    "Acknowledged changes of objects whose rows fewer than a quorum of container replicas are known to have.",
    "method",
)
POLICY_INDEX = "X-Backend-Storage-Policy-Index"
NO_TYPE = "application/octet-stream"


@dataclass(slots=True)
class Target:
    """An object that the client may touch, and where it lives."""

    info: ContainerInfo
    policy_index: int
    home: Home
    container_replicas: int = 0
    """How many container replicas are to have the row of a change."""
    told: Sequence[bool] = ()
    """Which of those that only the proxy could tell of it have it."""


DEALT = frozenset(
    (
        "X-Backend-Clean-Expiring-Object-Queue",
        "X-Container-Partition",
        "X-Container-Host",
        "X-Container-Device",
        "X-Container-Root-Db-State",
    )
)
"""What each object server is told of its own."""
UPDATES_MAX = 4096
"""Containers whose update headers a worker keeps."""
LISTING_UPDATED = "X-Backend-Listing-Updated"


class ObjectController:
    """Serves requests for objects."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._infos = services.infos
        self._replicas = services.replicas
        self._settings = services.settings
        self._read_timeout_seconds = services.settings.read_timeout_seconds
        self._limits = services.cluster.constraints
        self._updates: dict[tuple[int, int, str], tuple[Home, list[Lines]]] = {}
        self._upload_limits = UploadLimits(
            max_file_size=self._limits.max_file_size,
            chunk_size=self._settings.client_chunk_size,
            answer_grace_seconds=self._settings.post_quorum_timeout,
        )
        self.handlers = {
            "GET": self.read,
            "HEAD": self.read,
            "PUT": self.put,
            "POST": self.post,
            "DELETE": self.delete,
        }

    # --- reading -----------------------------------------------------------------------------

    def read(self, call: Call) -> Answer:
        """Serve a GET or HEAD."""
        info = self._info(call)
        refusal = denial(call.environ, info.read_acl)
        if refusal is not None:
            return refusal
        target = self._target(call, info)
        headers = backend_headers.for_reading(call, self._replicas.user_agent)
        headers[POLICY_INDEX] = str(target.policy_index)
        if self._settings.allow_open_expired and call.says_yes("X_OPEN_EXPIRED"):
            headers["X-Backend-Open-Expired"] = "true"
        environ = call.environ
        question = self._replicas.question(
            call.method,
            call.path,
            target.home,
            query=environ.get("QUERY_STRING") or "",
            timeout_seconds=self._read_timeout_seconds,
        )
        answer = self._replicas.read(
            question,
            headers,
            target.home,
            policy_index=target.policy_index,
            newest="HTTP_X_NEWEST" in environ and call.says_yes("X_NEWEST"),
        )
        _finish_read(answer)
        return answer

    def _info(self, call: Call) -> ContainerInfo:
        assert call.container is not None
        info = self._infos.container(call.environ, call.account, call.container)
        require_known(info)
        return info

    def _target(self, call: Call, info: ContainerInfo) -> Target:
        assert call.container is not None
        assert call.name is not None
        environ = call.environ
        wished = environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX")
        index = int(wished) if wished and wished.isdigit() else info.policy_index
        environ["apus.policy_index"] = str(index)  # For the access log and the metrics.
        home = self._replicas.rings.of_object(index, call.account, call.container, call.name)
        return Target(info, index, home)

    # --- writing -----------------------------------------------------------------------------

    def put(self, call: Call) -> Answer:
        """Store an object."""
        environ = call.environ
        if "HTTP_X_COPY_FROM" in environ:
            # No filter before us has made the copy; what would be stored is an empty object.
            raise Refused("This proxy does not copy objects: upload them", 501)
        condition = condition_of(environ)
        info = self._writable(call)
        if isinstance(info, Answer):
            return info
        target = self._target(call, info)
        length = self._checked_length(environ)
        headers = self._put_headers(call, target)
        if condition is not None:
            return self._put_conditionally(call, target, headers, length, condition)
        if length is not None and length <= self._settings.small_body_size:
            replies = self._put_small(call, target, headers, length)
        else:
            replies = self._put_large(call, target, headers, length)
        return self._put_answer(call, target, replies, only_if_absent=False)

    def _put_conditionally(
        self, call: Call, target: Target, headers: dict[str, str], length: int | None, condition: Condition
    ) -> Answer:
        """Store an object if it is what the client wants it to be, as a majority of its primaries decides."""
        environ = call.environ
        replicas = target.home.replicas
        stored = dict(headers)
        whole = None
        if length is not None and length <= self._settings.small_body_size:
            whole = read_body(environ["wsgi.input"], length) if length else b""
            environ["wsgi.input"] = BytesIO(whole)
            if FOOTERS in environ:
                stored.update(self._footers(call))

        def send(stream: Stream) -> None:
            stream.require_quorum(replicas)
            stream.send_all(environ["wsgi.input"], replicas=replicas)
            if FOOTERS in environ:
                stream.tell(self._footers(call), replicas=replicas)

        upload = conditional.Upload(whole, partial(self._stream, call, target, length, METHOD), send)
        try:
            wish = self._wish(call, target, stored, condition)
            result = conditional.put(self._replicas, wish, upload)
        except NoRegisters:
            if condition.if_match is not None:
                raise Refused("The storage servers behind this proxy can't do that atomically", 501) from None
            replies = self._put_large(call, target, headers, length)
            return self._put_answer(call, target, replies, only_if_absent=True)
        return _marked(call, result.answer, _rows(call, result.replies), target)

    def _wish(
        self, call: Call, target: Target, headers: dict[str, str], condition: Condition
    ) -> conditional.Wish:
        headers["X-Backend-Etag-Is-At"] = conditional.etag_is_at(call)

        def others() -> Sequence[Sendable]:
            bare = conditional.headers_for(call, self._replicas.user_agent, target.policy_index)
            _name_place(bare, target)
            return self._dealt(call, target, bare)

        requests = self._dealt(call, target, headers)
        return conditional.Wish(call, target.home, target.policy_index, condition, requests, others)

    def _writable(self, call: Call) -> ContainerInfo | Answer:
        """Return the container's facts, or why nothing may be written into it."""
        info = self._info(call)
        call.environ["swift_sync_key"] = info.sync_key
        refusal = denial(call.environ, info.write_acl)
        if refusal is not None:
            return refusal
        return info if info.exists else plain(404)

    def _checked_length(self, environ: Environ) -> int | None:
        text = environ.get("CONTENT_LENGTH")
        coding = environ.get("HTTP_TRANSFER_ENCODING")
        if coding is not None:
            if coding.strip().lower() != "chunked":
                raise Refused(f"Unsupported Transfer-Encoding: {coding}", 501)
            return None
        if not text:
            raise Refused("Missing Content-Length header.", 411)
        if not text.isdigit():
            raise Refused("Invalid Content-Length")
        length = int(text)
        if length > self._limits.max_file_size:
            raise Refused("Your request is too large.", 413)
        return length

    def _put_headers(self, call: Call, target: Target) -> dict[str, str]:
        assert call.name is not None
        check_object_name(call.name, self._limits)
        headers = self._stored_headers(call, target)
        headers["Content-Type"] = _content_type(call)
        etag = headers.get("Etag")
        if etag is not None:
            headers["Etag"] = etag.strip().strip('"').lower()
        return headers

    def _stored_headers(self, call: Call, target: Target) -> dict[str, str]:
        """Return the headers of a PUT or POST, metadata checked and expiry normalised."""
        headers = backend_headers.for_object(call, self._replicas.user_agent)
        self._check_header_sizes(headers)
        prefix = "X-Object-Meta-"
        metadata = [(name[len(prefix) :], headers[name]) for name in headers if name.startswith(prefix)]
        if metadata:
            check_metadata(metadata, self._limits)
        environ = call.environ
        if "HTTP_X_DELETE_AFTER" in environ or "HTTP_X_DELETE_AT" in environ:
            after, at = call.header("X_DELETE_AFTER"), call.header("X_DELETE_AT")
            allow_past = call.says_yes("X_BACKEND_REPLICATION")
            moment = delete_at(after, at, call.timestamp, allow_past=allow_past)
            if moment is not None:
                headers["X-Delete-At"] = moment
        _name_place(headers, target)
        return headers

    def _check_header_sizes(self, headers: Mapping[str, str]) -> None:
        if max(map(len, headers.values())) <= self._limits.max_header_size:
            return
        for name, value in headers.items():
            if len(value) > self._limits.max_header_size:
                raise Refused(f"Header value too long: {name[: self._limits.max_meta_name_length]}")

    def _dealt(
        self, call: Call, target: Target, headers: dict[str, str], count: int | None = None
    ) -> Sequence[Sendable]:
        """Return one header set per replica, container and queue updates dealt among them."""
        assert call.container is not None
        replicas = count or target.home.replicas
        container = self._replicas.rings.of_container(call.account, call.container)
        target.container_replicas = container.replicas
        moment = headers.get("X-Delete-At")
        if not moment and DEALT.isdisjoint(headers):
            common = Lines.of(headers)
            updates = self._updates_of(container, replicas, target.info.sharding_state)
            return common.with_each(updates)
        requests = [dict(headers) for _ in range(replicas)]
        deal_updates(
            requests,
            UpdateTarget(container.partition, container.primaries),
            db_state=target.info.sharding_state,
            queue=self._queue(call, moment),
        )
        return requests

    def _updates_of(self, container: Home, replicas: int, db_state: str) -> list[Lines]:
        """Return what each object replica is told of the container, the same for all its objects."""
        key = (container.partition, replicas, db_state)
        known = self._updates.get(key)
        if known is not None and known[0] is container:
            return known[1]
        if known is not None or len(self._updates) >= UPDATES_MAX:
            self._updates.clear()  # Each that stayed would keep a ring of before the change in memory.
        hands: list[dict[str, str]] = [{} for _ in range(replicas)]
        deal_updates(hands, UpdateTarget(container.partition, container.primaries), db_state=db_state)
        updates = [Lines.of(hand) for hand in hands]
        self._updates[key] = (container, updates)
        return updates

    def _queue(self, call: Call, moment: str | None) -> UpdateTarget | None:
        if not moment:
            return None
        path_hash = self._services.cluster.salt.path_hash(call.account, call.container, call.name)
        name = queue_container(moment, path_hash)
        home = self._replicas.rings.of_container(QUEUE_ACCOUNT, name)
        return UpdateTarget(home.partition, home.primaries, name)

    def _put_small(self, call: Call, target: Target, headers: dict[str, str], length: int) -> Replies:
        body = read_body(call.environ["wsgi.input"], length) if length else b""
        if FOOTERS in call.environ:
            headers.update(self._footers(call))
        requests = self._dealt(call, target, headers)
        question = self._replicas.question("PUT", call.path, target.home, body=body)
        nodes = self._replicas.in_writing_order(target.home, target.policy_index)
        return self._replicas.change(
            question,
            requests,
            nodes,
            replicas=target.home.replicas,
            is_enough=partial(self._is_settled, call, target),
        )

    def _footers(self, call: Call) -> dict[str, str]:
        """Return what a filter tells of the body that has passed; rows carry some of it as headers."""
        footers = told(call.environ[FOOTERS])
        if footers:
            self._check_header_sizes(footers)
        return footers

    def _put_large(self, call: Call, target: Target, headers: dict[str, str], length: int | None) -> Replies:
        replicas = target.home.replicas
        requests = self._dealt(call, target, headers)
        has_footers = FOOTERS in call.environ
        stream = self._stream(call, target, length, "PUT")
        try:
            stream.connect(requests, self._replicas.in_writing_order(target.home, target.policy_index))
            if _is_decided_early(stream, quorum_size(replicas)):
                stream.abort()
                return stream.early
            stream.require_quorum(replicas)
            sent = stream.send_all(call.environ["wsgi.input"], replicas=replicas)
            if has_footers:
                stream.tell(self._footers(call), replicas=replicas)
            late = stream.finish(is_enough=partial(self._is_settled, call, target))
        except BaseException:
            stream.abort()
            raise
        replies = [*stream.early, *late]
        if listing_pending(_rows(call, replies), container_replicas=target.container_replicas):
            target.told = self._told_instead(call, target, stream.answered, late, sent)
        return replies

    def _stream(self, call: Call, target: Target, length: int | None, method: str) -> Stream:
        return Stream(
            self._replicas.backend,
            self._replicas.question(method, call.path, target.home),
            self._upload_limits,
            length or None,  # A peer asks for no body by 100 Continue where none was announced.
            Mime(f"{random.getrandbits(256):064x}") if FOOTERS in call.environ else None,
        )

    def _told_instead(
        self, call: Call, target: Target, answered: set[int], replies: Replies, length: int
    ) -> list[bool]:
        """Tell the container replicas that a dead object server was to tell; return which have the row."""
        if target.info.sharding_state != "unsharded" or not lost_rows.is_plain(call.environ):
            return []
        etags = {reply.headers.get("Etag", "").strip('"') for reply in replies if reply.status == 201}
        if len(etags) != 1:
            return []
        assert call.container is not None
        container = self._replicas.rings.of_container(call.account, call.container)
        devices = lost_rows.untold(container, answered=answered, asked=target.home.replicas)
        row = {
            POLICY_INDEX: str(target.policy_index),
            "User-Agent": self._replicas.user_agent,
            "X-Content-Type": _content_type(call),
            "X-Etag": etags.pop(),
            "X-Size": str(length),
            "X-Timestamp": call.timestamp.internal,
            "X-Trans-Id": call.trans_id,
        }
        return lost_rows.tell(self._replicas, call.path, container, row, devices)

    def _is_settled(self, call: Call, target: Target, replies: Replies) -> bool:
        if not put_is_settled(statuses(replies), replicas=target.home.replicas):
            return False
        return not listing_pending(_rows(call, replies), container_replicas=target.container_replicas)

    def _put_answer(self, call: Call, target: Target, replies: Replies, *, only_if_absent: bool) -> Answer:
        rows = _rows(call, replies)
        if target.told:
            rows += target.told
        replies = without_echoes(replies, timestamp=call.timestamp.internal, done=201)
        heard = statuses(replies)
        status = put_verdict(heard, replicas=target.home.replicas, only_if_absent=only_if_absent)
        if status // 100 != 2:
            return answer_of(replies, status)
        headers = {"Content-Type": HTML, "Last-Modified": http_date(call.timestamp.ceil_seconds)}
        if 409 in heard:
            return Answer(status, headers)
        etags = {reply.headers.get("Etag", "").strip('"') for reply in replies if reply.status // 100 == 2}
        etags.discard("")
        if len(etags) > 1:
            raise Refused("The storage servers disagree about what they have received.", 500)
        if etags:
            headers["Etag"] = etags.pop()
        return _marked(call, Answer(status, headers), rows, target)

    # --- changing ----------------------------------------------------------------------------

    def post(self, call: Call) -> Answer:
        """Replace an object's metadata."""
        info = self._writable(call)
        if isinstance(info, Answer):
            return info
        target = self._target(call, info)
        headers = self._stored_headers(call, target)
        if call.environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = call.environ["CONTENT_TYPE"]
        if self._settings.allow_open_expired and call.says_yes("X_OPEN_EXPIRED"):
            headers["X-Backend-Open-Expired"] = "true"
        requests = self._dealt(call, target, headers)
        question = self._replicas.question("POST", call.path, target.home)
        nodes = self._replicas.in_reading_order(target.home, target.policy_index)
        replicas = target.home.replicas
        replies = self._replicas.change(question, requests, nodes, replicas=replicas)
        found = statuses(replies).count(202)
        if 0 < found < quorum_size(replicas):
            # Some primaries lack the object; a handoff may hold the copy they should have.
            again = [reply.request for reply in replies if reply.status == 404]
            late = self._replicas.change(question, again, nodes, replicas=len(again))
            accepted = [reply for reply in late if reply.status == 202]
            misses = [reply for reply in replies if reply.status == 404][len(accepted) :]
            replies = [reply for reply in replies if reply.status != 404] + accepted + misses
        status = post_verdict(statuses(replies), replicas=max(replicas, len(replies)))
        return _marked(call, answer_of(replies, status), _rows(call, replies), target)

    def delete(self, call: Call) -> Answer:
        """Remove an object."""
        info = self._writable(call)
        if isinstance(info, Answer):
            return info
        target = self._target(call, info)
        headers = backend_headers.for_object(call, self._replicas.user_agent)
        _name_place(headers, target)
        condition = condition_of(call.environ) if IF_MATCH in call.environ else None
        if condition is not None:
            return self._delete_conditionally(call, target, headers, condition)
        nodes, count = self._replicas.for_deletion(target.home, target.policy_index)
        requests = self._dealt(call, target, headers, count)
        question = self._replicas.question("DELETE", call.path, target.home)
        replies = self._replicas.change(question, requests, nodes, replicas=count)
        rows = _rows(call, replies)
        replies = without_echoes(replies, timestamp=call.timestamp.internal, done=204)
        status = final_verdict(statuses(replies), replicas=count, overrides={404: 204})
        return _marked(call, answer_of(replies, status), rows, target)

    def _delete_conditionally(
        self, call: Call, target: Target, headers: dict[str, str], condition: Condition
    ) -> Answer:
        """Remove an object if it is what the client wants it to be."""
        try:
            result = conditional.delete(self._replicas, self._wish(call, target, headers, condition))
        except NoRegisters:
            raise Refused("The storage servers behind this proxy can't do that atomically", 501) from None
        return _marked(call, result.answer, _rows(call, result.replies), target)


def _marked(call: Call, answer: Answer, rows: Sequence[bool | None], target: Target) -> Answer:
    """Return the answer, which says so if listings may lack the change for a while."""
    if listing_pending(rows, container_replicas=target.container_replicas):
        answer.headers["X-Listing-Pending"] = "true"
        if answer.status // 100 == 2:
            PENDING.labels(call.method).inc()
            fields = {"method": call.method, "path": call.path, "rows": rows}
            log.info("acknowledged, but listings may lag", extra=fields)
    return answer


def _name_place(headers: dict[str, str], target: Target) -> None:
    """Tell the object servers under which policy, and which partition power to come, a change is kept."""
    headers[POLICY_INDEX] = str(target.policy_index)
    next_part_power = target.home.ring.next_part_power
    if next_part_power:
        headers["X-Backend-Next-Part-Power"] = str(next_part_power)


_WORDS = {"true": True, "false": False}


def _rows(call: Call, replies: Replies) -> list[bool | None]:
    """Return each replica's word on whether its container replica has the row.

    A DELETE that found nothing says 404, and has left a tombstone and a row all the same. Who has carried out
    this very request already may have been killed before it told of that.
    """
    rows = []
    for reply in replies:
        word = reply.headers.get(LISTING_UPDATED)
        if word is not None:
            rows.append(_WORDS.get(word.lower()))
        elif reply.status // 100 == 2:
            rows.append(None)
        elif reply.status == 409 and is_echo(reply, call.timestamp.internal):
            rows.append(False)
    return rows


def _is_decided_early(stream: Stream, quorum: int) -> bool:
    """Tell whether the replicas have refused before the body was sent."""
    heard = statuses(stream.early)
    return 412 in heard or heard.count(409) >= quorum or len(stream.lanes) < quorum <= len(heard)


def _finish_read(answer: Answer) -> None:
    headers = answer.headers
    kind = headers.get("Content-Type")
    if kind is not None and "swift_bytes" in kind:
        parts = [part for part in kind.split(";") if not part.strip().startswith("swift_bytes=")]
        headers["Content-Type"] = ";".join(parts)
    if answer.status < 400 or answer.status == 416:
        headers["Accept-Ranges"] = "bytes"


def _content_type(call: Call) -> str:
    """Return the type to store: the client's, or one guessed from the name."""
    given: str | None = call.environ.get("CONTENT_TYPE")
    if not given or call.says_yes("X_DETECT_CONTENT_TYPE"):
        assert call.name is not None
        last = call.name.rpartition("/")[2]
        if "." not in last and ":" not in last:  # Neither an extension nor a scheme: nothing to guess from.
            return NO_TYPE
        return mimetypes.guess_type(last)[0] or NO_TYPE
    if ";" in given and not call.environ.get("swift.content_type_overridden"):
        for parameter in given.split(";")[1:]:
            if parameter.lstrip().startswith("swift_"):
                raise Refused("Invalid Content-Type, swift_* is not a valid parameter name.")
    try:
        from_wsgi(given).encode("utf-8")
    except UnicodeError as problem:
        raise Refused("Invalid Content-Type") from problem
    return given
