"""The corpus page: what a collection holds, drawn as charts that lead into the clips table."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earmark.accounts.roles import Role
from earmark.corpus.access import visible_collections
from earmark.corpus.models import Split
from earmark.web.places import SWITCHER_LENGTH, Place, in_collection, page
from earmark.web.queries import corpus as queries
from earmark.web.queries.corpus import Amount, Holdings, Stretch
from earmark.web.templatetags.display import duration

HOUR = 3600.0
NEWEST = 8
SERIES = 6


@dataclass(frozen=True)
class Bar:
    """One bar, or one part of a stacked bar, of a chart: what it is of, how much, and the clips behind it."""

    label: str
    part: str
    amount: Amount
    url: str = ""

    def drawn(self) -> dict[str, Any]:
        """What the script draws."""
        hours, clips = round(self.amount.seconds / HOUR, 4), self.amount.clips
        return {"label": self.label, "part": self.part, "hours": hours, "clips": clips, "url": self.url}


@dataclass(frozen=True)
class Chart:
    """A chart of hours. `parts` are keys of colours with their names, in the order they are stacked."""

    key: str
    title: str
    bars: list[Bar]
    parts: dict[str, tuple[str, str]]
    lies: bool = False
    note: str = ""

    def drawn(self) -> dict[str, Any]:
        """What the script draws."""
        labels = list(dict.fromkeys(bar.label for bar in self.bars))
        parts = [{"key": key, "name": name, "colour": colour} for key, (name, colour) in self.parts.items()]
        return {
            "key": self.key,
            "lies": self.lies,
            "labels": labels,
            "parts": parts,
            "bars": [bar.drawn() for bar in self.bars],
        }


@in_collection(Role.VIEWER)
def corpus(request: HttpRequest, place: Place) -> HttpResponse:
    held = queries.holdings(place.collection)
    charts = _charts(place, held)
    context = {
        "held": held,
        "charts": charts,
        "figures": {"charts": [one.drawn() for one in charts], "words": _words()},
        "beside": queries.amounts_of(visible_collections(place.person)[:SWITCHER_LENGTH]),
        "newest": queries.recordings_of(place.collection, before=None, limit=NEWEST),
    }
    return page(request, place, "web/corpus.html", context, section="corpus")


@in_collection(Role.VIEWER)
def recordings(request: HttpRequest, place: Place) -> HttpResponse:
    """Every recording, the newest first; `after` is the id of the last one seen."""
    after = request.GET.get("after", "")
    if after and not (after.isdecimal() and len(after) < 19):
        raise Http404
    limit = queries.RECORDINGS_A_PAGE
    found = list(
        queries.recordings_of(place.collection, before=int(after) if after else None, limit=limit + 1)
    )
    context = {"rows": found[:limit], "next": found[limit - 1].pk if len(found) > limit else None}
    return page(request, place, "web/recordings.html", context, section="corpus")


def _charts(place: Place, held: Holdings) -> list[Chart]:
    made = [_dialects(place, held), _voices(place, held)]
    made += [_measure(place, held.measures[name], name) for name in queries.DRAWN]
    made.append(_sides(place, held))
    if held.unfit:
        made.append(_unfit(place, held))
    return made


def _url(place: Place, **narrowed: Any) -> str:
    given = {name: value for name, value in narrowed.items() if value not in (None, "")}
    return f"{reverse('web:clips', args=[place.collection.slug])}?{urlencode(given)}"


def _dialects(place: Place, held: Holdings) -> Chart:
    """Hours by dialect, each language in its own colour; what is beyond SHOWN_DIALECTS is summed."""
    languages = list(held.languages)
    parts = {
        f"language-{number}": (name or _("(unnamed)"), f"series-{number % SERIES + 1}")
        for number, name in enumerate(languages)
    }
    bars = []
    shown = list(held.dialects.items())
    for (language, dialect), amount in shown[: queries.SHOWN_DIALECTS]:
        url = _url(place, language=language, dialect=dialect) if language or dialect else ""
        part = f"language-{languages.index(language)}"
        bars.append(Bar(dialect or language or _("(unnamed)"), part, amount, url))
    if rest := shown[queries.SHOWN_DIALECTS :]:
        label = ngettext("%(n)s other", "%(n)s others", len(rest)) % {"n": len(rest)}
        parts["rest"] = (_("others"), "faint")
        bars.append(Bar(label, "rest", sum((amount for _name, amount in rest), Amount())))
    return Chart("dialects", _("Hours by language and dialect"), bars, parts, lies=True)


def _voices(place: Place, held: Holdings) -> Chart:
    """Those who are heard most; all the others in a note, for they would dwarf each bar."""
    bars = [Bar(one.name, "speaker", one.amount, _url(place, speaker=one.name)) for one in held.voices]
    notes = []
    if held.other_voices.clips:
        others = max(0, held.speakers - len(held.voices))
        said = ngettext("%(n)s other speaker: %(amount)s", "%(n)s other speakers: %(amount)s", others)
        notes.append(said % {"n": intcomma(others), "amount": duration(held.other_voices.seconds)})
    if held.unknown_voices.clips:
        notes.append(_("nobody knows whose: %(amount)s") % {"amount": duration(held.unknown_voices.seconds)})
    parts = {"speaker": (_("speaker"), "series-1")}
    title = _("Hours of those heard most")
    return Chart("voices", title, bars, parts, lies=True, note=" · ".join(notes))


def _sides(place: Place, held: Holdings) -> Chart:
    """Hours by split, stacked by state."""
    parts = {state: (label, f"state-{state.replace('_', '-')}") for state, label in queries.states().items()}
    bars = [
        Bar(str(Split(split).label), state, amount, _url(place, split=split, state=state))
        for split in Split.values
        for state in parts
        if (amount := held.sides.get((split, state), Amount())).clips
    ]
    return Chart("sides", _("Hours by split and state"), bars, parts, lies=True)


def _measure(place: Place, stretches: list[Stretch], name: str) -> Chart:
    """Hours by one measure's bins, what is fit apart from what is not."""
    titles = {
        "snr_db": (_("Hours by signal to noise, dB"), "snr"),
        "seconds": (_("Hours by length of clip, s"), "seconds"),
        "loudness_lufs": (_("Hours by loudness, LUFS"), "loudness"),
        "bandwidth_hz": (_("Hours by bandwidth, Hz"), "bandwidth"),
    }
    title, prefix = titles[name]
    bars = []
    for one in stretches:
        ends = {f"{prefix}_low": one.low, f"{prefix}_high": one.high} if one.is_measured else {}
        for part, amount in (("fit", one.fit), ("unfit", one.unfit)):
            url = _url(place, **ends, fit=part) if ends else ""
            bars.append(Bar(_between(one), part, amount, url))
    parts = {"fit": (_("fit"), "series-1"), "unfit": (_("unfit"), "series-2")}
    return Chart(name, title, bars, parts)


def _between(one: Stretch) -> str:
    if not one.is_measured:
        return _("not measured")
    if one.low is None:
        return f"< {one.high:g}"
    return f"≥ {one.low:g}" if one.high is None else f"{one.low:g} … {one.high:g}"


def _unfit(place: Place, held: Holdings) -> Chart:
    names = queries.reasons()
    bars = [
        Bar(names.get(reason) or _("unfit"), "unfit", amount, _url(place, fit=reason or "unfit"))
        for reason, amount in held.unfit.items()
    ]
    parts = {"unfit": (_("unfit"), "series-2")}
    return Chart("unfit", _("Hours set aside, by reason"), bars, parts, lies=True)


def _words() -> dict[str, str]:
    return {"hours": _("Hours"), "clips": _("Clips"), "hours_short": _("h")}
