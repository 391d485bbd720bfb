from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from earmark.accounts.models import User
from earmark.recognition.models import Alias, Hypothesis, ModelVersion, TranscriptionFailure
from earmark.recognition.registry import set_alias
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
class AliasAdmin(ModelAdmin):
    """An alias is changed here as everywhere: by the registry, which keeps the audit log."""

    list_display = ("collection", "name", "model", "since")
    list_select_related = ("collection", "model")
    list_filter = ("name",)
    autocomplete_fields = ("model",)

    def get_readonly_fields(self, request: HttpRequest, obj: Alias | None = None) -> tuple[str, ...]:
        return ("collection", "name") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Alias, form: forms.ModelForm, change: bool) -> None:
        by = request.user if isinstance(request.user, User) else None
        kept = set_alias(collection=obj.collection, name=obj.name, model=obj.model, by=by)
        obj.pk = kept.pk


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
