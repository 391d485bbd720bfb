"""Who may do what: each view names the role its methods need in the collection the thing belongs to.

A collection someone is not a member of does not exist for them (404); one they are in with too small a role
refuses (403).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.access import require, visible_collections
from earmark.corpus.models import Collection

READERS: Mapping[str, Role] = {"GET": Role.VIEWER}


class JsonAlways(DefaultContentNegotiation):
    """Answer in JSON whatever the client says it accepts."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Answering(GenericAPIView[Any]):
    """What every view shares: JSON in and out, no OPTIONS, signed-in people only (from the settings)."""

    renderer_classes = (JSONRenderer,)
    parser_classes: Sequence[type[BaseParser]] = (JSONParser,)
    content_negotiation_class = JsonAlways
    metadata_class = None
    needs: ClassVar[Mapping[str, Role]] = READERS

    @property
    def person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    @property
    def is_being_described(self) -> bool:
        """Whether the OpenAPI schema is being drawn, with no request behind it."""
        return getattr(self, "swagger_fake_view", False)

    def demand(self, collection: Collection) -> None:
        """Raise PermissionDenied unless the person's role in `collection` covers what this method needs."""
        method = "GET" if self.request.method == "HEAD" else str(self.request.method)
        require(self.person, collection, self.needs[method])


class InCollection(Answering):
    """Addresses below `/collections/{slug}/`; `owner` is the path from a row to its collection."""

    owner: ClassVar[str] = "collection"

    @cached_property
    def collection(self) -> Collection:
        return get_object_or_404(visible_collections(self.person), slug=self.kwargs["slug"])

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.demand(self.collection)

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows.none() if self.is_being_described else rows.filter(**{self.owner: self.collection})


class OfCollection(Answering):
    """One row by its id, with the role tested in the collection that `owner` leads to."""

    owner: ClassVar[str] = "collection"
    target: Any

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if self.is_being_described:
            return rows.none()
        return rows.filter(**{f"{self.owner}__in": visible_collections(self.person)})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.target = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        self.demand(attrgetter(self.owner.replace("__", "."))(self.target))

    def get_object(self) -> Any:
        return self.target


class PartsOf(Answering):
    """The many parts of one row: `whole` is where that row is looked up, `part_of` the field that points to it."""

    owner: ClassVar[str] = "collection"
    whole: ClassVar[QuerySet[Any]]
    part_of: ClassVar[str]
    target: Model

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        visible = self.whole.filter(**{f"{self.owner}__in": visible_collections(self.person)})
        self.target = get_object_or_404(visible, pk=self.kwargs["pk"])
        self.demand(attrgetter(self.owner.replace("__", "."))(self.target))

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows.none() if self.is_being_described else rows.filter(**{self.part_of: self.target})
