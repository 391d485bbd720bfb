from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from earmark.recognition.models import Alias, Hypothesis, ModelVersion, TranscriptionFailure
from earmark.recognition.run_models import TranscriptionRun, TranscriptionShard


class WrittenByThePlatform(ModelAdmin):
    """Rows to look at: nobody writes them by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ModelVersion)
class ModelVersionAdmin(WrittenByThePlatform):
    list_display = ("name", "parent", "source", "created_at")
    list_select_related = ("parent",)
    search_fields = ("name", "source")


@admin.register(Alias)
class AliasAdmin(WrittenByThePlatform):
    """To look at: who is champion is decided by a verdict or for a reason, on the page of models."""

    list_display = ("collection", "name", "model", "since")
    list_select_related = ("collection", "model")
    list_filter = ("name",)


@admin.register(Hypothesis)
class HypothesisAdmin(WrittenByThePlatform):
    list_display = ("clip_id", "model", "text", "confidence", "flags")
    list_select_related = ("model",)
    list_filter = ("model",)
    raw_id_fields = ("clip",)
    list_per_page = 50


@admin.register(TranscriptionFailure)
class TranscriptionFailureAdmin(WrittenByThePlatform):
    list_display = ("clip_id", "model", "error_id", "error", "at")
    list_select_related = ("model",)
    list_filter = ("error_id", "model")


@admin.register(TranscriptionRun)
class TranscriptionRunAdmin(WrittenByThePlatform):
    list_display = ("id", "collection", "model", "only", "queue", "is_urgent", "job", "created_at")
    list_select_related = ("collection", "model", "job")
    list_filter = ("queue", "is_urgent")


@admin.register(TranscriptionShard)
class TranscriptionShardAdmin(WrittenByThePlatform):
    list_display = (
        "id",
        "run_id",
        "priority",
        "status",
        "clips",
        "heard",
        "attempts",
        "error_id",
        "finished_at",
    )
    list_filter = ("status", "priority", "queue")
    exclude = ("clip_ids",)
    raw_id_fields = ("run", "carrier")
