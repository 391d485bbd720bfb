"""The loop as a drawing: where each station stands, what it says, and which one waits. No database here."""

from dataclasses import dataclass
from itertools import pairwise

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earmark.web.queries.home import Situation
from earmark.web.steps import Step
from earmark.web.templatetags.display import duration, percent

WIDTH, HEIGHT = 1056, 270
BOX_WIDTH, BOX_HEIGHT = 148, 88
GAP = 32
TOP, BOTTOM = 6, 176
LONGEST_WORD = 14

LAYOUT = {
    "recordings": (0, TOP),
    "clips": (1, TOP),
    "hypotheses": (2, TOP),
    "round": (3, TOP),
    "annotations": (4, TOP),
    "references": (5, TOP),
    "snapshot": (5, BOTTOM),
    "training": (4, BOTTOM),
    "evaluation": (3, BOTTOM),
    "champion": (2, BOTTOM),
}


@dataclass(frozen=True, kw_only=True)
class Station:
    """One box of the drawing. `page` names the address that tells more."""

    key: str
    label: str
    value: str
    note: str
    page: str
    is_active: bool
    is_word: bool
    x: float
    y: float

    @property
    def text_x(self) -> float:
        return self.x + 14

    @property
    def right(self) -> float:
        return self.x + BOX_WIDTH - 16


@dataclass(frozen=True)
class Edge:
    """An arrow between two stations, as an SVG path; it flows while work runs towards its end."""

    path: str
    is_flowing: bool


def stations(now: Situation, step: Step) -> list[Station]:
    """The ten stations in the order a clip meets them."""
    says = {**_corpus(now), **_people(now), **_learning(now)}
    return [_station(key, *says[key], is_active=step.station == key) for key in LAYOUT]


def edges(step: Step) -> list[Edge]:
    """An arrow from each station to the next, and from the champion back to what it hears."""
    keys = list(LAYOUT)
    pairs = [*pairwise(keys), ("champion", "hypotheses")]
    return [
        Edge(_path(start, end), end == step.station and step.share_done is not None) for start, end in pairs
    ]


def _station(key: str, label: str, value: str, note: str, page: str, *, is_active: bool) -> Station:
    column, y = LAYOUT[key]
    is_word = not value.strip("–%").replace(",", "").replace(".", "").isdigit()
    return Station(
        key=key,
        label=label,
        value=_cut(value) if is_word else value,
        note=note,
        page=page,
        is_active=is_active,
        is_word=is_word,
        x=round(column * (BOX_WIDTH + GAP) + 2, 1),
        y=y,
    )


def _corpus(now: Situation) -> dict[str, tuple[str, str, str, str]]:
    heard = now.clips - now.turn.clips["new"]
    return {
        "recordings": (
            _("Recordings"),
            intcomma(now.turn.recordings),
            duration(now.recorded_seconds),
            "web:imports",
        ),
        "clips": (
            _("Clips"),
            intcomma(now.clips),
            _("%(amount)s to learn from") % {"amount": duration(now.turn.pool_seconds)},
            "web:clips",
        ),
        "hypotheses": (
            _("Hypotheses"),
            intcomma(heard),
            _("%(share)s of clips heard") % {"share": percent(heard / now.clips if now.clips else 0, 0)},
            "web:clips",
        ),
    }


def _people(now: Situation) -> dict[str, tuple[str, str, str, str]]:
    turn = now.turn
    if turn.open_round:
        round_value = _("Round %(n)s") % {"n": turn.open_round}
        round_note = _("%(done)s of %(all)s submitted") % {
            "done": turn.round_submitted,
            "all": turn.round_clips,
        }
    else:
        round_value, round_note = intcomma(turn.rounds), _("none open now")
    people = ngettext("by %(n)s person", "by %(n)s people", now.annotators) % {"n": now.annotators}
    return {
        "round": (_("Round"), round_value, round_note, "web:rounds"),
        "annotations": (_("Annotations"), intcomma(now.annotations), people, "web:progress"),
        "references": (
            _("References"),
            str(now.references),
            _("%(amount)s labelled") % {"amount": duration(turn.labelled_seconds)},
            "web:progress",
        ),
    }


def _learning(now: Situation) -> dict[str, tuple[str, str, str, str]]:
    turn, training = now.turn, now.training
    job = training.job if training else None
    return {
        "snapshot": (
            _("Snapshot"),
            now.snapshot.digest[:8] if now.snapshot else "–",
            _("test set frozen") if now.test_set else _("no test set yet"),
            "web:snapshots",
        ),
        "training": (
            _("Training"),
            intcomma(turn.trainings),
            job.get_status_display() if job else _("none yet"),
            "web:trainings",
        ),
        "evaluation": (
            _("Evaluation"),
            percent(turn.error_rate),
            _("%(low)s to %(high)s") % {"low": percent(turn.interval[0]), "high": percent(turn.interval[1])}
            if turn.interval
            else _("not measured yet"),
            "web:progress",
        ),
        "champion": (
            _("Champion"),
            turn.champion or "–",
            _("hears every new clip") if turn.champion else _("none yet"),
            "web:models",
        ),
    }


def _cut(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"


def _path(start: str, end: str) -> str:
    """An arrow that leaves one box and ends a little before the next."""
    (column, y), (to_column, to_y) = LAYOUT[start], LAYOUT[end]
    left = column * (BOX_WIDTH + GAP) + 2
    to_left = to_column * (BOX_WIDTH + GAP) + 2
    if column == to_column:
        x, down = left + BOX_WIDTH / 2, to_y > y
        return f"M{x:.1f} {y + BOX_HEIGHT if down else y} V{to_y - 8 if down else to_y + BOX_HEIGHT + 8}"
    middle = y + BOX_HEIGHT / 2
    if to_column > column:
        return f"M{left + BOX_WIDTH:.1f} {middle} H{to_left - 8:.1f}"
    return f"M{left:.1f} {middle} H{to_left + BOX_WIDTH + 8:.1f}"
