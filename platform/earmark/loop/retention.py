"""How long the details of a superseded model are kept: EARMARK_DETAILS_DAYS after its last part was played."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotation.models import Round
from earmark.accounts.models import AuditEntry
from earmark.accounts.services import audit
from earmark.jobs.models import UNFINISHED, Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.recognition.retention import thin
from earmark.recognition.run_models import TranscriptionRun
from training_jobs.models import TrainingJob

KIND = "loop.thin"


def idle() -> QuerySet[ModelVersion]:
    """Models that play no part now.

    Not champion nor challenger anywhere, not what a training under way begins from, not what an open round was chosen
    by, not what a transcription under way hears with.
    """
    parts = (
        Alias.objects.filter(model=OuterRef("pk")),
        TrainingJob.objects.filter(base=OuterRef("pk"), job__status__in=UNFINISHED),
        Round.objects.filter(model=OuterRef("pk")).exclude(status=Round.Status.CLOSED),
        TranscriptionRun.objects.filter(model=OuterRef("pk"), job__status__in=UNFINISHED),
    )
    return ModelVersion.objects.filter(*(~Exists(part) for part in parts))


def superseded(*, now: datetime) -> list[int]:
    """The ids of idle models that were last at work more than EARMARK_DETAILS_DAYS before `now`; none if that is 0.

    A model is at work when it hears, when it gives an alias away, and when a round or a training of its own ends. One
    that was thinned is not looked at again before it hears anew.
    """
    if not settings.EARMARK.details_days:
        return []
    before = now - timedelta(days=settings.EARMARK.details_days)
    lately_at_work = (
        Hypothesis.objects.filter(model=OuterRef("pk"), created_at__gte=before),
        TrainingJob.objects.filter(base=OuterRef("pk"), job__finished_at__gte=before),
        Round.objects.filter(model=OuterRef("pk"), closed_at__gte=before),
    )
    unthinned = idle().filter(thinned_at=None, created_at__lt=before)
    candidates = unthinned.filter(*(~Exists(work) for work in lately_at_work))
    gave_away = AuditEntry.objects.filter(verb="set alias", at__gte=before)
    lately = set(gave_away.values_list("details__before", flat=True))
    return [pk for pk, name in candidates.order_by("pk").values_list("pk", "name") if name not in lately]


def submit_thinning() -> Job | None:
    """Queue the thinning, if there is anything to thin."""
    return submit(KIND, key=KIND) if superseded(now=timezone.now()) else None


def run_thinning(context: Context) -> dict[str, Any]:
    """Thin the details of superseded models; what was done goes into the audit log."""
    began = timezone.now()
    chosen = superseded(now=began)

    def wanted_no_more() -> list[int]:
        return list(idle().filter(pk__in=chosen).values_list("pk", flat=True))

    thinned = thin(context, wanted_no_more)
    heard_since = Hypothesis.objects.filter(model=OuterRef("pk"), created_at__gte=began)
    done = ModelVersion.objects.filter(~Exists(heard_since), pk__in=wanted_no_more())
    done.update(thinned_at=began)
    names = sorted(ModelVersion.objects.filter(pk__in=chosen).values_list("name", flat=True))
    if thinned:
        days = settings.EARMARK.details_days
        audit(None, "thin details", "recognition", hypotheses=thinned, models=names, days=days)
    return {"hypotheses": thinned, "models": names}
