"""The filter that keeps a log of what happens to objects of which somebody wants to hear.

    change of an object ──▶ does its bucket have rules? one that wants this? ──▶ no: passed on
        ──▶ intent in the log, at a quorum ──▶ the change itself ──▶ done: settled in the log ──▶ the answer
             └ 503, and nothing is written                       └──▶ refused: taken out of the log

Whoever dies in between leaves an intent, and so does what fails half: the notifier finds out what became of
it (doubts.py). It stands behind the filters that make one request many or another one, and before versions:
what it sees is one change of one object, by whichever API. Buckets without rules pay a look at a dictionary.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from .....common import metrics
from .....common.cluster import DEFAULT_DIRECTORY
from .....common.config import parse, setting, true_value
from .....common.constraints import API_VERSIONS
from .....common.errors import Refused, Unavailable
from .....common.http.answer import Answer
from .....common.http.errors import BadFraming, ClientTimeout
from .....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from .....common.timestamp import Timestamp, now
from ....authorization import denial
from ....info import ContainerInfo, container_info_at, get_container_info
from ....row_log import RowLog
from ...inner import heard
from ...shortcut import Affair, Shortcut, passable
from ...versioned_writes.copies import DELETE_MARKER_TYPE
from ..configuration import documents
from ..configuration.xml_memory import notification_rules
from ..errors import S3Error
from . import happenings, queues
from .happenings import OF_METADATA, Happening
from .meaning import meaning_of
from .rules import Rule, matching
from .targets import Targets

log = logging.getLogger(__name__)

DOCUMENT = "notification"
_KEPT = f"s3api-{DOCUMENT}"
_METHODS = frozenset(("PUT", "POST", "DELETE"))
_ETAGS = ("HTTP_X_OBJECT_SYSMETA_S3API_ETAG", "HTTP_X_OBJECT_SYSMETA_SLO_ETAG")
_SLO_SIZE = "HTTP_X_OBJECT_SYSMETA_SLO_SIZE"
_SOURCES = {"SSC": "ObjectCreated:Copy", "FP": "ObjectCreated:Post"}
"""What filters before this one make of another request, by what they say of themselves in `swift.source`."""

ENTRIES = metrics.counter(
    "apus_proxy_notification_entries_total",
    "Changes of objects of which a bucket's notification configuration wants to hear.",
    "outcome",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsConfig:
    """The filter's settings."""

    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of notification-targets.conf.")


@dataclass(frozen=True, slots=True)
class Change:
    """What a request would do to an object."""

    account: str
    bucket: str
    key: str
    event: str
    version_id: str = ""
    """The version that it is about, where the request says so."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where in the log something stands."""

    queue: queues.Queue
    name: str
    moment: Timestamp
    """When it was written there last."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A change of which the log has the intent."""

    intent: Happening
    entry: Entry
    rules: Sequence[Rule]


class Notifications:
    """The filter."""

    def __init__(self, app: WSGIApp, targets: Targets) -> None:
        self.app = app
        self.notification_targets = targets
        self._log = log_behind(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] not in _METHODS:
            return self.app(environ, start_response)
        try:
            found = self._wanted(environ)
            begun = None if found is None else self._begun(environ, *found)
        except Unavailable as problem:
            ENTRIES.labels("refused").inc()
            return Answer.text(503, f"{problem}\n", {"Retry-After": "1"})(environ, start_response)
        if begun is None:
            return self.app(environ, start_response)
        return self._recorded(environ, start_response, begun)

    # --- what it is about ----------------------------------------------------------------------

    def _wanted(self, environ: Environ) -> tuple[Change, Sequence[Rule]] | None:
        """Return what is about to happen, and the rules of its bucket, if one may want to hear of it."""
        meaning = meaning_of(environ)
        if meaning is not None and meaning.place is not None:
            place = meaning.place
            version_id = meaning.version_id
            info = container_info_at(environ, self.app, *place[:2])
        else:
            names = _names(environ["PATH_INFO"])
            if names is None or (meaning is None and environ["REQUEST_METHOD"] == "POST"):
                return None
            place, version_id = names, _asked_version(environ)
            info = get_container_info(environ, self.app)
        if _KEPT not in info.sysmeta:
            return None
        event = event_of(environ, info, None if meaning is None else meaning.event, version_id)
        if event is None or not _is_text(place):
            return None  # Of names that are none, the proxy will say so.
        change = Change(*place, event, version_id)
        try:
            text = documents.unpacked(DOCUMENT, info.sysmeta)
        except documents.Torn as problem:
            raise Unavailable(
                f"The bucket's notification configuration is being changed: {problem}"
            ) from None
        rules = [] if text is None else notification_rules(text)
        if not any(matching(rules, each, change.key) for each in _alike(event)):
            return None
        environ["swift_sync_key"] = info.sync_key  # By which another cluster may be known.
        return None if denial(environ, info.write_acl) is not None else (change, rules)

    # --- recording -----------------------------------------------------------------------------

    def _begun(self, environ: Environ, change: Change, rules: Sequence[Rule]) -> Begun | None:
        """Write the intent; None for a moment that is none, as the proxy will say.

        Raises:
            Unavailable: unless it is durable.
        """
        moment = _moment(environ)
        if moment is None:
            return None
        rule = next(found for each in _alike(change.event) if (found := matching(rules, each, change.key)))
        intent = _intent(environ, change, rule, moment)
        queue = queues.queue_of(rule.target, moment, intent.place)
        entry = Entry(queue, queues.row_name(moment, secrets.token_hex(8)), now())
        self._log.put(queue.container, entry.name, happenings.written(intent), entry.moment)
        return Begun(intent, entry, rules)

    def _recorded(self, environ: Environ, start_response: StartResponse, begun: Begun) -> Iterable[bytes]:
        """Do what is asked, and say in the log what has come of it."""
        intent, entry = begun.intent, begun.entry
        counted = _count_body(environ)
        told = environ.get("HTTP_X_TIMESTAMP")
        environ["HTTP_X_TIMESTAMP"] = intent.moment.internal
        try:
            status, headers, body = heard(self.app, environ)
        except (
            ClientTimeout,
            BadFraming,
            S3Error,
            Refused,
        ):  # The body broke off, or is not what it should be.
            self._take_out(entry)
            raise
        finally:
            if told is None:
                environ.pop("HTTP_X_TIMESTAMP", None)
        said = {name.lower(): value for name, value in headers}
        event = outcome(intent.event, int(status[:3]), said, intent.version_id)
        if event is not None:
            self._settle(entry, _settled(intent, event, environ, said, counted), begun.rules)
        elif status[0] != "5":  # What failed on our side may have been done by some, and then comes to be.
            self._take_out(entry)
        start_response(status, headers)
        return body

    def _settle(self, entry: Entry, happening: Happening, rules: Sequence[Rule]) -> None:
        """Say that it has been done; the client is answered well even where that cannot be written."""
        rule = matching(rules, happening.event, happening.key)
        if rule is None:
            self._take_out(entry)
            return
        happening = replace(happening, rule=rule.id)
        queue = queues.queue_of(rule.target, happening.moment, happening.place)
        try:
            self._log.put(queue.container, entry.name, happenings.written(happening), _after(entry))
        except Unavailable as problem:
            ENTRIES.labels("unsettled").inc()
            log.info("event not settled; the notifier will find out", extra={"problem": str(problem)})
            return
        ENTRIES.labels("settled").inc()
        if queue != entry.queue:
            self._log.remove(entry.queue.container, entry.name, _after(entry))

    def _take_out(self, entry: Entry) -> None:
        """Say that nothing has happened."""
        ENTRIES.labels("nothing").inc()
        self._log.remove(entry.queue.container, entry.name, _after(entry))


# --- what it means -----------------------------------------------------------------------------


def event_of(
    environ: Mapping[str, Any], info: ContainerInfo, meant: str | None, version_id: str
) -> str | None:
    """Return what a request's success is called, as far as it is known; None where nobody is told."""
    if meant == "":
        return None
    method = environ["REQUEST_METHOD"]
    if method == "POST" or (meant or "").partition(":")[0] in OF_METADATA:
        return meant if method == "POST" else None  # What else is asked on the way to it is not told.
    if method == "PUT":
        if meant is not None:
            return meant
        if "HTTP_X_STATIC_LARGE_OBJECT" in environ:
            return "ObjectCreated:CompleteMultipartUpload"
        if version_id:  # The store's own way to make a version current again.
            return "ObjectCreated:Copy"
        return _SOURCES.get(environ.get("swift.source") or "", "ObjectCreated:Put")
    is_marker = not version_id and true_value(info.sysmeta.get("versions-enabled", ""))
    family = meant or "ObjectRemoved"
    return f"{family}:{'DeleteMarkerCreated' if is_marker else 'Delete'}"


def outcome(event: str, status: int, headers: Mapping[str, str], version_id: str = "") -> str | None:
    """Return what has happened; None where nothing has, or nobody can tell."""
    family, _, kind = event.partition(":")
    if kind in ("Delete", "DeleteMarkerCreated") and family not in OF_METADATA:
        # What takes away a version that is a marker says so, too.
        is_marker = not version_id and headers.get("x-backend-content-type") == DELETE_MARKER_TYPE
        if is_marker and (status // 100 == 2 or status == 404):  # A marker may hide nothing.
            return f"{family}:DeleteMarkerCreated"
        return f"{family}:Delete" if status // 100 == 2 else None
    return event if status // 100 == 2 else None


def _alike(event: str) -> tuple[str, ...]:
    """Return what an event may turn out to be: what is remembered of a bucket's versions may be old."""
    family, _, kind = event.partition(":")
    if family in ("ObjectRemoved", "LifecycleExpiration"):
        other = "Delete" if kind == "DeleteMarkerCreated" else "DeleteMarkerCreated"
        return event, f"{family}:{other}"
    return (event,)


def _intent(environ: Environ, change: Change, rule: Rule, moment: Timestamp) -> Happening:
    return Happening(
        event=change.event,
        moment=moment,
        account=change.account,
        bucket=change.bucket,
        key=change.key,
        rule=rule.id,
        version_id=change.version_id,
        user=_plain(environ.get("REMOTE_USER") or "").partition(",")[0],
        address=environ.get("REMOTE_ADDR") or "",
        request_id=environ.get("swift.trans_id") or "",
    )


def _settled(
    intent: Happening, event: str, environ: Environ, headers: Mapping[str, str], counted: Counted | None
) -> Happening:
    """Return the intent with what is known of the change after it."""
    version_id = headers.get("x-object-version-id", "")
    if version_id == "null":
        version_id = ""
    done = replace(intent, event=event, is_settled=True, version_id=intent.version_id or version_id)
    if done.family != "ObjectCreated":
        return done
    etag = next((environ[key] for key in _ETAGS if key in environ), headers.get("etag", ""))
    length = environ.get(_SLO_SIZE) or environ.get("CONTENT_LENGTH") or ""
    size = counted.size if counted is not None else int(length) if length.isdigit() else None
    if environ.get(_SLO_SIZE):
        size = int(length)
    return replace(done, etag=etag.strip('"'), size=size)


# --- what a request says -----------------------------------------------------------------------


class Counted:
    """A body of unknown length that is counted as it is read."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        piece: bytes = self._body.read(size)
        self.size += len(piece)
        return piece


def _count_body(environ: Environ) -> Counted | None:
    if environ.get("CONTENT_LENGTH") or environ["REQUEST_METHOD"] != "PUT":
        return None
    counted = environ["wsgi.input"] = Counted(environ["wsgi.input"])
    return counted


def _names(path: str) -> tuple[str, str, str] | None:
    """Return account, container and object of a path, if it has all three."""
    pieces = path.split("/", 4)
    if len(pieces) < 5 or pieces[0] or pieces[1] not in API_VERSIONS or not all(pieces[2:]):
        return None
    account, container, name = map(from_wsgi, pieces[2:])
    return account, container, name


def _asked_version(environ: Environ) -> str:
    query = environ.get("QUERY_STRING") or ""
    return parse_qs(query).get("version-id", [""])[-1] if "version-id" in query else ""


def _is_text(names: Sequence[str]) -> bool:
    try:
        "".join(names).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(text: str) -> str:
    """Return a WSGI string as text, whatever bytes it is of."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def _moment(environ: Environ) -> Timestamp | None:
    """Return when the change takes place; None for a time that is none, as the proxy will say."""
    told = environ.get("HTTP_X_TIMESTAMP")
    try:
        return Timestamp.parse(told) if told else now()
    except ValueError:
        return None


def _after(entry: Entry) -> Timestamp:
    """Return a moment at which what is written replaces what the entry says."""
    return max(now(), entry.moment.later(1))


# --- who is there ------------------------------------------------------------------------------


def log_behind(app: Any) -> RowLog:
    """Return the log that the proxy at the pipeline's end keeps.

    Raises:
        Refused: where there is none.
    """
    while app is not None:
        row_log = getattr(app, "row_log", None)
        if row_log is not None:
            kept: RowLog = row_log(queues.ACCOUNT)
            return kept
        app = getattr(app, "app", None)
    raise Refused("[filter:notifications] must stand before a proxy that can keep its log")


def targets_behind(app: Any) -> Targets | None:
    """Return the targets that may be named, where anybody behind records what happens."""
    while app is not None:
        found: Targets | None = getattr(app, "notification_targets", None)
        if found is not None:
            return found
        app = getattr(app, "row", None) or getattr(app, "app", None)  # Into a row of filters, not round it.
    return None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#notifications`."""
    config = parse(NotificationsConfig, {**global_conf, **local_conf})
    targets = Targets(config.swift_dir)
    return passable(lambda app: Notifications(app, targets), Affair(facts=True))
