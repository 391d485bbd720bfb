"""Other people's labelling pages read, and predictions such as Label Studio's own validator takes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.label_interface import LabelInterface

from annotation import project
from annotation.ml_backend import Part, Target, address_of, read_config, results_for, score_of, text_in
from earmark.speech.errors import EarmarkError

PLAIN = """<View><Audio name="sound" value="$url"/>
<TextArea name="words" toName="sound" rows="4"/></View>"""
REGIONS = """<View>
<Labels name="who" toName="sound"><Label value="Speech" background="#fff"/><Label value="Noise"/></Labels>
<AudioPlus name="sound" value="$url"/>
<TextArea name="words" toName="sound" perRegion="true"/></View>"""
PARTS = (Part(0.0, 2.0, "turn it on", 0.9), Part(2.5, 1.0, ""), Part(4.0, 1.5, "打开灯", 0.5))


def test_a_plain_page_is_answered_in_one_text() -> None:
    (target,) = read_config(PLAIN)
    assert target == Target("sound", "url", "words")
    prediction = {"model_version": "m", "score": 0.5, "result": results_for(target, PARTS)}
    assert LabelInterface(PLAIN).validate_prediction(prediction, return_errors=True) == []
    assert prediction["result"][0]["value"] == {"text": ["turn it on 打开灯"]}


def test_a_page_of_regions_gets_one_for_each_part() -> None:
    (target,) = read_config(REGIONS)
    assert target == Target("sound", "url", "words", "who", "Speech")
    result = results_for(target, PARTS)
    assert (
        LabelInterface(REGIONS).validate_prediction(
            {"model_version": "m", "score": 0.5, "result": result}, return_errors=True
        )
        == []
    )
    assert [(one["type"], one["value"]["start"], one["value"]["end"]) for one in result] == [
        ("labels", 0.0, 2.0), ("textarea", 0.0, 2.0), ("labels", 4.0, 5.5), ("textarea", 4.0, 5.5),
    ]  # fmt: skip
    assert result[0]["id"] == result[1]["id"] != result[2]["id"]


def test_our_own_page_is_answered_too() -> None:
    config = project.label_config(project.Page(has_turns=True))
    assert read_config(config) == (Target("audio", "audio", "transcription"),)


def test_two_audios_are_two_targets() -> None:
    both = """<View><Audio name="a" value="$left"/><Audio name="b" value="$right"/>
    <TextArea name="ta" toName="a"/><TextArea name="tb" toName="b"/></View>"""
    assert [(one.key, one.text) for one in read_config(both)] == [("left", "ta"), ("right", "tb")]


@pytest.mark.parametrize(
    "config",
    [
        "<View/>", '<View><Audio name="a" value="$a"/></View>',
        '<View><Text name="a" value="$a"/><TextArea name="t" toName="a"/></View>',
        '<View><Audio name="a" value="$a"/><TextArea name="t" toName="b"/></View>',
        '<View><Audio name="a" value="fixed.wav"/><TextArea name="t" toName="a"/></View>',
        '<View><Audio name="a" value="$a"/><TextArea name="t" toName="a" perRegion="true"/></View>',
        '<View><Audio name="a" value="$a"/><TextArea name="t" toName="a" perRegion="true"/>'
        '<Labels name="l" toName="a"/></View>',
    ],
)  # fmt: skip
def test_a_page_without_audio_and_text_box_has_nothing_to_fill_in(config: str) -> None:
    assert read_config(config) == ()


@pytest.mark.parametrize(
    "config",
    [
        None, 7, {}, "", "<View>", "plain words", "<View>" + "x" * 600_000 + "</View>",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>',
        '<?xml version="1.0"?><!DOCTYPE View SYSTEM "file:///etc/passwd"><View/>',
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused(config: object) -> None:
    with pytest.raises(EarmarkError) as caught:
        read_config(config)
    assert caught.value.error_id == "annotation:ml:config"


@given(st.text(max_size=200))
def test_no_text_ends_the_reader(config: str) -> None:
    with contextlib.suppress(EarmarkError):
        assert isinstance(read_config(config), tuple)


def test_addresses_are_where_the_page_says() -> None:
    (target,) = read_config(PLAIN)
    assert address_of({"data": {"url": "/data/upload/1/a.wav"}}, target) == "/data/upload/1/a.wav"
    for data in ({}, {"url": 7}, {"audio": "x"}, None, [], "x"):
        assert address_of({"data": data}, target) == ""


def test_silence_has_no_result_and_the_score_is_weighed_by_seconds() -> None:
    (target,) = read_config(PLAIN)
    assert results_for(target, (Part(0.0, 1.0, ""),)) == []
    assert score_of(PARTS) == pytest.approx((0.9 * 2 + 0.5 * 1.5) / 3.5, abs=1e-4)
    assert score_of((Part(0.0, 1.0, "hi"),)) == 0.0


@pytest.mark.parametrize("config", [PLAIN, REGIONS])
def test_what_is_predicted_is_read_back(config: str) -> None:
    targets = read_config(config)
    assert text_in(results_for(targets[0], PARTS), targets) == "turn it on 打开灯"


def test_what_is_not_ours_to_read_is_no_text() -> None:
    targets = read_config(PLAIN)
    other = {"from_name": "other", "value": {"text": ["x"]}}
    for results in (
        None,
        [],
        {},
        "x",
        [other],
        [{"from_name": "words"}],
        [7],
        [{"from_name": "words", "value": 3}],
    ):
        assert text_in(results, targets) is None
    assert text_in([{"from_name": "words", "value": {"text": "bare"}}, other], targets) == "bare"
