"""Many operations in one request: an archive is put file by file, a list of names is deleted.

    PUT ?extract-archive=tar.gz ──▶ archive.py ──▶ extraction.py ──PUT each──▶ pipeline
    POST ?bulk-delete           ──▶ deletion.py ──DELETE each──▶ pipeline
                                └──▶ 200, white space while it lasts, a document that says how it went

Each operation passes all filters behind, as if the client had made it. Status, words and limits are OpenStack
Swift's. It does not know who may do what.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ....common import info
from ....common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ....common.config import parse, setting
from ....common.constraints import Constraints
from ....common.errors import Refused
from ....common.http.answer import Answer, status_line
from ....common.http.errors import ClientDisconnect, ClientTimeout
from ....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..accept import best_match
from ..shortcut import Affair, Shortcut, passable
from ..slow_answers import FORMS, beating, document
from .archive import FORMATS, Archive, BadArchive
from .deletion import Deletion, Tally, names_in
from .extraction import Extraction, Haul

log = logging.getLogger(__name__)

Facts = dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkConfig:
    """The filter's settings."""

    max_containers_per_extraction: int = setting(10000, help="Containers that one archive may make.")
    max_failed_extractions: int = setting(1000, help="Files that may fail before an archive is given up.")
    max_deletes_per_request: int = setting(10000, help="Names that one request may delete.")
    max_failed_deletes: int = setting(1000, help="Names that may fail before the others are given up.")
    yield_frequency: float = setting(
        10.0, help="Seconds between two signs of life to a waiting client.", minimum=0.01
    )
    delete_concurrency: int = setting(
        2, help="Deletions under way at once for one request.", minimum=1, maximum=1000
    )
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf, whose limits hold here too.")


class Bulk:
    """The filter."""

    def __init__(self, app: WSGIApp, config: BulkConfig, limits: Constraints) -> None:
        self.app = app
        self.config = config
        self.limits = limits

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        query = environ.get("QUERY_STRING")
        if not query or environ["REQUEST_METHOD"] not in ("PUT", "POST", "DELETE"):
            return self.app(environ, start_response)
        method, said = environ["REQUEST_METHOD"], dict(parse_qsl(query, keep_blank_values=True))
        if method == "PUT" and "extract-archive" in said:
            form = said["extract-archive"].lower().strip(".")
            if form not in FORMATS:
                return Answer.text(400, "Unsupported archive format")(environ, start_response)
            return self._answer(environ, start_response, _Extracting(self, environ, form))
        if method != "PUT" and "bulk-delete" in said:
            return self._answer(environ, start_response, _Deleting(self, environ))
        return self.app(environ, start_response)

    def _answer(self, environ: Environ, start_response: StartResponse, job: _Job) -> Iterable[bytes]:
        try:
            form = best_match(environ.get("HTTP_ACCEPT") or "", FORMS)
        except ValueError:
            form = None
        start_response(status_line(200), [("Content-Type", form or "text/plain")])
        return beating(lambda: job.document(form), form=form, every_seconds=self.config.yield_frequency)


class _Job:
    """One request's work; its document says how it went, whatever happened."""

    root: str

    def __init__(self, owner: Bulk, environ: Environ) -> None:
        self.owner = owner
        self.environ = environ

    def document(self, form: str | None) -> bytes:
        """Do the work and say how it went."""
        status, sentence = None, ""
        try:
            self._require_answerable(form)
            self.run()
        except BadArchive as problem:
            status, sentence = 400, f"Invalid Tar File: {problem}"
        except Refused as refusal:
            status, sentence = refusal.status, str(refusal)
        except (ClientDisconnect, ClientTimeout):
            raise  # Nobody is left to hear of it.
        except Exception:  # noqa: BLE001 - the answer's status is 200 already: its document has to say it
            log.exception("bulk operation failed")
            status = 500
        facts, errors = self.outcome()
        if status is not None:
            facts |= {"Response Status": status_line(status), "Response Body": sentence}
        return document(form, facts, errors, root=self.root)

    def _require_answerable(self, form: str | None) -> None:
        if form is None:
            raise Refused("The answer has no form that the Accept header allows.", 406)

    def target(self) -> tuple[str, str]:
        """Return the account and what follows it in the path."""
        parts = from_wsgi(self.environ["PATH_INFO"]).split("/", 3)
        if len(parts) < 3 or parts[0] or not (parts[1] and parts[2]):
            raise Refused(f"Invalid path: {self.environ['PATH_INFO']}", 404)
        return parts[2], parts[3] if len(parts) > 3 else ""

    def require_body(self) -> None:
        """Refuse a request that does not say where its body ends."""
        if not self.environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in self.environ:
            raise Refused("Missing Content-Length header.", 411)

    def run(self) -> None:
        """Do the work."""
        raise NotImplementedError

    def outcome(self) -> tuple[Facts, list[tuple[str, str]]]:
        """Return what is to be said of it."""
        raise NotImplementedError


class _Extracting(_Job):
    root = "extract"

    def __init__(self, owner: Bulk, environ: Environ, form: str) -> None:
        super().__init__(owner, environ)
        self.form = form
        self.haul = Haul()

    def run(self) -> None:
        self.require_body()
        account, base = self.target()
        owner, config = self.owner, self.owner.config
        archive = Archive(self.environ["wsgi.input"], self.form, skipped_bytes_max=owner.limits.max_file_size)
        Extraction(owner.app, self.environ, account, limits=owner.limits).run(
            archive,
            base,
            self.haul,
            errors_max=config.max_failed_extractions,
            containers_max=config.max_containers_per_extraction,
        )

    def outcome(self) -> tuple[Facts, list[tuple[str, str]]]:
        haul = self.haul
        nothing = "" if haul.created or haul.errors else "Invalid Tar File: No Valid Files"
        facts: Facts = {
            "Number Files Created": haul.created,
            "Response Body": nothing,
            "Response Status": haul.status,
        }
        return facts, haul.errors


class _Deleting(_Job):
    root = "delete"

    def __init__(self, owner: Bulk, environ: Environ) -> None:
        super().__init__(owner, environ)
        self.tally = Tally()

    def run(self) -> None:
        account, _ = self.target()
        kind = self.environ.get("CONTENT_TYPE")
        if kind and not kind.startswith("text/plain"):
            raise Refused("The names must come as text/plain, one a line.", 406)
        self.require_body()
        config, limits = self.owner.config, self.owner.limits
        names = names_in(
            self.environ["wsgi.input"],
            names_max=config.max_deletes_per_request,
            name_bytes_max=limits.max_object_name_length + limits.max_container_name_length + 2,
        )
        deletion = Deletion(self.owner.app, config.delete_concurrency, config.max_failed_deletes)
        deletion.run(self.environ, account, names, self.tally)
        if not (self.tally.deleted or self.tally.not_found or self.tally.errors):
            raise Refused("Invalid bulk delete.")

    def outcome(self) -> tuple[Facts, list[tuple[str, str]]]:
        tally = self.tally
        facts: Facts = {
            "Number Deleted": tally.deleted,
            "Number Not Found": tally.not_found,
            "Response Body": "",
            "Response Status": tally.status,
        }
        return facts, tally.errors


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#bulk`."""
    config = parse(BulkConfig, {**global_conf, **local_conf})
    limits = ClusterConf.load(config.swift_dir).constraints
    info.register(
        "bulk_upload",
        max_containers_per_extraction=config.max_containers_per_extraction,
        max_failed_extractions=config.max_failed_extractions,
    )
    info.register(
        "bulk_delete",
        max_deletes_per_request=config.max_deletes_per_request,
        max_failed_deletes=config.max_failed_deletes,
    )
    return passable(lambda app: Bulk(app, config, limits), Affair())
