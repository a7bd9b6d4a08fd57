"""Stock's tests of S3 that fail against Apus because we answer differently on purpose, and why.

Most of stock's test/s3api holds both to Amazon; test/functional/s3api holds to what stock answers.
"""

from __future__ import annotations

from collections.abc import Iterator

_OWNER = "The owner of buckets, as documents name it, is the account; stock names the user who asks."
_LISTING_NEEDS_RIGHTS = (
    "Who has no right to an account does not list its buckets; stock's s3_acl shows them none of them."
)
_RESOURCE = (
    "Our errors tell the Resource, as Amazon's documentation has it: the bucket's name, which has xxe in it."
)
_OBJECTS_SUM = "The checksum that CompleteMultipartUpload says is the object's, as at Amazon, and is held against its parts."
_STRICT_END = "What stands behind the end of a body, or comes twice in its trailers, is refused: nobody has said what it is."
_FRAMES = "A body in chunks is taken for one however the request is signed, and what is wrong with its frames is told as such."
_CHUNK = "Of a chunk's signature we tell the string to sign; the canonical request is none of its own."
_CHUNK_LINE = (
    "A line before a chunk that cannot be read is told as such, not as a signature that does not fit."
)
_EMPTY_TOKEN = "An empty continuation token is refused, as at Amazon."
_EMPTY_DELIMITER = "No listing tells an empty delimiter; stock's of versions does."
_HEAD_LENGTH = "HEAD has the Content-Length that GET has (RFC 9110, 8.6), of errors, too."
_OWN_AGAIN = "In us-east-1 who creates a bucket again that they have is told 200, as at Amazon."
_NO_KEY = "An object to delete without a key is MalformedXML, as at Amazon."
_DONE_HERE = "Stock answers 501; we do it."
_DOCUMENT_FIRST = "An empty document is refused before anybody looks for the bucket."
_NO_CONTENT = "A 204 has neither Content-Type nor Content-Length (RFC 9110, 8.6)."
_SWIFTS_HEADERS = "X-Delete-At and X-Robots-Tag are the Swift API's; an S3 request's are not passed on."
_ACCEPT_RANGES = "A 304 has no Accept-Ranges."
_UNDERSCORE = "Two headers whose names differ by - and _ alone are one header behind a WSGI server."
_YEAR = "A URL of version 2 may end in a year that has ten digits of seconds."
_ABSOLUTE = "The host of a whole URL in the request line replaces the Host header (RFC 9112, 3.2.2), which was signed."
_SIGNED = ("TestV4AuthHeaders", "TestV4AuthQuery", "TestV2AuthHeaders", "TestV2AuthQuery")
_TRAILED = "test_strm_unsgnd_pyld_trl"


def s3_differences() -> Iterator[tuple[str, str]]:
    """Yield the tests that differ, and why."""
    for name, reason in _of_amazons():
        yield f"test.s3api.{name}", reason
    for place, tests in _OF_STOCKS.items():
        for test, reason in tests.items():
            for suffix in ("", "SigV4"):
                yield f"s3api.{place}{suffix}.{test}", reason
    yield "s3api.test_presigned.TestS3ApiPresignedUrls.test_expiration_limits", _YEAR
    yield "s3api.test_presigned.TestS3ApiPresignedUrlsSigV4.test_absolute_form_request", _ABSOLUTE
    for test in ("test_create_bucket", "test_delete_objects", "test_put_bucket_versioning"):
        yield f"s3api.test_xxe_injection.TestS3ApiXxeInjection.{test}", _RESOURCE
    yield "s3api.test_xxe_injection.TestS3ApiXxeInjection.test_complete_multipart_upload", _DOCUMENT_FIRST


def _of_amazons() -> Iterator[tuple[str, str]]:
    for suffix in ("SigV4", "SigV2", "PresignedV2", "PresignedV4"):
        for test in ("test_existing_service_client3", "test_service_with_buckets_client3"):
            yield f"test_service.TestGetService{suffix}.{test}", _LISTING_NEEDS_RIGHTS
    yield "test_object_checksums.TestObjectChecksums.test_mpu_upload_part_multi_checksum", _RESOURCE
    for signed in _SIGNED:
        for what in ("good", "bad"):
            test = f"test_good_md5_good_sha_{what}_crc_header_mpu"
            yield f"test_input_errors.{signed}.{test}", _OBJECTS_SUM
    for signed in _SIGNED[1:]:
        for test in (
            "test_strm_sgnd_pyld_cl_matches_decoded_cl",
            "test_strm_sgnd_pyld_trl_no_trailer",
            f"{_TRAILED}_cl_matches_decoded_cl",
            f"{_TRAILED}_encoding_declared_not_encoded",
            f"{_TRAILED}_no_trailer",
            f"{_TRAILED}_not_encoded",
        ):
            yield f"test_input_errors.{signed}.{test}", _FRAMES
    for test, reason in _OF_CHUNKS.items():
        yield f"test_input_errors.{_SIGNED[0]}.{test}", reason


_OF_CHUNKS = {
    "test_strm_sgnd_pyld_bad_final_signature": _CHUNK,
    "test_strm_sgnd_pyld_bad_signatures": _CHUNK,
    "test_strm_sgnd_pyld_trl_bad_trl_sig": _CHUNK,
    "test_strm_sgnd_pyld_cl_matches_decoded_cl": _FRAMES,
    "test_strm_sgnd_pyld_trl_no_trailer": _FRAMES,
    "test_strm_sgnd_pyld_extra_param_before": _CHUNK_LINE,
    "test_strm_sgnd_pyld_invalid_signatures": _CHUNK_LINE,
    f"{_TRAILED}_bad_then_good_trailer_ok": _STRICT_END,
    f"{_TRAILED}_good_then_bad_trailer": _STRICT_END,
    f"{_TRAILED}_extra_line_then_trailer_ok": _STRICT_END,
    f"{_TRAILED}_extra_lines_after_trailer_ok": _STRICT_END,
    f"{_TRAILED}_with_trailer_extra_line_junk_ok": _STRICT_END,
}
_OF_STOCKS = {
    "test_acl.TestS3Acl": {"test_acl": _OWNER},
    "test_bucket.TestS3ApiBucket": {
        "test_blank_params": _EMPTY_DELIMITER,
        "test_bucket_put_object_lock_configuration": _DONE_HERE,
        "test_get_bucket_v2_with_continuation_token_and_delimiter": _EMPTY_TOKEN,
        "test_head_bucket_error": _HEAD_LENGTH,
        "test_put_bucket_error": _OWN_AGAIN,
    },
    "test_multi_delete.TestS3ApiMultiDelete": {"test_delete_multi_objects_error": _NO_KEY},
    "test_multi_upload.TestS3ApiMultiUpload": {
        "test_complete_multi_upload_conditional": _DONE_HERE,
        "test_complete_multi_upload_error": _DOCUMENT_FIRST,
        "test_mpu_copy_part_from_mpu_part_number_then_abort": _NO_CONTENT,
        "test_mpu_copy_part_from_mpu_part_number_then_complete": _NO_CONTENT,
        "test_mpu_copy_part_from_range_then_abort": _NO_CONTENT,
        "test_object_multi_upload": _NO_CONTENT,
        "test_object_multi_upload_part_copy_version": _NO_CONTENT,
    },
    "test_object.TestS3ApiObject": {
        "test_get_object_if_unmodified_since": _ACCEPT_RANGES,
        "test_object_expiration_header": _SWIFTS_HEADERS,
        "test_put_object_conditional_requests": _DONE_HERE,
        "test_put_object_invalid_x_delete_after": _SWIFTS_HEADERS,
        "test_put_object_invalid_x_delete_at": _SWIFTS_HEADERS,
        "test_put_object_robots_tag": _SWIFTS_HEADERS,
        "test_put_object_underscore_in_metadata": _UNDERSCORE,
    },
    "test_service.TestS3ApiService": {"test_service": _OWNER},
    "test_presigned.TestS3ApiPresignedUrls": {
        "test_bucket": _OWNER,
    },
}
