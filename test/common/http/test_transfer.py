"""Laws of bodies that move themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import serving

from apus.common import concurrency
from apus.common.http.errors import ClientDisconnect
from apus.common.http.transfer import CountedBody, FileBody, Pipe

GET = b"GET / HTTP/1.1\r\n\r\n"
Reports = list[tuple[int, type[BaseException] | None]]


def reporter(reports: Reports) -> Any:
    """An on_done that notes what it is told."""
    return lambda count, problem: reports.append((count, problem and type(problem)))


@pytest.fixture
def content(tmp_path: Path) -> tuple[Path, bytes]:
    """A file of some megabytes, and what is in it."""
    data = os.urandom(3_000_001)
    path = tmp_path / "file"
    path.write_bytes(data)
    return path, data


def opened(path: Path, offset: int, length: int) -> FileBody:
    """The body of a part of the file."""
    return FileBody(os.open(path, os.O_RDONLY), offset, length)


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 5), (7, 70_000), (0, 3_000_001), (1, 3_000_000)])
def test_a_part_of_a_file_arrives_whole(content: tuple[Path, bytes], offset: int, length: int) -> None:
    """By sendfile and by iteration, and the connection serves the next request."""
    path, data = content

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", str(length))])
        return opened(path, offset, length)

    with serving(app) as served, served.raw() as raw:
        for _ in range(2):
            raw.send(GET)
            assert raw.answer().body == data[offset : offset + length]
        raw.send(b"HEAD / HTTP/1.1\r\n\r\n")
        assert raw.answer("HEAD").headers["content-length"] == str(length)
    body = opened(path, offset, length)
    assert b"".join(body) == data[offset : offset + length]
    body.close()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_file_of_unannounced_length_arrives_whole(content: tuple[Path, bytes], version: bytes) -> None:
    """It is iterated, as any other body would be."""
    path, data = content

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return opened(path, 0, len(data))

    with serving(app) as served:
        assert served.ask(b"GET / HTTP/" + version + b"\r\n\r\n").body == data


def test_files_are_closed(content: tuple[Path, bytes]) -> None:
    """After a GET, a HEAD and a client that left: no descriptor is left open."""
    path, data = content

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", str(len(data)))])
        return opened(path, 0, len(data))

    def open_files() -> int:
        return sum(os.readlink(f"/proc/self/fd/{name}") == str(path) for name in listed())

    def listed() -> list[str]:
        return [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]

    with serving(app) as served:
        served.ask(GET)
        served.ask(b"HEAD / HTTP/1.1\r\n\r\n", method="HEAD")
        with served.raw() as raw:
            raw.send(GET)
            raw.wire.receive(10, 5)
        with concurrency.timeout(60):
            while open_files():
                concurrency.sleep(0.005)


def test_a_file_that_is_too_short_breaks_the_answer_off(tmp_path: Path) -> None:
    """The client sees fewer bytes than announced, and the end of the connection."""
    path = tmp_path / "short"
    path.write_bytes(b"x" * 10)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "20")])
        return opened(path, 0, 20)

    with serving(app) as served, served.raw() as raw:
        raw.send(GET + GET)
        assert raw.rest().partition(b"\r\n\r\n")[2] == b"x" * 10


def test_a_counted_body_reports_its_end_once(content: tuple[Path, bytes]) -> None:
    """Moved, iterated, given up or broken: the bytes, and what ended it."""
    path, data = content
    reports: Reports = []

    def moved(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", str(len(data)))])
        return CountedBody(opened(path, 0, len(data)), reporter(reports))

    def iterated(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return CountedBody([b"abc", b"de"], reporter(reports))

    def broken(environ: dict[str, Any], start_response: Any) -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"abc"
            raise KeyError("oops")

        start_response("200 OK", [])
        return CountedBody(pieces(), reporter(reports))

    for app in (moved, iterated, broken):
        with serving(app) as served, served.raw() as raw:
            raw.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            raw.rest()
    with serving(iterated) as served:
        served.ask(b"HEAD / HTTP/1.1\r\n\r\n", method="HEAD")
    assert reports == [(len(data), None), (5, None), (3, KeyError), (0, None)]


def test_a_counted_body_tells_of_a_client_that_left(content: tuple[Path, bytes]) -> None:
    """With the bytes that had been moved by then."""
    path, _ = content
    reports: Reports = []
    size = 200_000_000

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        os.truncate(path, size)
        start_response("200 OK", [("Content-Length", str(size))])
        return CountedBody(opened(path, 0, size), reporter(reports))

    with serving(app) as served:
        with served.raw() as raw:
            raw.send(GET)
            raw.wire.receive(1000, 5)
        with concurrency.timeout(60):
            while not reports:
                concurrency.sleep(0.005)
    ((count, problem),) = reports
    assert problem is ClientDisconnect
    assert 1000 < count < size


def test_a_counted_body_without_transfer_has_none() -> None:
    """The server then iterates it."""
    assert CountedBody([b"x"], lambda *_: None).transfer is None


def test_a_pipe_that_holds_something_is_not_lent_again() -> None:
    """What was left in it would be sent to somebody else."""
    pipe = Pipe.borrow()
    reading, writing = os.pipe()
    os.write(writing, b"secret")
    pipe.fill(reading, 6)
    pipe.give_back()
    assert pipe not in Pipe._spare
    clean = Pipe.borrow()
    clean.give_back()
    assert clean in Pipe._spare
    os.close(reading)
    os.close(writing)
