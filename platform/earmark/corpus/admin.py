"""The corpus in Django's administration: quick at a million rows, and nothing that may not change can be changed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from earmark.accounts.models import Role, User
from earmark.corpus.models import (
    Clip,
    Collection,
    Import,
    ImportFile,
    Membership,
    Recording,
    Reference,
    Segmentation,
    Speaker,
)
from earmark.corpus.services import add_member, remove_member

MOST_COUNTED = 10_000


def _who(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


class ShortCount(Paginator):
    """Pages that stop counting at 10,000 rows: a count of millions takes longer than the page itself."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows[:MOST_COUNTED].count() if isinstance(rows, QuerySet) else len(rows)


def _digest(term: str) -> str:
    """`term` if it is a SHA-256; raises ValueError."""
    if len(bytes.fromhex(term)) != 32:
        raise ValueError(term)
    return term.lower()


class Kept(ModelAdmin):
    """Rows that the platform writes and people read. They are searched by `found_by`: lookups that have an index."""

    found_by: Mapping[str, Callable[[str], object]] = {}

    show_full_result_count = False
    paginator = ShortCount
    list_per_page = 50
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return tuple(self.found_by)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        wanted = Q()
        for lookup, read in self.found_by.items():
            with suppress(ValueError):
                wanted |= Q(**{lookup: read(term)})
        if not term:
            return queryset, False
        return (queryset.filter(wanted) if wanted else queryset.none()), False


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Collection)
class CollectionAdmin(ModelAdmin):
    """Collections and their members; a change of membership goes into the audit log."""

    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_formset(
        self, request: HttpRequest, form: forms.ModelForm, formset: forms.BaseModelFormSet, change: bool
    ) -> None:
        formset.save(commit=False)
        for gone in formset.deleted_objects:
            remove_member(collection=gone.collection, user=gone.user, by=_who(request))
        for one in (*formset.new_objects, *(changed for changed, _fields in formset.changed_objects)):
            add_member(collection=one.collection, user=one.user, role=Role(one.role), by=_who(request))


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):
    list_display = ("collection", "user", "role")
    list_filter = ("role", "collection")
    list_select_related = ("collection", "user")
    autocomplete_fields = ("collection", "user")
    search_fields = ("user__username", "collection__slug")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("collection", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: forms.ModelForm, change: bool) -> None:
        obj.pk = add_member(
            collection=obj.collection, user=obj.user, role=Role(obj.role), by=_who(request)
        ).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        remove_member(collection=obj.collection, user=obj.user, by=_who(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for one in queryset.select_related("collection", "user"):
            self.delete_model(request, one)


@admin.register(Speaker)
class SpeakerAdmin(Kept):
    list_display = ("name", "collection", "language", "dialect", "split")
    list_filter = ("split", "collection")
    list_select_related = ("collection",)
    found_by = {"name": str}


@admin.register(Import)
class ImportAdmin(Kept):
    list_display = ("id", "source", "collection", "created_by", "created_at")
    list_filter = ("collection",)
    list_select_related = ("collection", "created_by")


@admin.register(ImportFile)
class ImportFileAdmin(Kept):
    list_display = ("path", "of_id", "outcome", "error_id")
    list_filter = ("outcome",)
    found_by = {"of": int, "error_id": str, "path__startswith": str}
    search_help_text = _("import number, error id, or the beginning of a path")


@admin.register(Recording)
class RecordingAdmin(Kept):
    list_display = ("name", "collection", "seconds", "rate", "channels", "format", "speaker")
    list_filter = ("collection", "language")
    list_select_related = ("collection", "speaker")
    found_by = {"sha256": _digest, "name__startswith": str}
    search_help_text = _("hash of the bytes, or the beginning of a name")


@admin.register(Segmentation)
class SegmentationAdmin(Kept):
    list_display = ("collection", "generation", "method", "created_at")
    list_filter = ("method", "collection")
    list_select_related = ("collection",)


@admin.register(Clip)
class ClipAdmin(Kept):
    list_display = (
        "id",
        "collection",
        "start",
        "seconds",
        "language",
        "dialect",
        "split",
        "state",
        "unfit",
        "is_fit",
    )
    list_filter = ("state", "split", "unfit", "is_current", "collection")
    list_select_related = ("collection",)
    found_by = {"pk": int, "recording__sha256": _digest}
    search_help_text = _("clip number, or hash of the recording")


@admin.register(Reference)
class ReferenceAdmin(Kept):
    list_display = ("clip_id", "version", "text", "kind", "author", "is_current", "created_at")
    list_filter = ("kind", "is_current")
    found_by = {"clip": int}
    search_help_text = _("clip number")
