"""A line of the log is Amazon's server access log format."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.access_logging.line import Entry, line

FIELDS = re.compile(
    r"(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^\]]*)\] (?P<remote>\S+) (?P<requester>\S+)"
    r" (?P<request_id>\S+) (?P<operation>\S+) (?P<key>\S+) (?P<uri>\"[^\"]*\"|-) (?P<status>-|\d{3})"
    r" (?P<error>\S+) (?P<sent>-|\d+) (?P<size>-|\d+) (?P<total>-|\d+) (?P<turn_around>-|\d+)"
    r" (?P<referer>\"[^\"]*\"|-) (?P<agent>\"[^\"]*\"|-) (?P<version>\S+) (?P<host_id>\S+)"
    r" (?P<signature>\S+) (?P<cipher>\S+) (?P<authentication>\S+) (?P<host>\S+) (?P<tls>\S+)"
    r" (?P<access_point>\S+) (?P<acl_required>Yes|-)"
)
"""What Amazon's guides have people read it with."""

READ = Entry(
    owner="AUTH_test",
    bucket="photos",
    moment=1549411238.7,
    remote_address="192.0.2.3",
    requester="test:tester",
    request_id="tx3E57427F33A59F07",
    operation="REST.GET.OBJECT",
    key="2019/a puppy.jpg",
    request_line="GET /photos/2019/a%20puppy.jpg?versionId=v1 HTTP/1.1",
    status=200,
    error_code=None,
    bytes_sent=2662992,
    object_size=3462992,
    total_milliseconds=70,
    turn_around_milliseconds=10,
    referer="http://www.example.com/",
    user_agent="curl/7.15.1",
    version_id="v1",
    host_id="tx3E57427F33A59F07",
    signature_version="SigV4",
    authentication_type="AuthHeader",
    host="store.example",
)


def test_a_line_has_the_fields_in_amazons_order() -> None:
    """Twenty-six, a blank between them; the time in brackets; what clients write in quotation marks."""
    assert line(READ) == (
        "AUTH_test photos [06/Feb/2019:00:00:38 +0000] 192.0.2.3 test:tester tx3E57427F33A59F07 "
        'REST.GET.OBJECT 2019/a%20puppy.jpg "GET /photos/2019/a%20puppy.jpg?versionId=v1 HTTP/1.1" 200 - '
        '2662992 3462992 70 10 "http://www.example.com/" "curl/7.15.1" v1 tx3E57427F33A59F07 SigV4 - '
        "AuthHeader store.example - - -"
    )


def test_what_is_not_known_is_a_dash() -> None:
    """In quotation marks where the field has them; nothing sent is a dash, too."""
    unknown = replace(
        READ,
        requester=None,
        key=None,
        request_line=None,
        bytes_sent=0,
        object_size=None,
        turn_around_milliseconds=None,
        referer=None,
        user_agent=None,
        version_id=None,
        signature_version=None,
        authentication_type=None,
        host=None,
    )
    found = FIELDS.fullmatch(line(unknown))
    assert found is not None
    assert found["uri"] == found["key"] == found["sent"] == found["requester"] == "-"
    assert found["referer"] == found["agent"] == '"-"'


texts = st.text(st.characters(codec="latin-1"), max_size=20)


@given(texts, texts, texts, st.text(max_size=20), texts)
def test_no_client_can_end_a_field_or_a_line(
    request_line: str, referer: str, agent: str, key: str, host: str
) -> None:
    """Whatever they write, there are twenty-six fields on one line of ASCII."""
    said = replace(
        READ, request_line=request_line, referer=referer, user_agent=agent, key=key or None, host=host
    )
    text = line(said)
    assert text.isascii()
    assert text.isprintable()
    found = FIELDS.fullmatch(text)
    assert found is not None
    assert found["operation"] == "REST.GET.OBJECT"
    assert found["acl_required"] == "-"
