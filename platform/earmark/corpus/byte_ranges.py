"""Which part of a file a `Range` header asks for (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableError(Exception):
    """The range asked for lies outside the file."""


@dataclass(frozen=True)
class Span:
    """Bytes first to last, both included."""

    first: int
    last: int


def requested(header: str | None, size: int) -> Span | None:
    """The span that `header` asks for of a file of `size` bytes; None when the whole file is to be sent.

    What is no single range of bytes is not honoured: a server may always send the whole. Raises UnsatisfiableError.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0 or size == 0:
            raise UnsatisfiableError
        return Span(max(0, size - int(last)), size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableError
    return Span(int(first), min(int(last), size - 1) if last else size - 1)
