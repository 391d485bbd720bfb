"""What a round looks like in Label Studio, held against Label Studio's own validator."""

import re

import pytest
from label_studio_sdk.label_interface import LabelInterface

from annotation import project
from annotation.answers import read_answer
from earmark.demo.annotators import Submission

EVERYTHING = project.Page(has_turns=True, glossary=("大埔墟", 'quotes " & <tags>'))


@pytest.fixture(scope="module")
def interface() -> LabelInterface:
    return LabelInterface(project.label_config(EVERYTHING))


@pytest.mark.parametrize("text", ["turn it on", "打开灯", 'quotes " and <tags> & more', ""])
def test_predictions_are_such_as_the_editor_renders(interface: LabelInterface, text: str) -> None:
    prediction = project.prediction(text=text, model="tiny-1", score=0.25)
    assert interface.validate_prediction(prediction, return_errors=True) == []


def test_a_prediction_the_editor_cannot_render_would_be_noticed(interface: LabelInterface) -> None:
    bad = project.prediction(text="x", model="m", score=0.5)
    bad["result"][0]["from_name"] = "elsewhere"
    assert interface.validate_prediction(bad, return_errors=True)


def test_what_annotators_submit_fits_the_page_and_is_read_back(interface: LabelInterface) -> None:
    submission = Submission("hello", skipped=False, unintelligible=True, lead_seconds=1.0)
    annotation = {"result": submission.result()}
    assert interface.validate_annotation(annotation)
    moment = "2026-11-22T08:00:00Z"
    answer = read_answer(annotation | {"id": 1, "created_at": moment, "updated_at": moment})
    assert (answer.text, answer.quality) == ("hello", ("unintelligible",))


def test_the_page_speaks_both_languages_and_has_a_key_for_each_choice(interface: LabelInterface) -> None:
    config = project.label_config()
    assert len({one.key for one in project.CHOICES}) == len(project.CHOICES)
    for one in project.CHOICES:
        assert re.search(r"[a-z]", one.words)
        assert re.search(r"[一-鿿]", one.words)
        assert f'alias="{one.code}"' in config


@pytest.mark.parametrize("name", ["Demo", "x" * 120, "采集" * 40])
def test_titles_fit(name: str) -> None:
    title = project.title(name, 12)
    assert len(title) <= 50
    assert title.endswith(" · 12")


def test_a_page_tells_its_version_also_where_somebody_changed_it() -> None:
    for page in (project.Page(), EVERYTHING):
        config = project.label_config(page)
        assert project.version_of(config) == project.VERSION
        assert project.version_of(config.replace('name="quality"', 'name="sound"')) == project.VERSION
    assert project.version_of('<View className="earmark">') == 1
    assert project.version_of("<View/>") == 0


def test_what_is_around_a_clip_is_shown_and_bounded() -> None:
    around = project.Surroundings("b" * 500, "a" * 500, "https://here/audio/clips/1.flac?sig=1.2&x", 2.0, 5.5)
    made = project.task(
        clip=1, round_id=1, batch=0, audio="https://here/a", about="", seconds=3.5, confidence=0.5, text="",
        model="m", place=0.5, around=around,
    )  # fmt: skip
    data = made["data"]
    assert len(data["before"]) < 200 > len(data["after"])
    assert "2.0–5.5 s" in data["around"]
    assert 'src="https://here/audio/clips/1.flac?sig=1.2&amp;x"' in data["around"]
    assert data["config"] == project.VERSION


def test_the_glossary_names_no_task_data() -> None:
    assert project.glossary_lines(" $audio \n\n大埔墟\n") == ("＄audio", "大埔墟")
    assert "大埔墟" in project.label_config(EVERYTHING)
    assert "Labels" not in project.label_config(project.Page())
