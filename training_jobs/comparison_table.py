"""A comparison as people read it: one line a property, one column a model; on the page and in Markdown alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training_jobs.comparison_report import ENOUGH_UNITS, winner

LANGUAGES = {
    "zh": gettext_lazy("Chinese"),
    "yue": gettext_lazy("Cantonese"),
    "en": gettext_lazy("English"),
}
KINDS = {
    "language": gettext_lazy("language"),
    "dialect": gettext_lazy("dialect"),
    "speaker": gettext_lazy("speaker"),
    "snr": gettext_lazy("signal to noise"),
    "duration": gettext_lazy("length"),
}
UNITS = {"snr": "dB", "duration": "s"}
NOTHING = "–"
CLEARLY = 1.1
"""How many times faster or smaller one must be to be called better: speeds vary by a few percent from run to run."""

Report = dict[str, Any]
Show = Callable[[Any], str]


@dataclass(frozen=True)
class Line:
    """One property of both models; `change`: from A to B. `better`: `a`, `b`, or empty where nobody is."""

    label: str
    a: str
    b: str
    change: str = ""
    better: str = ""


@dataclass(frozen=True)
class Group:
    """Lines that belong together."""

    title: str
    lines: list[Line]


def groups(report: Report) -> list[Group]:
    """The whole table."""
    found = [
        Group(_("Error rate"), list(_error_lines(report))),
        Group(_("In noise"), list(_noise_lines(report))),
        Group(_("Speed, memory, size"), list(_measured_lines(report["measured"]))),
        Group(_("What its confidence is worth"), list(_confidence_lines(report["confidence"]))),
    ]
    return [group for group in found if group.lines]


def slice_label(kind: str, name: str) -> str:
    """What people call a slice: `5..10` of noise is "5 to 10 dB"."""
    if not name:
        return _("not known")
    if kind == "language":
        return str(LANGUAGES.get(name, name))
    if kind not in UNITS:
        return name
    low, _dots, high = name.partition("..")
    unit = UNITS[kind]
    if not low:
        return _("under %(high)s %(unit)s") % {"high": high, "unit": unit}
    if not high:
        return _("%(low)s %(unit)s and more") % {"low": low, "unit": unit}
    return _("%(low)s to %(high)s %(unit)s") % {"low": low, "high": high, "unit": unit}


def figure_line(label: str, figure: dict[str, Any]) -> Line:
    """Both error rates with their intervals, and the difference."""
    return Line(
        label,
        with_interval(figure["a"]),
        with_interval(figure["b"]),
        change_of(figure["difference"]),
        winner(figure),
    )


def with_interval(one: dict[str, Any]) -> str:
    """`4.1% (3.2 to 5.0)`."""
    return _("%(rate)s (%(low)s to %(high)s)") % {
        "rate": percent(one["error_rate"]),
        "low": f"{one['low'] * 100:.1f}",
        "high": f"{one['high'] * 100:.1f}",
    }


def change_of(difference: dict[str, float]) -> str:
    """`−0.8 points (−1.5 to −0.1)`."""
    return _("%(value)s points (%(low)s to %(high)s)") % {
        name: points(difference[name]) for name in ("value", "low", "high")
    }


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share * 100:.1f}%"


def points(share: float) -> str:
    return f"{share * 100:+.1f}".replace("-", "−")


def amount(number: float | None) -> str:
    """A large number in millions or billions, as sizes of models are told."""
    if number is None:
        return NOTHING
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.2f} M"


def size(number: float | None) -> str:
    """Bytes in the unit a person would use."""
    if number is None:
        return NOTHING
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def factor(number: float | None) -> str:
    """Three digits that matter."""
    return NOTHING if number is None else f"{number:.3g}"


def _error_lines(report: Report) -> Iterator[Line]:
    overall = report["overall"]
    yield figure_line(_("All clips"), overall)
    named = [one for one in report["slices"] if one["kind"] == "language"]
    for one in named if len(named) > 1 else ():
        yield figure_line(slice_label("language", one["name"]), one)
    for name, label in (
        ("substitutions", _("Wrong, of 100 units")),
        ("insertions", _("Made up, of 100 units")),
        ("deletions", _("Left out, of 100 units")),
    ):
        shares = [overall[side][name] / max(1, overall["units"]) for side in "ab"]
        yield Line(label, *(f"{share * 100:.1f}" for share in shares))
    whole = {side: report["confidence"][side]["right"] for side in "ab"}
    yield Line(_("Clips wholly right"), percent(whole["a"]), percent(whole["b"]))


def _noise_lines(report: Report) -> Iterator[Line]:
    noise = report["noise"]
    db = f"{noise['below_db']:g}"
    if noise["noisy"]:
        yield figure_line(_("Error rate under %(db)s dB") % {"db": db}, noise["noisy"])
    if noise["clean"]:
        yield figure_line(_("Error rate at %(db)s dB and more") % {"db": db}, noise["clean"])
    if all(noise[side] and noise[side]["units"] >= ENOUGH_UNITS for side in ("noisy", "clean")):
        lost = [noise["noisy"][side]["error_rate"] - noise["clean"][side]["error_rate"] for side in "ab"]
        yield Line(_("Lost to noise, points"), *map(points, lost))


def _measured_lines(measured: Report) -> Iterator[Line]:
    def line(label: str, name: str, show: Show, *, less: str = "") -> Line:
        a, b = (measured[side][name] for side in "ab")
        return Line(label, show(a), show(b), *_times(a, b, less))

    yield line(_("Real-time factor"), "rtf", factor, less=_("%(times)s times as long"))
    yield Line(
        _("Seconds of audio in a second"),
        *(factor(1 / measured[side]["rtf"] if measured[side]["rtf"] else None) for side in "ab"),
    )
    more = _("%(times)s times as much")
    yield line(_("Memory of its process"), "peak_bytes", size, less=more)
    yield line(_("of which the model at work"), "own_bytes", size, less=more)
    if any(measured[side]["device_bytes"] for side in "ab"):
        yield line(_("Memory of the accelerator"), "device_bytes", size, less=more)
    yield line(_("Parameters"), "parameters", amount, less=_("%(times)s times as many"))
    yield line(_("Weights on disk"), "weight_bytes", size, less=more)
    yield line(_("Seconds to load"), "load_seconds", factor)
    yield line(_("Can be asked for"), "languages", _spoken)


def _times(a: float | None, b: float | None, words: str) -> tuple[str, str]:
    """`0.5 times as much`, and who needs clearly less."""
    if not words or not a or not b:
        return "", ""
    better = "b" if a / b >= CLEARLY else "a" if b / a >= CLEARLY else ""
    return words % {"times": factor(b / a)}, better


def _confidence_lines(confidence: Report) -> Iterator[Line]:
    def line(label: str, name: str) -> Line:
        return Line(label, *(factor(confidence[side][name]) for side in "ab"))

    yield line(_("Tells right clips from wrong ones (AUROC)"), "auroc")
    yield line(_("Calibration error (ECE)"), "ece")
    yield line(_("Normalised cross-entropy (NCE)"), "nce")
    told = {True: _("calibrated"), False: _("as the model gives it")}
    yield Line(_("Probabilities"), *(told[confidence[side]["calibrated"]] for side in "ab"))


def _spoken(languages: list[str]) -> str:
    return ", ".join(str(LANGUAGES.get(each, each)) for each in languages) or NOTHING
