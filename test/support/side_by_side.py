"""Our proxy and stock OpenStack Swift's side by side, in front of the same storage servers.

    cluster, stock's programs ──▶ Pair(ours, stocks)            what one has written, the other reads
                             └──▶ Pair of proxies that encrypt, over the same servers

Neither remembers accounts and containers, whose facts the other may have changed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clusters import AllInOne, free_port_block
from fronts import Filters, front, with_filters
from stock import StockPrograms
from store import Client, Store

SECRETS = {"encryption_root_secret": base64.b64encode(b"side by side" * 4).decode()}
ENCRYPTION: Filters = {"keymaster": SECRETS, "encryption": {}}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two proxies over the same storage servers."""

    ours: Store
    stocks: Store

    def clients(self, user: str = "test:tester") -> tuple[Client, Client]:
        """The same user through either."""
        return self.ours.client(user), self.stocks.client(user)

    def either_way(self) -> Iterator[tuple[Client, Client]]:
        """Who writes and who reads."""
        ours, stocks = self.clients()
        yield ours, stocks
        yield stocks, ours


@dataclass(frozen=True, slots=True)
class Fronts:
    """All proxies over one set of storage servers."""

    plain: Pair
    encrypting: Pair


@contextmanager
def side_by_side(cluster: AllInOne, stock: StockPrograms) -> Iterator[Fronts]:
    """The four proxies; whose storage servers run is the caller's affair."""
    folder = cluster.home / "proxy" / "etc"
    conf = (folder / "proxy-server.conf").read_text()
    conf = conf.replace("[app:proxy-server]\n", "[app:proxy-server]\ninfo_cache_seconds = 0\n")
    with ExitStack() as stack:
        pairs = []
        for filters in ({}, ENCRYPTION):
            port = free_port_block(1)
            text = with_filters(conf, filters, before="proxy-server", port=port)
            ours = stack.enter_context(front(text, folder, port=port))
            pairs.append(Pair(ours, stock.add_proxy(filters, forgets=True)))
        yield Fronts(*pairs)
