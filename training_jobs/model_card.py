"""What a model is for, what it was made of and how good it is: a page of Markdown that stands alone."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from earmark.recognition.models import Calibration, ModelVersion
from earmark.speech.model_manifest import Manifest
from earmark.speech.slices import slice_order
from training_jobs.comparison_markdown import plain, table
from training_jobs.comparison_table import KINDS, percent, slice_label, with_interval
from training_jobs.models import Evaluation

TRANSFORMERS_ENGINES = ("glm-asr", "whisper")
WORST = 3


@dataclass(frozen=True)
class Card:
    """What is known of a model. `manifest` is None where its folder is not looked at; `verdict` a sentence or none."""

    name: str
    engine: str
    lineage: Mapping[str, Any]
    manifest: Manifest | None = None
    evaluations: Sequence[Evaluation] = ()
    calibration: Calibration | None = None
    verdict: str = ""
    parent: str = field(default="")


def card_of(
    model: ModelVersion, *, evaluations: Sequence[Evaluation], calibration: Calibration | None, verdict: str
) -> Card:
    """The card of a registered model with what was measured of it since."""
    return Card(
        name=model.name,
        engine=model.engine,
        lineage=model.lineage,
        evaluations=evaluations,
        calibration=calibration,
        verdict=verdict,
        parent=model.parent.name if model.parent else "",
    )


def card_text(card: Card) -> str:
    """The whole card, with the header that model hubs read."""
    parts = [
        _header(card),
        f"# {plain(card.name)}",
        _summary(card),
        f"## {_('What it is for')}\n\n" + _purpose(card),
        f"## {_('Limits')}\n\n" + _bullets(_limits(card)),
        f"## {_('How good it is')}\n\n" + _evaluation(card),
        f"## {_('What its confidence means')}\n\n" + _confidence(card),
        f"## {_('Where it comes from')}\n\n" + _origin(card),
    ]
    if card.lineage.get("options"):
        parts.append(f"## {_('The recipe')}\n\n" + _options(card.lineage["options"]))
    return "\n\n".join(parts) + "\n"


def _header(card: Card) -> str:
    lines = ["pipeline_tag: automatic-speech-recognition"]
    if card.engine in TRANSFORMERS_ENGINES:
        lines.insert(0, "library_name: transformers")
    languages = sorted({name for one in card.evaluations for name in one.slices.get("language", {}) if name})
    if languages:
        lines.append(f"language: {json.dumps(languages)}")
    return "\n".join(["---", *lines, "---"])


def _summary(card: Card) -> str:
    lineage = card.lineage
    parent = lineage.get("parent") or card.parent
    if not lineage.get("recipe"):
        return _("A model of the engine %(engine)s that was registered as it is.") % {
            "engine": f"`{card.engine}`"
        }
    return _(
        "Trained from %(parent)s by the recipe %(recipe)s, seed %(seed)s, in the collection %(collection)s."
    ) % {
        "parent": plain(parent or "–"),
        "recipe": plain(str(lineage["recipe"])),
        "seed": lineage.get("seed", "–"),
        "collection": plain(str(lineage.get("collection", "–"))),
    }


def _purpose(card: Card) -> str:
    heard = _heard(card)
    told = _(
        "Writing down short speech, clips of up to 30 s, of the kind it was trained on, where a person looks at what "
        "it is unsure of."
    )
    return told + (f" {_('It was measured on: %(slices)s.') % {'slices': heard}}" if heard else "")


def _heard(card: Card) -> str:
    """The languages and dialects of the newest evaluation."""
    if not card.evaluations:
        return ""
    slices = card.evaluations[0].slices
    names = [
        slice_label(kind, name)
        for kind in ("language", "dialect")
        for name in sorted(slices.get(kind, {}))
        if name
    ]
    return ", ".join(plain(name) for name in dict.fromkeys(names))


def _limits(card: Card) -> Iterator[str]:
    yield _("Nothing is known of languages, dialects, rooms and microphones that the test set does not hold.")
    yield _("It may write fluent text where nobody speaks; Earmark flags what looks like it.")
    yield _("It must not decide alone where a wrong word does harm.")
    for one in _weakest(card):
        yield _("Weak: %(slice)s (%(kind)s), error rate %(rate)s on %(clips)s clips.") % one


def _weakest(card: Card) -> list[dict[str, str]]:
    """The slices of language and dialect that are clearly above the whole, the worst first."""
    if not card.evaluations:
        return []
    newest = card.evaluations[0]
    found = [
        (figures["error_rate"], kind, name, figures["clips"])
        for kind in ("language", "dialect")
        for name, figures in newest.slices.get(kind, {}).items()
        if figures["error_rate"] > newest.high
    ]
    return [
        {
            "slice": plain(slice_label(kind, name)),
            "kind": str(KINDS[kind]),
            "rate": percent(rate),
            "clips": clips,
        }
        for rate, kind, name, clips in sorted(found, reverse=True)[:WORST]
    ]


def _evaluation(card: Card) -> str:
    if not card.evaluations:
        dev = card.lineage.get("metrics", {}).get("best_error_rate")
        told = _("It was not measured on a frozen test set when this was written.")
        return told + (
            f" {_('On the dev clips: %(rate)s.') % {'rate': percent(dev)}}" if dev is not None else ""
        )
    return "\n\n".join(_measured(one) for one in card.evaluations) + (
        f"\n\n{card.verdict}" if card.verdict else ""
    )


def _measured(one: Evaluation) -> str:
    figure = {"error_rate": one.error_rate, "low": one.low, "high": one.high}
    head = _(
        "Error rate **%(rate)s** on %(clips)s clips of the frozen test set `%(digest)s`: pooled over characters "
        "(Chinese, Cantonese) or words, with the 95%% bootstrap interval, seed %(seed)s."
    ) % {
        "rate": with_interval(figure),
        "clips": one.clips,
        "digest": one.snapshot.digest[:12],
        "seed": one.seed,
    }
    rows = [
        [
            f"{plain(slice_label(kind, name))} ({KINDS[kind]})",
            str(figures["clips"]),
            percent(figures["error_rate"]),
        ]
        for kind in ("language", "dialect", "snr", "duration")
        for name, figures in sorted(one.slices.get(kind, {}).items(), key=lambda item: slice_order(item[0]))
    ]
    return head + ("\n\n" + table([_("Slice"), _("Clips"), _("Error rate")], rows) if rows else "")


def _confidence(card: Card) -> str:
    held = card.calibration
    if held is not None:
        return _(
            "Calibrated on %(clips)s clips (%(source)s): the probability it gives that a text is right is off by "
            "%(ece)s on average (ECE), and tells right from wrong with an AUROC of %(auroc)s."
        ) % {
            "clips": held.clips,
            "source": _("drawn at random and audited by people") if held.is_audited else _("dev clips"),
            "ece": percent(held.report.get("calibrated", {}).get("ece")),
            "auroc": _digits(held.report.get("calibrated", {}).get("auroc")),
        }
    if card.manifest and card.manifest.calibration:
        return _("Calibrated on %(clips)s dev clips; the parameters are in `earmark.json`.") % {
            "clips": card.manifest.calibration.get("clips", "–")
        }
    return _("Not calibrated: its confidence orders clips, and says nothing of how many are wrong.")


def _digits(number: float | None) -> str:
    return "–" if number is None else f"{number:.3f}"


def _origin(card: Card) -> str:
    lineage = card.lineage
    rows = [
        (_("Made from"), lineage.get("parent") or card.parent),
        (_("Snapshot"), lineage.get("snapshot")),
        (_("Learned from"), _data(lineage.get("data", {}))),
        (_("Seed"), lineage.get("seed")),
        (_("Steps"), lineage.get("metrics", {}).get("steps")),
        (_("Launched"), lineage.get("launched_at")),
        (_("Versions"), ", ".join(f"{name} {value}" for name, value in lineage.get("versions", {}).items())),
        (_("Window"), _window(card.manifest)),
        (_("Files (SHA-256)"), lineage.get("content")),
    ]
    return table(["", ""], [[label, plain(str(value))] for label, value in rows if value not in (None, "")])


def _data(counts: Mapping[str, Any]) -> str:
    if not counts:
        return ""
    return _("%(labelled)s labelled clips (%(minutes).1f min) of %(clips)s") % {
        "labelled": counts.get("labelled_clips", 0),
        "minutes": counts.get("labelled_seconds", 0.0) / 60,
        "clips": counts.get("clips", 0),
    }


def _window(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    if manifest.window == "fixed":
        return _("every clip is padded to 30 s")
    return _("a clip is padded to the next multiple of %(step)s s") % {"step": f"{manifest.window_step:g}"}


def _options(options: Mapping[str, Any]) -> str:
    flat = list(_flat(options))
    return table([_("Setting"), _("Value")], [[f"`{name}`", f"`{value}`"] for name, value in flat])


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
