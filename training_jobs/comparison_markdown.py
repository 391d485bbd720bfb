"""A comparison as a Markdown page that stands alone."""

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError
from training_jobs.comparison_table import KINDS, figure_line, groups, slice_label
from training_jobs.models import Comparison

_ESCAPED = str.maketrans({each: f"\\{each}" for each in "\\|`*_<>[]#"})


def markdown(comparison: Comparison) -> str:
    """The whole comparison: the table, every slice, the frequent mistakes, and how it was measured."""
    report = comparison.report
    a, b = (plain(report["models"][name]["name"]) for name in "ab")
    parts = [
        f"# {a} / {b}",
        _about(comparison),
        *(
            f"## {group.title}\n\n"
            + table(
                ["", a, b, _("A to B")],
                (
                    [
                        line.label,
                        _bold(line.a, line.better == "a"),
                        _bold(line.b, line.better == "b"),
                        line.change,
                    ]
                    for line in group.lines
                ),
            )
            for group in groups(report)
        ),
        f"## {_('By slice')}\n\n" + _slices(comparison, a, b),
        f"## {_('Frequent mistakes')}\n\n" + _confusions(comparison, a, b),
        _(
            "Bold: better by more than chance (95% intervals), or by more than a tenth where no chance is involved."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def of_report(comparison: Comparison) -> Comparison:
    """`comparison` itself, once it has its report. Raises EarmarkError `comparison:report:missing`."""
    if comparison.report:
        return comparison
    raise EarmarkError(
        "comparison:report:missing",
        _("Comparison {pk} has no report yet.").format(pk=comparison.pk),
        _("Wait for its job to succeed; see why when it has failed, then ask for it again."),
    )


def plain(text: str) -> str:
    """`text` so that Markdown shows it as it is, in one line."""
    return " ".join(text.split()).translate(_ESCAPED)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _about(comparison: Comparison) -> str:
    report, measured = comparison.report, comparison.report["measured"]
    return _(
        "%(clips)d clips (%(minutes).1f min) of set %(digest)s, 95%% bootstrap intervals, seed %(seed)d. Speed and "
        "memory: %(sample)d clips (%(seconds).0f s) heard afresh on %(device)s with %(cores)s cores, the models in "
        "turn, each in a process of its own."
    ) % {
        "clips": report["clips"],
        "minutes": report["seconds"] / 60,
        "digest": comparison.snapshot.digest[:12],
        "seed": report["seed"],
        "sample": measured["clips"],
        "seconds": measured["seconds"],
        "device": measured["device"],
        "cores": measured["cores"],
    }


def _slices(comparison: Comparison, a: str, b: str) -> str:
    rows = []
    for one in comparison.report["slices"]:
        line = figure_line(plain(slice_label(one["kind"], one["name"])), one)
        cells = [_bold(line.a, line.better == "a"), _bold(line.b, line.better == "b"), line.change]
        rows.append([f"{line.label} ({KINDS[one['kind']]})", str(one["clips"]), *cells])
    return table([_("Slice"), _("Clips"), a, b, _("A to B")], rows)


def _confusions(comparison: Comparison, a: str, b: str) -> str:
    found = comparison.report["confusions"]
    columns = {"a": a, "b": b}
    rows = [
        [
            columns[side],
            plain(reference) or f"({_('nothing')})",
            plain(heard) or f"({_('nothing')})",
            str(times),
        ]
        for side in "ab"
        for reference, heard, times in found[side]
    ]
    return table([_("Model"), _("Said"), _("Heard"), _("Times")], rows)


def _bold(text: str, is_bold: bool) -> str:
    return f"**{text}**" if is_bold else text
