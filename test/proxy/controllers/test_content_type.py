"""The law of a type that no client has given."""

from __future__ import annotations

import mimetypes

from hypothesis import given
from hypothesis import strategies as st

from apus.common.constraints import Constraints
from apus.proxy.call import call_of
from apus.proxy.controllers.object import NO_TYPE, _content_type

NAMES = st.lists(
    st.sampled_from(["a", ".", ".txt", ".tar", ".gz", ":", "data:", ",", ";", "/b", "%"]), min_size=1
)


@given(NAMES)
def test_it_is_what_the_name_s_last_part_says(pieces: list[str]) -> None:
    """The table of extensions decides, also where a look at the name spares asking it."""
    name = "n" + "".join(pieces)
    call = call_of({"PATH_INFO": f"/v1/a/c/{name}", "REQUEST_METHOD": "PUT"}, Constraints())
    assert _content_type(call) == (mimetypes.guess_type(name.rpartition("/")[2])[0] or NO_TYPE)
