"""Who somebody is, as a signed token says it; every service checks that by itself.

    X-Auth-Token ──Verifier.verify()──▶ Identity, or TokenRefused
                        ├ signature.py     keys by their ids, signatures
                        ├ claims.py        what a token says, in short names
                        ├ revocation.py    which tokens have ended before their time
                        └ notice_board.py  where keys and revocations are published, also by HTTP (asking.py)

    OwnToken.used(send)             own_token.py  a service's own user, logged in

Tokens are made in one place only, which is the identity service.
"""

from .claims import AccessRule, Identity
from .own_token import Login, OwnToken
from .revocation import Revocation
from .verifier import TokenRefused, Verifier

__all__ = ["AccessRule", "Identity", "Login", "OwnToken", "Revocation", "TokenRefused", "Verifier"]
