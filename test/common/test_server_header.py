"""How a storage server says of what kind it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_request import ask

from apus.account.server import AccountServer
from apus.common.recon import server_header
from apus.container.server import ContainerServer


@pytest.mark.parametrize(("server", "kind"), [(AccountServer, "account"), (ContainerServer, "container")])
def test_options_tells_the_kind(server: type, kind: str, tmp_path: Path) -> None:
    """swift-recon --validate-servers reads it."""
    (tmp_path / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
    app = server({"swift_dir": str(tmp_path), "devices": str(tmp_path)})
    reply = ask(app, "OPTIONS", "/")
    assert reply.status == 200
    assert reply.headers["server"] == server_header(kind)
    assert reply.headers["server"].startswith(f"{kind}-server/")
    assert "OPTIONS" in reply.headers["allow"]
