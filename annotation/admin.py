from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from annotation.models import Annotation, Round, RoundClip


class Record(ModelAdmin):
    """Rows that only jobs write: to be read and searched here, never edited."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Round)
class RoundAdmin(Record):
    list_display = (
        "id",
        "collection",
        "number",
        "status",
        "strategy",
        "budget_seconds",
        "audit_share",
        "model",
        "project_id",
        "synced_until",
        "created_at",
    )
    list_filter = ("status", "collection")
    list_select_related = ("collection", "model")


@admin.register(RoundClip)
class RoundClipAdmin(Record):
    list_display = ("id", "round", "clip", "reason", "score", "wanted", "outcome")
    list_filter = ("outcome", "reason", "round__collection")
    list_select_related = ("round__collection", "clip")
    search_fields = ("clip__id",)


@admin.register(Annotation)
class AnnotationAdmin(Record):
    list_display = (
        "id",
        "round_clip",
        "annotator",
        "text",
        "was_skipped",
        "quality",
        "lead_seconds",
        "created_at",
        "updated_at",
        "deleted_at",
    )
    list_filter = ("was_skipped", "annotator")
    list_select_related = ("round_clip",)
    search_fields = ("text", "annotator")
    date_hierarchy = "created_at"
