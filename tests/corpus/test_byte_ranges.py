import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.corpus.byte_ranges import Span, UnsatisfiableError, requested


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 0)),
        ("bytes=0-", Span(0, 99)),
        ("bytes=10-19", Span(10, 19)),
        ("bytes=90-1000", Span(90, 99)),
        ("bytes=-5", Span(95, 99)),
        ("bytes=-500", Span(0, 99)),
        ("Bytes= 1-2 ", Span(1, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=1-2-3", None),
        ("seconds=0-1", None),
        ("bytes=0-" + "9" * 5000, None),
    ],
)
def test_what_is_asked_of_a_hundred_bytes(header: str | None, span: Span | None) -> None:
    assert requested(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_lies_outside_cannot_be_sent(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        requested(header, 100)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 200))
def test_a_span_is_what_slicing_would_give(first: int, last: int, size: int) -> None:
    data = bytes(index % 256 for index in range(size))
    try:
        span = requested(f"bytes={first}-{last}", size)
    except UnsatisfiableError:
        assert data[first : last + 1] == b""
        return
    if span is None:
        assert last < first
        return
    assert data[span.first : span.last + 1] == data[first : last + 1] != b""


@given(st.integers(1, 300), st.integers(1, 200))
def test_a_suffix_is_the_end(count: int, size: int) -> None:
    span = requested(f"bytes=-{count}", size)
    assert span is not None
    assert span.last == size - 1
    assert span.last - span.first + 1 == min(count, size)


@given(st.text(max_size=40), st.integers(0, 100))
def test_no_header_breaks_it(header: str, size: int) -> None:
    try:
        span = requested(header, size)
    except UnsatisfiableError:
        return
    assert span is None or 0 <= span.first <= span.last < size
