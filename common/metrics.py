"""What this server has done so far, as numbers that Prometheus collects.

    hot path ──cell.inc()──▶ one double in memory shared by all workers
    any worker ◀──GET /metrics── sums every worker's cells ──prometheus_client──▶ text

Metrics are declared once, at import; a labelled cell is looked up once and kept. Counting costs an
addition: no lock and no system call (shared_cells.py). A scrape of any worker shows the sums of all,
provided that the server called `begin()` before it forked them.

It does not know what the metrics mean; doc/metrics.md does.
"""

from __future__ import annotations

import bisect
import ipaddress
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from .config import parse, setting
from .doors import Doors
from .http.answer import Answer
from .http.wsgi import Environ, StartResponse, WSGIApp
from .shared_cells import SPARE_CELL, Store

PATH = "/metrics"
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_store = Store()
os.register_at_fork(before=_store.before_fork, after_in_child=_store.after_fork)
_definitions: dict[str, Definition] = {}
_told: dict[str, Told] = {}

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric is."""

    name: str
    help: str
    kind: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """How many cells one set of label values takes."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


class Counter:
    """Something that only grows."""

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        self._index = index

    def inc(self, amount: float = 1.0) -> None:
        """Count."""
        _store.cells[self._index] += amount


class Gauge(Counter):
    """Something that goes up and down; the workers' values are added."""

    __slots__ = ()

    def dec(self, amount: float = 1.0) -> None:
        """Count down."""
        _store.cells[self._index] -= amount

    def set(self, value: float) -> None:
        """Say how much there is."""
        _store.cells[self._index] = value


class Histogram:
    """How often values fell between given bounds, and their sum."""

    __slots__ = ("_buckets", "_index")

    def __init__(self, index: int, buckets: tuple[float, ...]) -> None:
        self._index = index
        self._buckets = buckets

    def observe(self, value: float) -> None:
        """Count one value: cells are the buckets, one for what exceeds them, and the sum."""
        if self._index != SPARE_CELL:
            cells = _store.cells
            cells[self._index + bisect.bisect_left(self._buckets, value)] += 1.0
            cells[self._index + len(self._buckets) + 1] += value


class Family(Generic[Kind]):
    """A metric with labels; `labels(...)` gives the cell of one set of values. Keep it, where it is hot."""

    __slots__ = ("_cells", "_make", "definition")

    def __init__(self, definition: Definition, make: Callable[[int], Kind]) -> None:
        self.definition = definition
        self._make = make
        self._cells: dict[tuple[str, ...], Kind] = {}

    def labels(self, *values: str) -> Kind:
        """Return the cell for these label values, in the order of the declaration."""
        cell = self._cells.get(values)
        if cell is None:
            assert len(values) == len(self.definition.labels)
            index = _store.index((self.definition.name, values), self.definition.width)
            cell = self._cells[values] = self._make(index)
        return cell


def counter(name: str, description: str, *labels: str) -> Family[Counter]:
    """Declare a counter; its name ends in _total."""
    assert name.endswith("_total")
    return Family(_declare(Definition(name, description, "counter", labels)), Counter)


def gauge(name: str, description: str, *labels: str) -> Family[Gauge]:
    """Declare a gauge."""
    return Family(_declare(Definition(name, description, "gauge", labels)), Gauge)


class Told:
    """A gauge that is asked for when somebody scrapes: all workers tell the same, nothing is added up."""

    __slots__ = ("_ask", "definition")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._ask: Callable[[], Mapping[tuple[str, ...], float]] = dict

    def ask(self, how: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """Say how it is found out: a value for each set of label values."""
        self._ask = how

    def family(self) -> Metric | None:
        """Return what it is now, None where there is nothing to tell."""
        readings = [(labels, [value]) for labels, value in sorted(self._ask().items())]
        return _family(self.definition, readings) if readings else None


def told(name: str, description: str, *labels: str) -> Told:
    """Declare a gauge that is asked for when somebody scrapes."""
    made = _told.get(name) or Told(_declare(Definition(name, description, "gauge", labels)))
    return _told.setdefault(name, made)


def histogram(
    name: str, description: str, *labels: str, buckets: tuple[float, ...] = SECONDS_BUCKETS
) -> Family[Histogram]:
    """Declare a histogram, of seconds unless other bounds are given."""
    definition = _declare(Definition(name, description, "histogram", labels, buckets))
    return Family(definition, lambda index: Histogram(index, buckets))


def begin() -> None:
    """Count from zero, together with the workers that this process will fork; a server calls it once."""
    _store.begin()


def definitions() -> list[Definition]:
    """Return what this process has declared, by name."""
    return sorted(_definitions.values(), key=lambda definition: definition.name)


def _declare(definition: Definition) -> Definition:
    earlier = _definitions.setdefault(definition.name, definition)
    if earlier != definition:
        raise ValueError(f"metric {definition.name} is declared twice, differently")
    if definition.kind == "gauge":
        _store.transient.add(definition.name)
    return earlier


class SharedCells(Collector):
    """Hands the sums to prometheus_client."""

    def collect(self) -> Iterable[Metric]:
        """Yield one family for each metric that has counted anything."""
        readings: dict[str, list[tuple[tuple[str, ...], list[float]]]] = {}
        for (name, labels), values in _store.totals().items():
            readings.setdefault(name, []).append((labels, values))
        for definition in definitions():
            if definition.name in readings:
                yield _family(definition, readings[definition.name])
        for each in _told.values():
            family = each.family()
            if family is not None:
                yield family


def _family(definition: Definition, readings: list[tuple[tuple[str, ...], list[float]]]) -> Metric:
    if definition.kind == "histogram":
        histograms = HistogramMetricFamily(definition.name, definition.help, labels=definition.labels)
        for labels, values in readings:
            histograms.add_metric(labels, _cumulative(definition.buckets, values), values[-1])
        return histograms
    make = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    family = make(definition.name, definition.help, labels=definition.labels)
    for labels, values in readings:
        family.add_metric(labels, values[0])
    return family


def _cumulative(bounds: tuple[float, ...], values: list[float]) -> list[tuple[str, float]]:
    total = 0.0
    buckets = []
    for bound, count in zip((*bounds, math.inf), values, strict=False):
        total += count
        buckets.append(("+Inf" if bound == math.inf else repr(bound), total))
    return buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """The filter's settings."""

    allow_from: tuple[str, ...] = setting(
        (),
        help="Networks (192.0.2.0/24, ::1/128) that may read /metrics; empty lets everybody who can connect.",
    )

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        for network in self.allow_from:
            ipaddress.ip_network(network)


ANSWERS = counter("apus_server_requests_total", "Requests that a server has answered.", "method", "status")
ANSWER_SECONDS = histogram(
    "apus_server_request_seconds", "From a request's head to its answer's head.", "method"
)
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "REPLICATE", "UPDATE", "COPY", "OPTIONS"})


class _Counts:
    """The cells of one method, at hand: looking each up by its labels took twice as long as counting."""

    __slots__ = ("answers", "method", "seconds")

    def __init__(self, method: str) -> None:
        self.method = method
        self.answers: dict[str, Counter] = {}  # By status line, of which an application has a few dozen.
        self.seconds = ANSWER_SECONDS.labels(method)


class MetricsFilter(Doors):
    """Answers GET /metrics, and counts everything else that it lets through."""

    def __init__(self, app: WSGIApp, config: MetricsConfig) -> None:
        super().__init__(app)
        self._counted: Doors | None = None  # Behind these, too, requests are counted.
        if type(app) is Doors:
            self._counted, self.app = app, app.app
            self.initials = app.initials
        self.open(PATH, self._answer)
        self.networks = [ipaddress.ip_network(network) for network in config.allow_from]
        self.counts: dict[str, _Counts] = {}  # By method.
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(SharedCells())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        app = self.app
        path = environ.get("PATH_INFO") or ""
        if path[1:2] in self.initials:
            if (answering := self.behind(path)) is not None:
                return answering(environ)(environ, start_response)
            if self._counted is not None:
                app = self._counted
        begun = time.perf_counter()
        method = environ["REQUEST_METHOD"]
        counts = self.counts.get(method) or self._counts(method)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answers = counts.answers.get(status)
            if answers is None:
                answers = counts.answers[status] = ANSWERS.labels(counts.method, status[:3])
            answers.inc()
            counts.seconds.observe(time.perf_counter() - begun)
            return start_response(status, headers, exc_info)

        return app(environ, start)

    def _counts(self, method: str) -> _Counts:
        method = method if method in METHODS else "BAD_METHOD"
        counts = self.counts[method] = self.counts.get(method) or _Counts(method)
        return counts

    def _answer(self, environ: Environ) -> Answer:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return Answer.text(405, "Metrics can only be read.", {"Allow": "GET, HEAD"})
        if self.networks and not self._may_read(environ.get("REMOTE_ADDR", "")):
            return Answer.text(403, "Metrics are not for this address.")
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        return Answer(200, {"Content-Type": content_type}, encode(self.registry))

    def _may_read(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], MetricsFilter]:
    """PasteDeploy's entry: `use = egg:apus#metrics`."""
    config = parse(MetricsConfig, {**global_conf, **local_conf})
    return lambda app: MetricsFilter(app, config)
