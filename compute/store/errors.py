"""What only a store's client meets, one class per reaction; the rest is in `common.errors`."""

from __future__ import annotations

from ...common.errors import Refused, Unavailable


class Exists(Refused):
    """There is one already, and the request was for a new one only."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 412)


class Undecidable(Unavailable):
    """The store can't decide the request's condition before its upgrade is over; nothing was done."""


class LoginRefused(Refused):
    """The store doesn't know the account's user or key, or grants it nothing: an operator must act."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 401)
