"""The database in which a cloud service keeps what it knows: SQLAlchemy Core, with migrations by alembic.

URL ──▶ Catalogue.open(url, migrations) ──migrate()──▶ .read() / .write() ──▶ Connection
"""

from .database import Catalogue

__all__ = ["Catalogue"]
