from django.contrib import admin
from unfold.admin import ModelAdmin

from training_jobs.models import Comparison, Evaluation, HeldDevice, TrainingJob


@admin.register(TrainingJob)
class TrainingJobAdmin(ModelAdmin):
    list_display = ("id", "collection", "recipe", "priority", "phase", "base", "model", "created_at")
    list_filter = ("recipe", "collection")
    list_select_related = ("collection", "base", "model")
    raw_id_fields = ("snapshot", "base", "model", "job", "created_by")


@admin.register(Evaluation)
class EvaluationAdmin(ModelAdmin):
    list_display = ("id", "model", "snapshot", "error_rate", "low", "high", "clips", "created_at")
    list_select_related = ("model", "snapshot")
    raw_id_fields = ("model", "snapshot")


@admin.register(Comparison)
class ComparisonAdmin(ModelAdmin):
    list_display = ("id", "a", "b", "snapshot", "created_at")
    list_select_related = ("a", "b", "snapshot")
    raw_id_fields = ("a", "b", "snapshot", "job", "created_by")


@admin.register(HeldDevice)
class HeldDeviceAdmin(ModelAdmin):
    list_display = ("name", "training_job", "since")
    list_select_related = ("training_job",)
    raw_id_fields = ("training_job",)
