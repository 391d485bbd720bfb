"""What people submit in connected projects: references for clips that are ours, and a reason for everything else.

A call of Label Studio about a project of the Label Studio we know is a hint: what was submitted there is read with our
own key, as for rounds. Another Label Studio cannot be asked; what it sends is believed as far as whoever's token comes
with it may correct references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import BooleanField, Count, ExpressionWrapper, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from annotation.incidents import record_incident
from annotation.label_studio import LabelStudio
from annotation.ml_audio import clip_of
from annotation.ml_backend import Target, address_of, read_config, text_in
from annotation.ml_models import ConnectedProject, OutsideAnnotation
from annotation.ml_predictions import malformed
from annotation.models import Round
from annotation.sync import OVERLAP
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.access import can
from earmark.corpus.models import Clip, Collection, Reference
from earmark.corpus.references import set_reference
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError

KIND = "annotation.sync_connected"
DELAY_SECONDS = 2.0
SUBMISSIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")


@dataclass(frozen=True)
class Submitted:
    """One submission with its task, as Label Studio tells it."""

    annotation: Mapping[str, Any]
    task: Mapping[str, Any]
    author: str


def connect(*, collection: Collection, person: User, body: Any) -> ConnectedProject:
    """Remember the project that asked to be set up. The key that comes with it is not kept.

    What is submitted there counts as far as `person` may correct references; who may not speaks for no project for
    which somebody else does.

    Raises EarmarkError `annotation:ml:body` and `annotation:ml:config`.
    """
    if not isinstance(body, Mapping):
        raise malformed(_("It is no JSON object."))
    number = str(body.get("project", "")).partition(".")[0]
    if not number.isdecimal() or not 0 < int(number) < 2**31:
        raise malformed(_("It does not say which project."))
    read_config(body.get("schema"))
    speaks = {"connected_by": person} if can(person, collection, Role.REVIEWER) else {}
    row, _new = ConnectedProject.objects.update_or_create(
        collection=collection,
        host=str(body.get("hostname", "")).rstrip("/")[:300],
        project_id=int(number),
        defaults={**speaks, "gone_at": None},
        create_defaults={"connected_by": person},
    )
    return row


def is_known_studio(row: ConnectedProject) -> bool:
    """Whether the project is in the Label Studio whose key we have."""
    known = {
        urlsplit(one).netloc
        for one in (settings.EARMARK.label_studio_url, settings.EARMARK.label_studio_public_url)
    }
    return urlsplit(row.host).netloc in known


def connected(collection: Collection, body: Any) -> ConnectedProject | None:
    """The connected project that an event is about."""
    told = body.get("project") if isinstance(body, Mapping) else None
    number = told.get("id") if isinstance(told, Mapping) else None
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    rows = ConnectedProject.objects.filter(collection=collection, project_id=number)
    return rows.select_related("collection", "connected_by").first()


def submissions_of(rows: Sequence[ConnectedProject]) -> dict[int, dict[str, int]]:
    """How many submissions of each project are references, skips, or do not count, by the error id that says why."""
    is_label = ExpressionWrapper(Q(clip__isnull=False), output_field=BooleanField())
    told = (
        OutsideAnnotation.objects.filter(project__in=rows)
        .annotate(is_label=is_label)
        .order_by()
        .values_list("project_id", "error_id", "is_label")
        .annotate(n=Count("id"))
    )
    found: dict[int, dict[str, int]] = {}
    for project, error_id, labels, n in told:
        found.setdefault(project, {})[error_id or ("reference" if labels else "skipped")] = n
    return found


def start_sync(row: ConnectedProject, *, delay_seconds: float = DELAY_SECONDS) -> Job:
    """Have what was submitted read soon; many calls share one reading."""
    return submit(
        KIND,
        scope=row.collection.scope,
        key=f"sync-connected:{row.pk}",
        delay_seconds=delay_seconds,
        connected_id=row.pk,
    )


def poll_connected() -> list[Job]:
    """A reading for each connected project of the Label Studio we know: a call may have been lost."""
    rows = ConnectedProject.objects.filter(gone_at=None).select_related("collection")
    return [start_sync(row, delay_seconds=0.0) for row in rows if is_known_studio(row)]


def sync_connected(row: ConnectedProject, context: Context, studio: LabelStudio) -> dict[str, Any]:
    """Read what was submitted to the project since the last time. May be killed at any line and run again."""
    newest = studio.last_update(row.project_id)
    targets = read_config(studio.project(row.project_id, "label_config")["label_config"])
    since = row.synced_until - OVERLAP if row.synced_until else None
    emails: dict[int, str] = {}
    taken = 0
    for page in studio.annotated_tasks(row.project_id, since=since):
        context.check()
        for task in page:
            for annotation in task["annotations"]:
                user = annotation.get("completed_by")
                if user not in emails:
                    emails = {user: f"user {user}"} | studio.emails()
                taken += take(row, targets, Submitted(annotation, task, emails[user]))
    ConnectedProject.objects.filter(pk=row.pk).update(synced_until=newest)
    return {"taken": taken}


def believe(row: ConnectedProject, body: Mapping[str, Any]) -> int:
    """Take the submissions that a call carries; how many were new.

    Raises EarmarkError `annotation:ml:body` and `annotation:ml:config`.
    """
    told, task = body.get("annotation"), body.get("task")
    annotations = told if isinstance(told, list) else [told]
    tasks = task if isinstance(task, list) else [task] * len(annotations)
    if len(tasks) != len(annotations) or not all(isinstance(one, Mapping) for one in (*annotations, *tasks)):
        raise malformed(_("An event carries an annotation and its task."))
    project = body.get("project")
    targets = read_config(project.get("label_config") if isinstance(project, Mapping) else None)
    return sum(
        take(row, targets, Submitted(one, of, f"user {one.get('completed_by')}"))
        for one, of in zip(annotations, tasks, strict=True)
    )


def take(row: ConnectedProject, targets: tuple[Target, ...], one: Submitted) -> bool:
    """Let one submission count, unless it did in this form already; whether it was new.

    What cannot count is kept with its reason, and as an incident. Raises EarmarkError `annotation:ml:body`.
    """
    number, updated = one.annotation.get("id"), _moment(one.annotation.get("updated_at"))
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63 or updated is None:
        raise malformed(_("An annotation has no number or no time."))
    known = OutsideAnnotation.objects.filter(project=row, annotation_id=number).first()
    if known and known.updated_at >= updated:
        return False
    text = text_in(one.annotation.get("result"), targets) or ""
    clip, fault = None, None
    try:
        clip = _clip(row, targets, one, text)
    except EarmarkError as error:
        fault = error
        record_incident(fault, said=_shown(row, one), collection=row.collection)
    author = one.author[:150]
    with transaction.atomic():
        OutsideAnnotation.objects.update_or_create(
            project=row,
            annotation_id=number,
            defaults={
                "clip": clip, "author": author, "text": text, "updated_at": updated,
                "error_id": fault.error_id if fault else "",
            },
        )  # fmt: skip
        if clip:
            set_reference(clip_id=clip.pk, text=text, kind=Reference.Kind.ANNOTATOR, author=author)
    return True


def _clip(row: ConnectedProject, targets: tuple[Target, ...], one: Submitted, text: str) -> Clip | None:
    """The clip whose reference the submission is; None for a skip. Raises EarmarkError with why it is none."""
    if one.annotation.get("was_cancelled"):
        return None
    if not can(row.connected_by, row.collection, Role.REVIEWER):
        raise _refused("role", _("Whoever connected the project may not correct references."))
    if Round.objects.filter(project_id=row.project_id).exists() and is_known_studio(row):
        raise _refused("round", _("It is the project of a round, whose answers come by its own way."))
    addresses = {address_of(one.task, target) for target in targets} - {""}
    found = {known for address in addresses if (known := clip_of(address)) is not None}
    clip = Clip.objects.filter(pk__in=found, collection=row.collection).first() if len(found) == 1 else None
    if clip is None:
        raise _refused("audio", _("Its audio is no clip of this collection."))
    if not text:
        raise _refused("text", _("It holds no text where the labelling configuration has a text box."))
    held = Reference.objects.filter(clip=clip, is_current=True).first()
    if held and held.kind in (Reference.Kind.ADJUDICATED, Reference.Kind.CONSENSUS):
        raise _refused("decided", _("The clip's text is decided already."))
    return clip


def _refused(why: str, message: str) -> EarmarkError:
    ids = {
        "role": "annotation:ml:event-role",
        "round": "annotation:ml:event-round",
        "audio": "annotation:ml:event-audio",
        "text": "annotation:ml:event-text",
        "decided": "annotation:ml:event-decided",
    }
    return EarmarkError(
        ids[why],
        _("A submission of a connected project does not count. %(why)s") % {"why": message},
        _("It is kept with this reason; see docs/label-studio.md for what counts."),
    )


def _shown(row: ConnectedProject, one: Submitted) -> dict[str, Any]:
    told = {name: one.annotation.get(name) for name in ("id", "result", "completed_by")}
    return {"project": row.project_id, "host": row.host, "task": one.task.get("id"), "annotation": told}


def _moment(told: object) -> datetime | None:
    try:
        found = parse_datetime(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found
