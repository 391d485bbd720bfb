"""A model's card as it is known now: what was measured, judged and calibrated since it was made."""

from django.db.models import QuerySet

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.loop.models import Promotion
from earmark.loop.saying import sentence
from earmark.recognition.models import Calibration, ModelVersion
from training_jobs.model_card import card_of, card_text
from training_jobs.models import Evaluation


def model_card(model: ModelVersion, collections: QuerySet[Collection]) -> str:
    """The card of `model` in Markdown, with what is known of it in `collections`, and of no other."""
    evaluations = Evaluation.objects.filter(
        model=model, snapshot__collection__in=collections, snapshot__purpose=Snapshot.Purpose.TEST
    )
    judged = Promotion.objects.filter(model=model, collection__in=collections).exclude(verdict={}).first()
    calibration = Calibration.objects.filter(model=model, collection__in=collections).first()
    return card_text(
        card_of(
            model,
            evaluations=list(evaluations.select_related("snapshot")),
            calibration=calibration,
            verdict=sentence(judged.verdict) if judged else "",
        )
    )
