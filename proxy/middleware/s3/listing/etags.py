"""What the store's own clients see of the ETags that S3 knows objects by.

    GET of a container, JSON ──▶ rows with {"hash": "md5; s3_etag=…-2"} ──▶ {"hash": "md5", "s3_etag": …}

Stock Swift's s3api shows them so. It stands behind the filter that makes other forms of a listing out of the
JSON one, and looks for one word before it parses anything.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from .....common.constraints import API_VERSIONS
from .....common.http.wsgi import Environ, StartResponse, WSGIApp
from ...inner import call
from ...listing_documents import holds_mark
from ...listing_formats import LISTING_BYTES_MAX
from .rows import with_s3_etag

_MARK = b"s3_etag="


class ListedEtags:
    """A filter behind S3's own."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path = environ["PATH_INFO"]
        is_object = path.count("/") > 3 and not path.endswith("/")
        if is_object or environ["REQUEST_METHOD"] != "GET" or not _is_container(path):
            return self.app(environ, start_response)
        reply = call(self.app, environ)
        length = reply.headers.get("content-length", "")
        is_json = reply.headers.get("content-type", "").partition(";")[0] == "application/json"
        if reply.status == 200 and is_json and length.isdigit() and int(length) <= LISTING_BYTES_MAX:
            document = reply.read()
            if holds_mark(document, _MARK):
                document = orjson.dumps([with_s3_etag(row) for row in orjson.loads(document)])
                reply.headers["content-length"] = str(len(document))
            reply.body = [document]
        return reply.answer()(environ, start_response)


def _is_container(path: str) -> bool:
    pieces = path.split("/", 4)
    return (
        len(pieces) > 3
        and pieces[1] in API_VERSIONS
        and bool(pieces[3])
        and (len(pieces) < 5 or not pieces[4])
    )
