"""The account's URL and a token, from a log-in of version 1 (tempauth) or 3 (Keystone).

    StoreConfig ──▶ logged_in() ──▶ (URL, token)

What goes wrong comes out as it does in requests: a ClientException with a status, or a failed connection's
error.
"""

from __future__ import annotations

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3
from swiftclient import client as swift
from swiftclient.exceptions import ClientException

from .config import StoreConfig


def logged_in(config: StoreConfig) -> tuple[str, str]:
    """Log in and return where the account is, and a token for it.

    Raises:
        ClientException: the log-in answered, but with no token.
        OSError, requests.exceptions.RequestException: it did not answer.
    """
    if config.store_auth_version == "3":
        url, token = _by_keystone(config)
    else:
        url, token = swift.get_auth_1_0(
            config.store_auth_url,
            config.store_user,
            config.store_key,
            timeout=config.store_timeout_seconds,
            cacert=config.store_cacert or None,
        )
    return config.store_url or url, token


def _by_keystone(config: StoreConfig) -> tuple[str, str]:
    password = v3.Password(
        auth_url=config.store_auth_url,
        username=config.store_user,
        password=config.store_key,
        user_domain_name=config.store_domain,
        project_name=config.store_project,
        project_domain_name=config.store_domain,
    )
    session = keystone_session.Session(
        auth=password, timeout=config.store_timeout_seconds, verify=config.store_cacert or True
    )
    try:
        token = session.get_token()
        url = config.store_url or session.get_endpoint(
            service_type="object-store", interface="public", region_name=config.store_region or None
        )
    except keystone_errors.HttpError as problem:
        raise ClientException(str(problem), http_status=problem.http_status) from problem
    except keystone_errors.ClientException as problem:
        raise OSError(str(problem)) from problem
    finally:
        session.session.close()
    if not url:
        raise ClientException("the catalogue has no object-store", http_status=403)
    return str(url), str(token)
