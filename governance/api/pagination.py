"""Lists by cursor: `results`, `next`, `previous`."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    page_size = 25
    max_page_size = 100
    page_size_query_param = "page_size"

    def __init__(self, ordering: str) -> None:
        self.ordering = ordering
