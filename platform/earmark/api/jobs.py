"""Long work: how far it is, how it ended, and the one form in which it is promised (202)."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.api.access import Answering, InCollection
from earmark.api.filters import JobFilter
from earmark.api.pagination import NewestFirst
from earmark.corpus.access import require, visible_collections
from earmark.jobs.models import Job, Status
from earmark.jobs.services import cancel

CANCELLED_BY = {"training_jobs.train": Role.ADMIN}
"""The least role that may end a job of this kind; a manager may end every other."""


class JobOut(serializers.ModelSerializer[Job]):
    progress = serializers.SerializerMethodField(help_text="from 0 to 1")
    result = serializers.DictField(read_only=True)
    url = serializers.SerializerMethodField()
    download_url = serializers.SerializerMethodField(help_text="of an export that is done")

    class Meta:
        model = Job
        fields = (
            "id", "url", "kind", "status", "progress", "done", "total", "note", "attempt", "cancel_requested",
            "result", "download_url", "error_id", "error", "created_at", "started_at", "finished_at",
        )  # fmt: skip

    def get_progress(self, job: Job) -> float:
        return 1.0 if job.status == Status.SUCCEEDED else job.share_done

    @extend_schema_field(serializers.URLField())
    def get_url(self, job: Job) -> str:
        return self._absolute("api:job", job.pk)

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_download_url(self, job: Job) -> str | None:
        export = getattr(job, "export", None)
        return self._absolute("api:export-download", export.pk) if export and export.file else None

    def _absolute(self, name: str, pk: int) -> str:
        return self.context["request"].build_absolute_uri(reverse(name, args=[pk]))


def visible_jobs(person: User) -> QuerySet[Job]:
    """The jobs of the collections `person` is a member of, and those they asked for themselves."""
    rows = Job.objects.select_related("export")
    if person.is_superuser:
        return rows
    scopes = [collection.scope for collection in visible_collections(person).only("pk")]
    return rows.filter(Q(scope__in=scopes) | Q(created_by=person))


class Jobs(InCollection, generics.ListAPIView[Job]):
    """The collection's long work, newest first."""

    queryset = Job.objects.select_related("export")
    serializer_class = JobOut
    filterset_class = JobFilter
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Job]:
        if self.is_being_described:
            return Job.objects.none()
        return Job.objects.select_related("export").filter(scope=self.collection.scope)


class OneJob(Answering, generics.RetrieveAPIView[Job]):
    """Ask here until `status` is `succeeded`, `failed` or `cancelled`."""

    queryset = Job.objects.all()
    serializer_class = JobOut

    def get_queryset(self) -> QuerySet[Job]:
        return Job.objects.none() if self.is_being_described else visible_jobs(self.person)


class JobCancel(OneJob):
    """Ask a job to stop: at once when it has not begun, else at its next step."""

    http_method_names = ["post"]

    @extend_schema(summary="Cancel a job", request=None, responses={202: JobOut})
    def post(self, request: Request, pk: int) -> Response:
        job = self.get_object()
        collections = {collection.scope: collection for collection in visible_collections(self.person)}
        if job.scope in collections:
            require(self.person, collections[job.scope], CANCELLED_BY.get(job.kind, Role.MANAGER))
        cancel(job)
        job.refresh_from_db()
        return Response(self.get_serializer(job).data, status=status.HTTP_202_ACCEPTED)


def accepted(view: Answering, job: Job | None, **made: Any) -> Response:
    """202: the work is a job now. `Location` says where to watch it; `made` is what exists already."""
    told = JobOut(job, context=view.get_serializer_context()).data if job else None
    headers = {"Location": told["url"]} if told else {}
    return Response({**made, "job": told}, status=status.HTTP_202_ACCEPTED, headers=headers)


class Accepted(serializers.Serializer[Any]):
    job = JobOut()
