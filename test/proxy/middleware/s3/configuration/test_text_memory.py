"""What is remembered of texts has a bound in bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration.text_memory import TextMemory


@given(st.lists(st.text("ab", max_size=12), max_size=60), st.integers(0, 40))
def test_it_is_the_function_within_its_bound(texts: list[str], bytes_max: int) -> None:
    """Whatever is asked for in whatever order; what is remembered has no more characters than allowed."""
    made: list[str] = []

    def upper(text: str) -> str:
        made.append(text)
        return text.upper()

    memory = TextMemory(upper, bytes_max)
    for text in texts:
        assert memory(text) == text.upper()
        assert sum(map(len, memory.texts())) <= bytes_max
    assert len(made) >= len(set(texts))


def test_what_was_asked_for_last_stays() -> None:
    """And costs nothing the second time."""
    made: list[str] = []
    memory = TextMemory(lambda text: made.append(text), 4)
    for text in ("aa", "bb", "aa", "cc", "aa", "bb"):
        memory(text)
    assert made == ["aa", "bb", "cc", "bb"]
