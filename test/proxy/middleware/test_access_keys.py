"""Who is asked what an access key signs with."""

from __future__ import annotations

from apus.proxy.middleware.access_keys import NoSecrets, Secret, secrets_behind


class Filter:
    """One of a pipeline that knows nobody."""

    def __init__(self, app: object) -> None:
        self.app = app


class Knowing(Filter):
    """One that knows some."""

    def __init__(self, app: object, **known: str) -> None:
        super().__init__(app)
        self.known = known
        self.asked: list[str] = []

    def s3_secret(self, access_key: str) -> Secret | None:
        self.asked.append(access_key)
        key = self.known.get(access_key)
        return None if key is None else Secret(key, "account", None)


def test_each_filter_knows_its_own() -> None:
    """The last in the pipeline is asked first, the others for what it does not know."""
    last = Knowing(None, ours="1")
    first = Knowing(Filter(last), theirs="2", ours="3")
    found = secrets_behind(Filter(first))
    for key, signs in (("ours", "1"), ("theirs", "2"), ("nobodys", None)):
        secret = found.s3_secret(key)
        assert (secret and secret.key) == signs
    assert first.asked == ["theirs", "nobodys"]


def test_where_nobody_knows_any_key_is_nobodys() -> None:
    """And a lone filter is asked itself."""
    assert isinstance(secrets_behind(Filter(Filter(None))), NoSecrets)
    alone = Knowing(None, ours="1")
    assert secrets_behind(Filter(alone)) is alone
