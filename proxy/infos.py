"""Where the proxy learns of accounts and containers: its memory, memcached, then a HEAD.

container_info(environ, account, container)
    ├ this request's own memo
    ├ InfoCache (this worker, a second)
    ├ environ["swift.cache"] (all workers, a minute)
    └ HEAD to the replicas ──▶ remembered on all levels, if it exists
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from ..common.errors import Unavailable
from ..common.http.wsgi import Environ
from ..common.timestamp import now
from .info import AccountInfo, ContainerInfo
from .info_cache import InfoCache
from .replicas import Replicas
from .settings import ProxySettings

log = logging.getLogger(__name__)

MEMO = "apus.infocache"
Info = TypeVar("Info", AccountInfo, ContainerInfo)


class Infos:
    """Facts about accounts and containers, for one worker."""

    def __init__(self, replicas: Replicas, settings: ProxySettings) -> None:
        self._replicas = replicas
        self._settings = settings
        self._cache: InfoCache[AccountInfo | ContainerInfo] = InfoCache(
            seconds=settings.info_cache_seconds,
            entries_max=settings.info_cache_entries,
            clock=time.monotonic,
        )
        self.remembers_plain = self._cache.are_plain

    def account(self, environ: Environ, account: str) -> AccountInfo:
        """Return what is known of an account; status 503 when nobody could be asked."""
        key = _key(account)
        known = self._known(environ, key)
        if known is None:
            known = self._shared(environ, key, AccountInfo)
        if known is None:
            known = self._asked_account(environ, account)
        assert isinstance(known, AccountInfo)
        return known

    def container(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return what is known of a container; one in a missing account is missing."""
        key = f"{account}/{container}"
        known = self._cache.get(key) if MEMO not in environ else self._known(environ, key)
        if known is None:
            known = self._shared(environ, key, ContainerInfo)
        if known is None:
            if not account.startswith(".") and not self.account(environ, account).exists:
                status = self.account(environ, account).status
                known = ContainerInfo(status=status if status >= 500 else 404)
            else:
                known = self._asked_container(environ, account, container)
        assert isinstance(known, ContainerInfo)
        return known

    def learn(self, environ: Environ, info: AccountInfo | ContainerInfo, *names: str) -> None:
        """Remember what a storage server has just said."""
        key = _key(*names)
        environ.setdefault(MEMO, {})[key] = info
        if not info.exists:
            return
        self._cache.put(key, info)
        shared = environ.get("swift.cache")
        if shared is not None:
            seconds = (
                self._settings.recheck_container_existence
                if isinstance(info, ContainerInfo)
                else self._settings.recheck_account_existence
            )
            shared.set(_shared_key(key), info.plain(), time=seconds)

    def forget(self, environ: Environ, *names: str) -> None:
        """Drop what a write makes doubtful, on all levels."""
        key = _key(*names)
        environ.setdefault(MEMO, {}).pop(key, None)
        self._cache.forget(key)
        shared = environ.get("swift.cache")
        if shared is not None:
            shared.delete(_shared_key(key))

    def _known(self, environ: Environ, key: str) -> AccountInfo | ContainerInfo | None:
        memo = environ.get(MEMO)
        if memo is not None and key in memo:
            info: AccountInfo | ContainerInfo = memo[key]
            return info
        return self._cache.get(key)

    def _shared(self, environ: Environ, key: str, kind: type[Info]) -> Info | None:
        shared = environ.get("swift.cache")
        plain: Any = shared.get(_shared_key(key)) if shared is not None else None
        if not isinstance(plain, Mapping):
            return None
        try:
            info = kind(**plain)
        except TypeError:
            return None  # Written by another version of this program.
        self._cache.put(key, info)
        return info

    def _asked_account(self, environ: Environ, account: str) -> AccountInfo:
        answer = self._replicas.head(_headers(environ), account)
        if answer.status == 404 and self._settings.account_autocreate:
            deleted = answer.headers.get("X-Account-Status", "").lower() == "deleted"
            info = AccountInfo(status=410) if deleted else AccountInfo(status=204)
        else:
            info = AccountInfo.of(answer.status, answer.headers)
        if info.really_exists:
            self.learn(environ, info, account)
        elif info.status < 500:
            environ.setdefault(MEMO, {})[_key(account)] = info
        return info

    def _asked_container(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        answer = self._replicas.head(_headers(environ), account, container)
        info = ContainerInfo.of(answer.status, answer.headers)
        if info.status < 500:
            self.learn(environ, info, account, container)
        return info


def require_known(info: ContainerInfo) -> None:
    """Refuse to go on with an object when its container's replicas can't be asked."""
    if info.status >= 500:
        raise Unavailable("The container's storage servers are unreachable; try again.")


def _headers(environ: Environ) -> dict[str, str]:
    return {"X-Timestamp": now().internal, "X-Trans-Id": environ.get("swift.trans_id", "-")}


def _key(*names: str) -> str:
    return "/".join(names)


def _shared_key(key: str) -> str:
    return f"apus-info/{key}"
