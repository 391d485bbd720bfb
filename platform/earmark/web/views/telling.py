"""How the pages tell people what came of something they did."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from earmark.speech.errors import EarmarkError


@contextmanager
def telling(request: HttpRequest, done: str = "") -> Iterator[None]:
    """Say `done` when the block ends well; show an EarmarkError with its id instead of failing the request."""
    try:
        yield
    except EarmarkError as error:
        messages.error(request, str(error), extra_tags=error.error_id)
    else:
        if done:
            messages.success(request, done)
