"""Stock's functional tests that fail against Apus because we answer differently on purpose, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stock_s3_differences import s3_differences

_PRECEDENCE = "If-Match decides where If-Unmodified-Since is sent beside it (RFC 9110, 13.2.2); stock wants both to hold."
_IS_LATEST = (
    "A listing of versions from ?version_marker=null says of the first object's newest version that it is the "
    "latest; stock says it is not, by Launchpad bug 2147042, which the test quotes."
)
_REASON_GIVEN = "A manifest nested too deeply is a 409 that says so; stock's has the words of any other 409, which are tested."
_ROOM = (
    "A file system of ext4 has 4 KiB for all that is noted of a file: less than the most metadata that the API allows. "
    "We answer 400 and say so, stock 503. On XFS there is room, and the test passes."
)
_LOCATION = "keystonemiddleware makes the Location of a 307 absolute, whoever answered; the test wants what tempauth leaves."


def differences(login: str) -> Mapping[str, str]:
    """Return the tests that differ where one logs in with tempauth, or with Keystone, or speaks S3, and why."""
    if login in ("s3", "amazon"):
        return dict(s3_differences())
    return dict((*_everywhere(), *(_with_keystone() if login == "keystone" else ())))


def _everywhere() -> Iterator[tuple[str, str]]:
    for compared in ("TestSymlinkComparison", "TestSymlinkTargetObjectComparison"):
        yield f"test_symlink.{compared}.testIfMatchAndUnmodified", _PRECEDENCE
    for suffix in ("", "UTF8"):
        yield f"tests.TestFileComparison{suffix}.testIfMatchAndUnmodified", _PRECEDENCE
        yield f"tests.TestFile{suffix}.testMetadataNumberLimit", _ROOM
    for suffix in ("", "UTF8"):
        test = "test_list_marker_and_version_marker_is_null"
        yield f"test_object_versioning.TestContainerOperations{suffix}.{test}", _IS_LATEST
    for place in ("TestSymlink", "TestCrossPolicySymlink"):
        yield f"test_symlink.{place}.test_symlink_and_slo_manifest_chain", _REASON_GIVEN


def _with_keystone() -> Iterator[tuple[str, str]]:
    for place in ("TestSymlink", "TestCrossPolicySymlink"):
        for link in ("symlink", "to_broken_dynamic_symlink", "to_broken_static_symlink"):
            yield f"test_symlink.{place}.test_post_{link}", _LOCATION
