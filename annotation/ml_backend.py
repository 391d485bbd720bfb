"""How a Label Studio project that is not ours wants to be answered: its labelling page read, predictions written. Pure.

Protocol: https://labelstud.io/guide/ml_create. A project has any number of audio objects; each that has a text box is
answered, in whole (a TextArea) or in regions (Labels with a TextArea of `perRegion`).
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError

LARGEST_CONFIG = 500_000
_AUDIO_TAGS = ("audio", "audioplus")
_VARIABLE = re.compile(r"\$([^\s$\[\]{}]+)")
_REGIONS = uuid.UUID("b4f0cd7e-6f0f-4e0b-9a52-1a0a6a3b9d11")


@dataclass(frozen=True)
class Target:
    """What of a labelling page we fill in: the audio's name, the key of its address in a task's data, the text box.

    `labels` and `label` name the control and the first label of its regions, where the text is given by region.
    """

    audio: str
    key: str
    text: str
    labels: str = ""
    label: str = ""


@dataclass(frozen=True)
class Part:
    """A stretch of what was heard, in seconds from the audio's beginning; `confidence` 0 to 1, None where unknown."""

    start: float
    seconds: float
    text: str
    confidence: float | None = None


def read_config(config: object) -> tuple[Target, ...]:
    """What there is to fill in on a labelling page; nothing where it has no audio with a text box.

    Raises EarmarkError `annotation:ml:config` for what is no labelling page.
    """
    if not isinstance(config, str) or len(config) > LARGEST_CONFIG or "<!" in _without_comments(config):
        raise _unreadable("It is no text, is too long, or declares a document type.")
    try:
        tree = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise _unreadable(str(error)) from error
    tags = [(str(one.tag).lower(), one) for one in tree.iter()]
    audios = {
        one.get("name", ""): match[1]
        for tag, one in tags
        if tag in _AUDIO_TAGS and (match := _VARIABLE.fullmatch(one.get("value", "")))
    }
    boxes = [one for tag, one in tags if tag == "textarea" and one.get("toName") in audios]
    return tuple(
        target for name, key in audios.items() if (target := _target(name, key, boxes, tags)) is not None
    )


def _target(
    name: str, key: str, boxes: Sequence[ElementTree.Element], tags: Sequence[tuple[str, ElementTree.Element]]
) -> Target | None:
    own = [one for one in boxes if one.get("toName") == name and one.get("name")]
    whole = [one for one in own if one.get("perRegion", "").lower() != "true"]
    if whole:
        return Target(name, key, whole[0].get("name", ""))
    labels = [one for tag, one in tags if tag == "labels" and one.get("toName") == name and one.get("name")]
    if not own or not labels:
        return None
    first = labels[0].find("Label")
    label = "" if first is None else first.get("alias") or first.get("value", "")
    return Target(name, key, own[0].get("name", ""), labels[0].get("name", ""), label) if label else None


def address_of(task: Mapping[str, Any], target: Target) -> str:
    """Where the task's audio is; empty where its data does not say."""
    data = task.get("data")
    found = data.get(target.key) if isinstance(data, Mapping) else None
    return found if isinstance(found, str) else ""


def results_for(target: Target, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """What was heard, as Label Studio's editor renders it: nothing for silence."""
    said = [one for one in parts if one.text]
    if not said:
        return []
    if not target.labels:
        text = " ".join(one.text for one in said)
        return [_result(target, target.text, "textarea", {"text": [text]})]
    found = []
    for one in said:
        span = {"start": round(one.start, 3), "end": round(one.start + one.seconds, 3), "channel": 0}
        key = uuid.uuid5(_REGIONS, f"{target.audio} {span['start']} {span['end']}").hex[:10]
        found += [
            _result(target, target.labels, "labels", {**span, "labels": [target.label]}, key),
            _result(target, target.text, "textarea", {**span, "text": [one.text]}, key),
        ]
    return found


def _result(target: Target, control: str, kind: str, value: dict[str, Any], key: str = "") -> dict[str, Any]:
    told = {"from_name": control, "to_name": target.audio, "type": kind, "value": value}
    return {"id": key, **told} if key else told


def score_of(parts: Sequence[Part]) -> float:
    """How sure the recogniser is of all of it, 0 to 1: the mean over its seconds; 0 where it does not say."""
    sure = [(one.confidence, one.seconds) for one in parts if one.confidence is not None]
    seconds = sum(length for _sure, length in sure)
    return round(sum(value * length for value, length in sure) / seconds, 4) if seconds else 0.0


def text_in(results: object, targets: Sequence[Target]) -> str | None:
    """The text that somebody submitted for the audio of `targets`; None where nothing of it is ours to read."""
    if not isinstance(results, list):
        return None
    found: list[tuple[float, str]] = []
    for one in results:
        value = one.get("value") if isinstance(one, Mapping) else None
        if not isinstance(value, Mapping) or one.get("from_name") not in {each.text for each in targets}:
            continue
        said, start = value.get("text", []), value.get("start")
        words = [said] if isinstance(said, str) else [each for each in said if isinstance(each, str)]
        found.append((float(start) if isinstance(start, int | float) else 0.0, " ".join(words).strip()))
    text = " ".join(words for _start, words in sorted(found, key=lambda each: each[0]) if words)
    return text or None


def _without_comments(config: str) -> str:
    return re.sub(r"<!--.*?-->", "", config, flags=re.DOTALL)


def _unreadable(why: str) -> EarmarkError:
    return EarmarkError(
        "annotation:ml:config",
        _("The labelling configuration cannot be read: %(why)s") % {"why": why},
        _("Correct the labelling configuration in Label Studio."),
    )
