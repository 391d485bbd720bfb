from django.contrib import admin
from unfold.admin import ModelAdmin

from earmark.jobs.models import Job


@admin.register(Job)
class JobAdmin(ModelAdmin):
    list_display = (
        "id",
        "kind",
        "status",
        "scope",
        "note",
        "attempt",
        "error_id",
        "created_at",
        "finished_at",
    )
    list_filter = ("status", "kind", "queue")
    search_fields = ("kind", "scope", "error_id")
    show_full_result_count = False
    readonly_fields = [field.name for field in Job._meta.fields]
