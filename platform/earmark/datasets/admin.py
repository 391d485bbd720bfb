from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from earmark.datasets.models import Export, Snapshot, SnapshotItem


class Frozen(ModelAdmin):
    """Rows to look at: the platform writes them, and nobody changes them."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Snapshot)
class SnapshotAdmin(Frozen):
    list_display = ("digest", "purpose", "collection", "created_by", "created_at")
    list_select_related = ("collection", "created_by")
    list_filter = ("purpose", "collection")
    search_fields = ("digest",)


@admin.register(SnapshotItem)
class SnapshotItemAdmin(Frozen):
    list_display = ("clip_id", "snapshot", "split", "text")
    list_select_related = ("snapshot",)
    list_filter = ("snapshot", "split")


@admin.register(Export)
class ExportAdmin(Frozen):
    list_display = ("snapshot", "format", "file", "created_by", "created_at")
    list_select_related = ("snapshot", "created_by")
    list_filter = ("format",)
