"""A comparison as people read it."""

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils.translation import override

from earmark.speech.errors import EarmarkError
from tests.training_jobs.comparisons import a_report
from training_jobs.comparison_markdown import markdown, of_report
from training_jobs.comparison_report import ENOUGH_UNITS
from training_jobs.comparison_table import Line, groups, slice_label

CELLS = {"head": 4, "slices": 5}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return a_report("plain", "a|b_*c*")


def lines(report: dict[str, Any]) -> dict[str, Line]:
    return {line.label: line for group in groups(report) for line in group.lines}


def as_row(report: dict[str, Any]) -> Any:
    return SimpleNamespace(pk=7, report=report, snapshot=SimpleNamespace(digest="0123456789abcdef"))


def test_the_table_has_the_properties_that_people_compare(found: dict[str, Any]) -> None:
    table = lines(found)
    wanted = {
        "All clips", "Chinese", "Cantonese", "English", "Error rate under 10 dB", "Lost to noise, points",
        "Real-time factor", "Memory of its process", "Parameters", "Weights on disk", "Can be asked for",
        "Calibration error (ECE)",
    }  # fmt: skip
    assert wanted <= set(table)
    assert (table["Parameters"].a, table["Parameters"].b) == ("1.44 M", "39.00 M")
    assert (table["Parameters"].change, table["Parameters"].better) == ("27.1 times as many", "a")
    assert table["Can be asked for"].b == "English, Chinese"
    assert table["All clips"].better == "b"
    assert table["All clips"].change.startswith("−")


def test_a_difference_that_may_be_chance_names_no_winner(found: dict[str, Any]) -> None:
    report = copy.deepcopy(found)
    report["overall"]["difference"] |= {"low": -0.1, "high": 0.01}
    report["measured"]["b"]["rtf"] = report["measured"]["a"]["rtf"] * 1.05
    table = lines(report)
    assert table["All clips"].better == table["Real-time factor"].better == ""


def test_what_is_not_known_of_a_remote_model_is_left_open(found: dict[str, Any]) -> None:
    report = copy.deepcopy(found)
    report["measured"]["b"] |= dict.fromkeys(("peak_bytes", "own_bytes", "parameters", "weight_bytes"))
    report["confidence"]["b"] |= {"auroc": None, "nce": None}
    report["noise"]["noisy"] = None
    table = lines(report)
    assert (table["Parameters"].b, table["Parameters"].change, table["Parameters"].better) == ("–", "", "")
    assert table["Tells right clips from wrong ones (AUROC)"].b == "–"
    assert "Lost to noise, points" not in table


def test_what_noise_costs_is_not_told_from_a_handful_of_clips(found: dict[str, Any]) -> None:
    report = copy.deepcopy(found)
    assert "Lost to noise, points" in lines(report)
    report["noise"]["noisy"]["units"] = ENOUGH_UNITS - 1
    assert "Lost to noise, points" not in lines(report)


@pytest.mark.parametrize(
    ("kind", "name", "label"),
    [
        ("snr", "..0", "under 0 dB"),
        ("snr", "5..10", "5 to 10 dB"),
        ("duration", "15..", "15 s and more"),
        ("language", "yue", "Cantonese"),
        ("dialect", "scottish", "scottish"),
        ("speaker", "", "not known"),
    ],
)
def test_slices_have_names_for_people(kind: str, name: str, label: str) -> None:
    assert slice_label(kind, name) == label


def rows(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("|"):
            yield line.replace("\\|", "").strip("|").split("|")


def test_markdown_holds_every_slice_and_breaks_no_table(found: dict[str, Any]) -> None:
    page = markdown(as_row(found))
    assert page.startswith("# plain / a\\|b\\_\\*c\\*\n")
    assert {len(cells) for cells in rows(page)} == {4, 5}
    assert page.count("(dialect)") == 4
    assert "12 of set" not in page
    assert "set 0123456789ab" in page
    assert "**" in page


def test_markdown_speaks_the_language_of_the_reader(found: dict[str, Any]) -> None:
    with override("zh-hans"):
        assert "## 错误率" in markdown(as_row(found))


def test_an_unfinished_comparison_has_nothing_to_show() -> None:
    with pytest.raises(EarmarkError) as caught:
        of_report(as_row({}))
    assert caught.value.error_id == "comparison:report:missing"
