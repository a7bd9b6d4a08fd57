"""GET /crossdomain.xml: which pages' plug-ins may read from this store.

plug-in ──GET /crossdomain.xml──▶ the operator's rules in a cross-domain policy file
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...common import info as capabilities
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp

PATH = "/crossdomain.xml"
DOCUMENT = """\
<?xml version="1.0"?>
<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >
<cross-domain-policy>
{}
</cross-domain-policy>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossdomainConfig:
    """The filter's settings."""

    cross_domain_policy: str = setting(
        '<allow-access-from domain="*" secure="false" />',
        help="XML elements of the policy; further lines begin with a space. The default lets everybody in.",
    )


class Crossdomain:
    """The filter."""

    def __init__(self, app: WSGIApp, config: CrossdomainConfig) -> None:
        self.app = app
        self._document = DOCUMENT.format(config.cross_domain_policy).encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "GET":
            return self.app(environ, start_response)
        return Answer(200, {"Content-Type": "application/xml; charset=UTF-8"}, self._document)(
            environ, start_response
        )


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Crossdomain]:
    """PasteDeploy's entry: `use = egg:apus#crossdomain`."""
    config = parse(CrossdomainConfig, {**global_conf, **local_conf})
    capabilities.register("crossdomain")
    return lambda app: Crossdomain(app, config)
