"""Laws of the gatekeeper."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_request import FixedApp, ask

from apus.common.errors import Refused
from apus.proxy.app import INNER, app_factory
from apus.proxy.middleware.gatekeeper import filter_factory, is_guarded, is_internal

INTERNAL = [
    "X-Account-Sysmeta-Core-Access-Control",
    "X-Container-Sysmeta-Foo",
    "X-Object-Sysmeta-Slo-Etag",
    "X-Object-Transient-Sysmeta-Crypto",
    "X-Backend-Storage-Policy-Index",
    "X-Backend-Cluster-Secret",
    "X-Backend",
    "X-Account-Host",
    "X-Account-Device",
    "X-Account-Partition",
    "X-Container-Host",
    "X-Container-Device",
    "X-Container-Partition",
    "X-Container-Root-Db-State",
    "X-Delete-At-Host",
    "X-Delete-At-Device",
    "X-Delete-At-Partition",
    "X-Delete-At-Container",
    "X-Apus-Inventory",
]
PUBLIC = [
    "X-Object-Meta-X-Backend",
    "X-Container-Meta-Host",
    "X-Container-Hosts",
    "X-Container-Read",
    "X-Delete-At",
    "X-Account-Meta-Sysmeta",
    "X-Timestamp-Not",
]


def cased(name: str) -> list[str]:
    return [name, name.upper(), name.lower(), name.replace("-", "_")]


@pytest.mark.parametrize("name", INTERNAL)
def test_trap_44_a_client_cannot_send_an_internal_header(name: str) -> None:
    """In no spelling does it reach the pipeline."""
    for spelling in cased(name):
        app = FixedApp()
        ask(filter_factory({})(app), headers={spelling: "evil", "X-Object-Meta-Fine": "1"})
        seen = app.seen[0]
        assert "evil" not in seen.values()
        assert [value for key, value in seen.items() if key.startswith("HTTP_X_")] == ["1"]


@pytest.mark.parametrize("name", INTERNAL)
def test_trap_44_a_client_does_not_see_an_internal_header(name: str) -> None:
    """Answers lose them, in any case, also when the name has been seen before."""
    app = FixedApp(headers=[(name, "secret"), (name.lower(), "secret"), ("ETag", "e")])
    gate = filter_factory({})(app)
    for _ in range(2):
        assert ask(gate).headers == {"etag": "e"}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_only_looks_internal_passes(name: str) -> None:
    """Users' metadata may have any name."""
    app = FixedApp(headers=[(name, "shown")])
    reply = ask(filter_factory({})(app), headers={name: "kept"})
    assert "kept" in app.seen[0].values()
    assert reply.headers == {name.lower(): "shown"}
    assert not is_internal(name)


def test_trap_44_a_clients_timestamp_orders_nothing() -> None:
    """X-Timestamp is set aside by default, and a forged shunt header does not survive."""
    app = FixedApp()
    headers = {"X-Timestamp": "9999999999.00000", "X-Backend-Inbound-X-Timestamp": "1"}
    ask(filter_factory({})(app), headers=headers)
    assert "HTTP_X_TIMESTAMP" not in app.seen[0]
    assert app.seen[0]["HTTP_X_BACKEND_INBOUND_X_TIMESTAMP"] == "9999999999.00000"


def test_the_shunt_can_be_turned_off() -> None:
    """A cluster that is fed by container sync may trust clients' timestamps."""
    app = FixedApp()
    ask(filter_factory({}, shunt_inbound_x_timestamp="false")(app), headers={"X-Timestamp": "1"})
    assert app.seen[0]["HTTP_X_TIMESTAMP"] == "1"


def test_reserved_names_need_the_operators_leave() -> None:
    """X-Allow-Reserved-Names does nothing unless it is configured."""
    app = FixedApp()
    ask(filter_factory({})(app), headers={"X-Allow-Reserved-Names": "true"})
    ask(
        filter_factory({}, allow_reserved_names_header="true")(app),
        headers={"X-Allow-Reserved-Names": "true"},
    )
    key = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
    assert [environ.get(key) for environ in app.seen] == [None, "true"]


def test_the_memory_of_names_is_bounded() -> None:
    """Clients invent metadata names; the filter does not remember them all."""
    app = FixedApp()
    gate = filter_factory({})(app)
    for number in range(3000):
        app.headers = [(f"X-Object-Meta-{number}", "v")]
        ask(gate, headers={f"X-Object-Meta-{number}": "v", f"X-Object-Sysmeta-{number}": "v"})
    assert len(gate._visible) <= 1024
    assert len(gate._harmless) <= 1024
    assert len(gate._hidden) <= 1024
    assert not any("SYSMETA" in key for environ in app.seen for key in environ)


@pytest.mark.parametrize(
    ("pipeline", "use", "guarded"),
    [
        ("catch_errors gatekeeper proxy-server", "egg:apus#gatekeeper", True),
        ("gatekeeper proxy-server", "egg:swift#gatekeeper", True),
        ("egg:apus#gatekeeper proxy-server", "", True),
        ("catch_errors tempauth proxy-server", "egg:apus#gatekeeper", False),
        ("gatekeeper proxy-server", "egg:apus#healthcheck", False),
        (None, "", True),
    ],
)
def test_a_proxy_does_not_start_unguarded(
    pipeline: str | None, use: str, guarded: bool, tmp_path: Path
) -> None:
    """A pipeline that lets clients forge internal headers is a mistake, said at start."""
    main = {} if pipeline is None else {"pipeline:main": {"pipeline": pipeline}}
    sections = {**main, **({"filter:gatekeeper": {"use": use}} if use else {})}
    assert is_guarded(sections) is guarded
    conf = tmp_path / "proxy.conf"
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in items.items()) for name, items in sections.items()
    ]
    conf.write_text("".join(lines))
    with pytest.raises(Refused, match="gatekeeper" if not guarded else "swift_dir"):
        app_factory({"__file__": str(conf), "swift_dir": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[pipeline:main]\npipeline = gatekeeper proxy-server\n[filter:gatekeeper]\nuse = egg:a#gatekeeper\n",
            "without",
        ),
        ("", "must be there"),
        ("[pipeline:main]\npipeline = keymaster proxy-server\n", "swift_dir"),
    ],
)
def test_a_daemons_pipeline_has_none(text: str, says: str, tmp_path: Path) -> None:
    """Nobody reaches it from outside, and what it is for is what a gatekeeper removes."""
    conf = tmp_path / "internal-client.conf"
    conf.write_text(text)
    with pytest.raises(Refused, match=says):
        app_factory({"__file__": str(conf), "swift_dir": str(tmp_path), INNER: "yes"})


@pytest.mark.parametrize("name", ["X-Backend-Read-Quorum", "X-Account-Sysmeta-Quota-Bytes"])
def test_trap_44_a_client_sets_no_quota_past_its_filter(name: str) -> None:
    """What the quota filters say behind the gatekeeper, nobody says before it."""
    app = FixedApp()
    ask(filter_factory({})(app), "POST", "/v1/a", headers={name: "true"})
    assert "true" not in app.seen[0].values()
