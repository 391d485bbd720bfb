"""Lists by cursor: no counting, so that the millionth row costs what the first did."""

from rest_framework.pagination import CursorPagination


class ById(CursorPagination):
    """Pages in the order of ids, oldest first; `page_size` up to 1000, `cursor` from the last answer's `next`."""

    ordering = "id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


class NewestFirst(ById):
    """The same, newest first."""

    ordering = "-id"
