"""A clip's own page: how it sounds and looks, what is known of it, and whether it is fit."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from annotation.models import Annotation, RoundClip
from earmark.accounts.roles import Role
from earmark.corpus.gate import overrule
from earmark.corpus.models import Clip
from earmark.recognition.calibrations import calibrated_words, newest_of
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.web.forms import ReferenceForm
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import clip as queries
from earmark.web.views.telling import telling

SPEEDS = (0.5, 0.75, 1, 1.25, 1.5, 2)
HERTZ = (500, 1000, 2000, 4000)


@in_collection(Role.VIEWER)
def clip(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = get_object_or_404(
        Clip.objects.select_related("collection", "recording", "speaker", "segmentation", "duplicate_of"),
        pk=pk,
        collection=place.collection,
    )
    champion = holder(place.collection, Alias.Name.CHAMPION)
    hypotheses = list(one.hypotheses.select_related("model", "details").order_by("-model_id"))
    held = newest_of(place.collection, [heard.model for heard in hypotheses])
    sure = {
        heard.pk: calibrated_words(heard, held[heard.model_id])
        for heard in hypotheses
        if heard.model_id in held
    }
    references = list(one.references.all())
    current = next((held for held in references if held.is_current), None)
    suggestion = current.text if current else hypotheses[0].text if hypotheses else ""
    chosen = one.round_clips.select_related("round").order_by("-round__number")
    context = {
        "clip": one,
        "end": one.start + one.seconds,
        "speeds": SPEEDS,
        "hertz": HERTZ,
        "figures": queries.figures(one),
        "verdict": queries.verdict(one),
        "around": queries.around(one, champion),
        "hypotheses": [(heard, sure.get(heard.pk, [])) for heard in hypotheses],
        "references": references,
        "current": current,
        "champion": champion,
        "chosen": chosen if place.is_reviewer else chosen.exclude(reason=RoundClip.Reason.KNOWN),
        "annotations": Annotation.objects.filter(round_clip__clip=one).select_related(
            "round_clip__round", "hypothesis"
        ),
        "failures": one.transcription_failures.select_related("model"),
        "form": ReferenceForm(initial={"text": suggestion}),
    }
    return page(request, place, "web/clip.html", context, section="clips")


@in_collection(Role.REVIEWER, WRITE)
def fitness_set(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Let the person's word on whether the clip is fit stand against the gate's."""
    one = get_object_or_404(Clip, pk=pk, collection=place.collection)
    is_fit = request.POST.get("fit") == "yes"
    with telling(request, _("The clip counts as fit.") if is_fit else _("The clip is set aside.")):
        overrule(clip=one, is_fit=is_fit, by=place.person, why=request.POST.get("why", ""))
    return redirect("web:clip", slug=place.collection.slug, pk=one.pk)
