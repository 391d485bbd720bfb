"""How well people label and what it costs."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.effort import RoundCost, time_saved
from annotation.measuring import SEED, newest_report, start_measuring
from annotation.people_quality import as_plain, people_of, slips_by_kind
from earmark.accounts.roles import Role
from earmark.api.access import InCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.corpus.access import can
from earmark.loop.costs import Gain, rounds_and_gains


class DaysIn(serializers.Serializer[Any]):
    days = serializers.IntegerField(
        min_value=1, max_value=3660, default=90, help_text="of submissions that are counted, back from now"
    )


class PersonQualityOut(serializers.Serializer[Any]):
    person = serializers.CharField(help_text="the address they answer with")
    submitted = serializers.IntegerField()
    skipped = serializers.IntegerField()
    checked = serializers.IntegerField(help_text="answers that were looked at for slips")
    doubted = serializers.IntegerField(help_text="answers that may hold a slip")
    accepted = serializers.IntegerField()
    corrected = serializers.IntegerField()
    returned = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True, help_text="by the browser's clock")
    audio_seconds = serializers.FloatField(help_text="of audio in all answers")
    client_seconds = serializers.FloatField(help_text="of work by the browser's clock, idling left out")
    server_seconds = serializers.FloatField(help_text="between submissions by the server's clock")
    pace = serializers.FloatField(allow_null=True, help_text="seconds of work a second of audio")
    agreement = serializers.FloatField(allow_null=True, help_text="1 minus the pooled difference from others")
    error_rate = serializers.FloatField(allow_null=True, help_text="estimated from overlap and known answers")
    error_rate_low = serializers.FloatField(allow_null=True)
    error_rate_high = serializers.FloatField(allow_null=True)
    overlapped_clips = serializers.IntegerField()
    known_clips = serializers.IntegerField()
    known_right = serializers.IntegerField(allow_null=True, help_text="known answers without an error")
    known_error_rate = serializers.FloatField(allow_null=True)
    known_error_rate_low = serializers.FloatField(allow_null=True)
    known_error_rate_high = serializers.FloatField(allow_null=True)


class PairOut(serializers.Serializer[Any]):
    first = serializers.CharField()
    second = serializers.CharField()
    clips = serializers.IntegerField()
    rate = serializers.FloatField(help_text="edits per unit between their texts")
    low = serializers.FloatField()
    high = serializers.FloatField()


class QualityOut(serializers.Serializer[Any]):
    people = PersonQualityOut(many=True, help_text="all for reviewers, for others their own row")
    slips = serializers.DictField(child=serializers.IntegerField(), help_text="possible slips by kind")
    measured_at = serializers.DateTimeField(allow_null=True)
    clips = serializers.IntegerField(help_text="overlapped clips that were measured")
    seed = serializers.IntegerField(allow_null=True)
    pairs = PairOut(many=True, help_text="for reviewers")
    alpha = serializers.FloatField(allow_null=True, help_text="Krippendorff's, of all choices together")
    alphas = serializers.DictField(child=serializers.FloatField(allow_null=True), help_text="of each choice")


class SavedOut(serializers.Serializer[Any]):
    corrected = serializers.IntegerField(help_text="answers that began with the recogniser's text")
    from_nothing = serializers.IntegerField()
    correcting = serializers.FloatField(help_text="seconds of work a second of audio")
    transcribing = serializers.FloatField(help_text="the same from nothing")
    share = serializers.FloatField(help_text="of the time saved; below 0 the text costs time")
    low = serializers.FloatField()
    high = serializers.FloatField()
    seed = serializers.IntegerField()


class RoundCostOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    labelled = serializers.IntegerField()
    labelled_seconds = serializers.FloatField()
    client_seconds = serializers.FloatField()
    server_seconds = serializers.FloatField()
    review_seconds = serializers.FloatField()
    hours = serializers.FloatField(help_text="of work; answers without a time count like those with one")
    cost = serializers.FloatField(allow_null=True)
    cost_per_labelled_hour = serializers.FloatField(allow_null=True)


class GainOut(serializers.Serializer[Any]):
    before = serializers.IntegerField(help_text="id of the evaluation")
    after = serializers.IntegerField()
    points = serializers.FloatField(help_text="percentage points of error rate gained")
    seconds_per_point = serializers.FloatField(allow_null=True)
    cost_per_point = serializers.FloatField(allow_null=True)


class EffortOut(serializers.Serializer[Any]):
    saved = SavedOut(allow_null=True)
    rounds = RoundCostOut(many=True)
    gains = GainOut(many=True)


class Quality(InCollection):
    """How well people label. Annotators get their own figures, reviewers everybody's."""

    serializer_class = QualityOut
    needs = {"GET": Role.ANNOTATOR, "POST": Role.REVIEWER}

    @extend_schema(summary="Quality of labels", parameters=[DaysIn], responses=QualityOut)
    def get(self, request: Request, slug: str) -> Response:
        asked = DaysIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        since = timezone.now() - timedelta(days=asked.validated_data["days"])
        report = newest_report(self.collection)
        may_all = can(self.person, self.collection, Role.REVIEWER)
        only = None if may_all else self.person.email
        told = report.figures if report and may_all else {"pairs": [], "alpha": None, "alphas": {}}
        return Response(
            QualityOut(
                {
                    **{name: told[name] for name in ("pairs", "alpha", "alphas")},
                    "people": [
                        as_plain(one) for one in people_of(self.collection, report, since=since, only=only)
                    ],
                    "slips": slips_by_kind(self.collection, since=since, only=only),
                    "measured_at": report.made_at if report else None,
                    "clips": report.clips if report else 0,
                    "seed": report.seed if report else None,
                }
            ).data
        )

    @extend_schema(summary="Measure people anew", request=None, responses={202: Accepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        return accepted(self, start_measuring(self.collection, by=self.person))


class Effort(InCollection):
    """What labelling takes, saves and costs, round by round."""

    serializer_class = EffortOut
    needs = {"GET": Role.REVIEWER}

    @extend_schema(summary="Time and money", responses=EffortOut)
    def get(self, request: Request, slug: str) -> Response:
        rounds, gains = rounds_and_gains(self.collection)
        saved = time_saved(self.collection, seed=SEED)
        return Response(
            EffortOut(
                {
                    "saved": asdict(saved) if saved else None,
                    "rounds": [_round(one) for one in rounds],
                    "gains": [_gain(one) for one in gains],
                }
            ).data
        )


def _round(one: RoundCost) -> dict[str, Any]:
    return {
        "number": one.number,
        "labelled": one.labelled,
        "labelled_seconds": one.labelled_seconds,
        "client_seconds": one.work.client_seconds,
        "server_seconds": one.work.server_seconds,
        "review_seconds": one.review_seconds,
        "hours": one.hours,
        "cost": one.cost,
        "cost_per_labelled_hour": one.cost_per_labelled_hour,
    }


def _gain(one: Gain) -> dict[str, Any]:
    return {
        "before": one.before.pk,
        "after": one.after.pk,
        "points": one.points,
        "seconds_per_point": one.seconds_per_point,
        "cost_per_point": one.cost_per_point,
    }
