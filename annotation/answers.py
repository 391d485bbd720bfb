"""What an annotator's submission says, and what several of them amount to. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

from annotation.models import RoundClip
from annotation.project import (
    AUDIO,
    QUALITY,
    SILENCE,
    TRANSCRIPTION,
    TURN_TEXT,
    TURNS,
    UNINTELLIGIBLE,
)

Outcome = RoundClip.Outcome


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
    """One annotation as Label Studio tells it; `lead_seconds` is what the browser measured."""

    annotation_id: int
    user: int | None
    text: str
    was_skipped: bool
    quality: tuple[str, ...]
    lead_seconds: float | None
    started_from_prediction: bool
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
    """What a clip's submissions amount to: a label has its text and who wrote it."""

    outcome: Outcome
    text: str = ""
    author: str = ""


def read_answer(annotation: Mapping[str, Any]) -> Answer:
    """The answer in one of Label Studio's annotations."""
    results = annotation.get("result") or []
    lead = annotation.get("lead_time")
    return Answer(
        annotation_id=int(annotation["id"]),
        user=annotation.get("completed_by"),
        text=" ".join(_values(results, TRANSCRIPTION, "text")).strip(),
        was_skipped=bool(annotation.get("was_cancelled")),
        quality=tuple(dict.fromkeys(_values(results, QUALITY, "choices"))),
        lead_seconds=None if lead is None else float(lead),
        started_from_prediction=annotation.get("parent_prediction") is not None,
        created_at=datetime.fromisoformat(annotation["created_at"]),
        updated_at=datetime.fromisoformat(annotation["updated_at"]),
        segments=read_segments(results),
    )


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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _values(results: Iterable[Mapping[str, Any]], control: str, kind: str) -> list[str]:
    found: list[str] = []
    for result in results:
        if result.get("from_name") == control:
            value = result.get("value", {}).get(kind, [])
            found += [value] if isinstance(value, str) else value
    return found


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
