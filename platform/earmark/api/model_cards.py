"""What a model is for, what it was made of and how good it is, as a page of Markdown."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from earmark.api.recognition import AmongModels
from earmark.corpus.access import visible_collections
from earmark.loop.cards import model_card


class ModelCard(AmongModels):
    """The card of a model, with what was measured of it in your collections."""

    @extend_schema(summary="A model's card", responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        text = model_card(self.get_object(), visible_collections(self.person))
        return HttpResponse(text, content_type="text/markdown; charset=utf-8")
