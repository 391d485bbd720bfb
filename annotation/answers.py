"""What an annotator's submission says, and what several of them amount to. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean
from typing import Any, Protocol, TypeGuard

from annotation.consensus import agreed
from annotation.models import RoundClip
from annotation.project import (
    AUDIO,
    CHOICES,
    QUALITY,
    SILENCE,
    TRANSCRIPTION,
    TURN_TEXT,
    TURNS,
    UNINTELLIGIBLE,
)
from earmark.corpus.models import Reference
from earmark.speech.errors import EarmarkError

Outcome = RoundClip.Outcome
KINDS = {TRANSCRIPTION: "text", QUALITY: "choices"}
"""What each control of ours answers with."""
AUTHOR_LENGTH = 150


@dataclass(frozen=True)
class Segment:
    """One turn within a clip: from `start` to `end` seconds into it, who speaks, what they say where that was typed."""

    start: float
    end: float
    speaker: str
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """One annotation as Label Studio tells it.

    `lead_seconds` is what the browser measured, `prediction` the id there of what it started from.
    """

    annotation_id: int
    user: int | None
    text: str
    was_skipped: bool
    quality: tuple[str, ...]
    lead_seconds: float | None
    prediction: int | None
    created_at: datetime
    updated_at: datetime
    segments: tuple[Segment, ...] = ()


class Submitted(Protocol):
    """What an outcome is read from."""

    @property
    def text(self) -> str: ...
    @property
    def was_skipped(self) -> bool: ...
    @property
    def quality(self) -> Sequence[str]: ...
    @property
    def annotator(self) -> str: ...


@dataclass(frozen=True)
class Verdict:
    """What a clip's submissions amount to: a label has its text, who wrote it, and why it is held true."""

    outcome: Outcome
    text: str = ""
    author: str = ""
    kind: str = Reference.Kind.ANNOTATOR


def read_answer(annotation: Mapping[str, Any]) -> Answer:
    """The answer in one of Label Studio's annotations.

    Raises EarmarkError `annotation:answer:unreadable`: it was made with another label configuration than ours.
    """
    results = annotation.get("result") or []
    _require_ours(annotation.get("id"), results)
    lead = annotation.get("lead_time")
    return Answer(
        annotation_id=int(annotation["id"]),
        user=annotation.get("completed_by"),
        text=" ".join(_values(results, TRANSCRIPTION, "text")).strip(),
        was_skipped=bool(annotation.get("was_cancelled")),
        quality=tuple(dict.fromkeys(_values(results, QUALITY, "choices"))),
        lead_seconds=None if lead is None else float(lead),
        prediction=annotation.get("parent_prediction"),
        created_at=datetime.fromisoformat(annotation["created_at"]),
        updated_at=datetime.fromisoformat(annotation["updated_at"]),
        segments=read_segments(results),
    )


def _require_ours(annotation: object, results: object) -> None:
    """Refuse what our labelling page cannot have sent; what another control beside ours says is left alone."""
    wrong = ""
    if not isinstance(results, list) or not all(isinstance(one, Mapping) for one in results):
        wrong = "its result is no list of results"
    elif results and not any(one.get("from_name") in (*KINDS, TURNS, TURN_TEXT) for one in results):
        wrong = "it answers none of our questions"
    else:
        known = {one.code for one in CHOICES}
        for one in results:
            kind = KINDS.get(one.get("from_name", ""))
            said = _said(one, kind) if kind else []
            if said is None:
                wrong = f"{one['from_name']} says {str(one.get('value'))[:80]}"
            elif kind == "choices" and not known.issuperset(said):
                wrong = f"{one['from_name']} has no choice {sorted(set(said) - known)[0]!r}"
    if wrong:
        raise EarmarkError(
            "annotation:answer:unreadable",
            f"Annotation {annotation} cannot be read: {wrong}.",
            "Somebody changed the label configuration in Label Studio: repair the round and have it answered again.",
        )


def _said(result: Mapping[str, Any], kind: str) -> list[str] | None:
    """The values of one result; None where they are not of its kind."""
    value = result.get("value")
    said = value.get(kind) if isinstance(value, Mapping) else None
    said = [said] if isinstance(said, str) else said
    is_text = isinstance(said, list) and all(isinstance(one, str) for one in said)
    return said if is_text else None


def read_segments(results: Iterable[Mapping[str, Any]]) -> tuple[Segment, ...]:
    """The turns in an annotation's results, by their start.

    A turn is a stretch of the clip's audio with a speaker's label; its text is in another result of the same id.
    """
    turns: dict[str, tuple[float, float, str]] = {}
    texts: dict[str, str] = {}
    for one in results:
        value, key = one.get("value") or {}, str(one.get("id", ""))
        if one.get("from_name") == TURNS and one.get("to_name", AUDIO) == AUDIO:
            start, end = value.get("start"), value.get("end")
            if _is_number(start) and _is_number(end) and 0 <= start < end:
                turns[key] = (float(start), float(end), str((value.get("labels") or [""])[0]))
        elif one.get("from_name") == TURN_TEXT:
            texts[key] = " ".join(_values([one], TURN_TEXT, "text")).strip()
    found = [Segment(*turn, texts.get(key, "")) for key, turn in turns.items()]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.speaker)))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _values(results: Iterable[Mapping[str, Any]], control: str, kind: str) -> list[str]:
    found: list[str] = []
    for result in results:
        if result.get("from_name") == control:
            found += _said(result, kind) or []
    return found


def decided(
    submissions: Sequence[Submitted], *, wanted: int, language: str, votes: Mapping[str, float] | None = None
) -> Verdict | None:
    """What the `submissions`, oldest first, of `wanted` people amount to; None until that many have answered.

    `votes` say how much the word of each person counts, by address: all the same when None, and like that of the others
    together for who is not in it.

    Each person counts once, with what their own newest answer says. Where people say different things, or not enough
    of them say a text, somebody has to adjudicate.
    """
    if wanted <= 1:
        return verdict(submissions)
    by_person: dict[str, list[Submitted]] = {}
    for one in submissions:
        by_person.setdefault(one.annotator, []).append(one)
    if len(by_person) < wanted:
        return None
    verdicts = [found for said in by_person.values() if (found := verdict(said))]
    outcomes = {one.outcome for one in verdicts}
    if len(outcomes) == 1 and outcomes <= {Outcome.SKIPPED, Outcome.UNINTELLIGIBLE}:
        return Verdict(outcomes.pop())
    labelled = [one for one in verdicts if one.outcome == Outcome.LABELLED]
    if Outcome.UNINTELLIGIBLE in outcomes or len(labelled) < 2:
        return Verdict(Outcome.ADJUDICATE)
    consensus = agreed([one.text for one in labelled], language, weights=_weights(labelled, votes or {}))
    if consensus is None:
        return Verdict(Outcome.ADJUDICATE)
    authors = ", ".join(one.author for one in labelled)[:AUTHOR_LENGTH]
    return Verdict(Outcome.LABELLED, text=consensus.text, author=authors, kind=Reference.Kind.CONSENSUS)


def _weights(labelled: Sequence[Verdict], votes: Mapping[str, float]) -> list[float]:
    usual = fmean(votes.values()) if votes else 1.0
    return [votes.get(one.author, usual) for one in labelled]


def verdict(submissions: Sequence[Submitted]) -> Verdict | None:
    """What `submissions`, oldest first, amount to; None without any.

    The newest answer counts. Unintelligible wins over a text left in the box, and so does "nothing is spoken",
    whose text is empty. A submission that neither says a text nor why there is none is a skip.
    """
    answers = [one for one in submissions if _is_answer(one)]
    if not answers:
        return Verdict(Outcome.SKIPPED) if submissions else None
    newest = answers[-1]
    if UNINTELLIGIBLE in newest.quality:
        return Verdict(Outcome.UNINTELLIGIBLE)
    text = "" if SILENCE in newest.quality else newest.text
    return Verdict(Outcome.LABELLED, text=text, author=newest.annotator)


def _is_answer(one: Submitted) -> bool:
    explained = UNINTELLIGIBLE in one.quality or SILENCE in one.quality
    return not one.was_skipped and (bool(one.text) or explained)
