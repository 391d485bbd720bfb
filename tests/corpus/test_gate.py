"""The quality gate: what it finds, what a person says against it."""

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given
from hypothesis import strategies as st

from earmark.accounts.models import AuditEntry
from earmark.corpus import gate
from earmark.corpus.gate import Gate, changed, gate_of, judge_again, overrule, overruled, set_thresholds
from earmark.corpus.models import Unfit
from earmark.speech.errors import EarmarkError
from earmark.speech.quality import Quality
from tests.corpus import world

GOOD = Quality(
    speech_seconds=2.0,
    silence_share=0.2,
    snr_db=25.0,
    clipped_share=0.0,
    bandwidth_hz=7_500.0,
    loudness_lufs=-23.0,
)


def test_good_speech_is_fit() -> None:
    assert Gate().verdict(GOOD) == ""
    assert Gate().verdict(replace(GOOD, snr_db=None)) == ""


@pytest.mark.parametrize(
    ("figure", "value", "reason"),
    [
        ("speech_seconds", 0.1, Unfit.SILENT),
        ("silence_share", 0.99, Unfit.SILENT),
        ("loudness_lufs", -60.0, Unfit.QUIET),
        ("clipped_share", 0.2, Unfit.CLIPPED),
        ("snr_db", -3.0, Unfit.NOISY),
        ("bandwidth_hz", 1_000.0, Unfit.NARROW),
    ],
)
def test_each_threshold_has_its_reason(figure: str, value: float, reason: Unfit) -> None:
    assert Gate().verdict(replace(GOOD, **{figure: value})) == reason


@given(st.floats(-10, 60), st.floats(-30, 100))
def test_a_stricter_threshold_never_lets_more_through(snr: float, threshold: float) -> None:
    quality = replace(GOOD, snr_db=snr)
    stricter = changed(Gate(), {"least_snr_db": min(100.0, threshold + 1)}).verdict(quality)
    assert stricter or not changed(Gate(), {"least_snr_db": threshold}).verdict(quality)


@pytest.mark.parametrize(
    ("name", "value"), [("least_snr_db", "loud"), ("most_silence_share", 1.5), ("least_snr_db", float("nan")),
                        ("least_snr", 3), ("least_snr_db", True)],
)  # fmt: skip
def test_a_bad_threshold_is_named(name: str, value: object) -> None:
    with pytest.raises(EarmarkError, match=name) as caught:
        changed(Gate(), {name: value})
    assert caught.value.error_id == "corpus:gate:threshold"


@pytest.mark.django_db
def test_a_collection_differs_from_the_settings_and_both_from_the_code(settings) -> None:
    settings.QUALITY_GATE = {"least_snr_db": 5, "least_bandwidth_hz": 0}
    into = world.collection()
    into.gate = {"least_snr_db": 12}
    assert gate_of(into) == replace(Gate(), least_snr_db=12.0, least_bandwidth_hz=0.0)


@pytest.mark.django_db
def test_new_thresholds_judge_again_but_not_what_a_person_said(monkeypatch) -> None:
    monkeypatch.setattr(gate, "AT_ONCE", 2)
    into, ada = world.collection(), get_user_model().objects.create(username="ada")
    one = world.recording(into)
    clips = [
        world.clip(into, recording=one, start=float(at), seconds=1.0, **{**vars(GOOD), "snr_db": snr})
        for at, snr in enumerate((5.0, 15.0, 25.0, 5.0))
    ]
    duplicate = world.clip(
        into, recording=one, start=9.0, seconds=1.0, unfit=Unfit.DUPLICATE, is_fit=False, **vars(GOOD)
    )
    overrule(clip=clips[2], is_fit=False, by=ada, why="another language")
    set_thresholds(collection=into, thresholds={"least_snr_db": 10}, by=ada)
    judge_again(world.Context(), collection_id=into.pk)
    overrule(clip=clips[3], is_fit=True, by=ada, why="it can be heard")
    judge_again(world.Context(), collection_id=into.pk)
    for clip in (*clips, duplicate):
        clip.refresh_from_db()
    assert [(clip.unfit, clip.is_fit) for clip in clips] == [
        ("noisy", False), ("", True), ("by_hand", False), ("noisy", True)
    ]  # fmt: skip
    assert (duplicate.unfit, duplicate.is_fit) == ("duplicate", False)
    assert [overruled(clip) for clip in clips] == [False, False, True, True]

    set_thresholds(collection=into, thresholds={}, by=ada)
    assert judge_again(world.Context(), collection_id=into.pk) == {"clips": 5, "changed": 1}
    clips[0].refresh_from_db()
    assert (clips[0].unfit, clips[0].is_fit) == ("", True)
    said = AuditEntry.objects.filter(verb="overrule gate").order_by("pk").values_list("details", flat=True)
    assert [entry["why"] for entry in said] == ["another language", "it can be heard"]


@pytest.mark.django_db
def test_thresholds_set_while_others_are_applied_have_the_last_word(monkeypatch) -> None:
    monkeypatch.setattr(gate, "AT_ONCE", 1)
    into = world.collection()
    one = world.recording(into)
    for at in range(3):
        world.clip(into, recording=one, start=float(at), seconds=1.0, **{**vars(GOOD), "snr_db": 5.0})
    set_thresholds(collection=into, thresholds={"least_snr_db": 10}, by=None)

    class Relaxing(world.Context):
        def progress(self, done: float, total: float, note: str = "") -> None:
            set_thresholds(collection=into, thresholds={}, by=None)

    judge_again(Relaxing(), collection_id=into.pk)
    assert [clip.unfit for clip in one.clips.order_by("start")] == ["noisy", "", ""]
    judge_again(world.Context(), collection_id=into.pk)
    assert {clip.unfit for clip in one.clips.all()} == {""}


@pytest.mark.django_db
def test_overruling_takes_a_reason_and_can_be_taken_back() -> None:
    into, ada = world.collection(), get_user_model().objects.create(username="ada")
    clip = world.clip(into, **vars(GOOD))
    with pytest.raises(EarmarkError) as caught:
        overrule(clip=clip, is_fit=False, by=ada, why="  ")
    assert caught.value.error_id == "corpus:gate:reason"
    overrule(clip=clip, is_fit=False, by=ada, why="music")
    overrule(clip=clip, is_fit=True, by=ada, why="no, a song is fine")
    clip.refresh_from_db()
    assert (clip.unfit, clip.is_fit) == ("", True)


@pytest.mark.django_db
def test_what_a_person_set_aside_stays_aside_whatever_the_thresholds() -> None:
    into, ada = world.collection(), get_user_model().objects.create(username="ada")
    noisy = {**vars(GOOD), "snr_db": -3.0}
    clip = world.clip(into, unfit="noisy", is_fit=False, **noisy)
    overrule(clip=clip, is_fit=False, by=ada, why="and it is music")
    set_thresholds(collection=into, thresholds={"least_snr_db": -20}, by=ada)
    judge_again(world.Context(), collection_id=into.pk)
    clip.refresh_from_db()
    assert (clip.unfit, clip.is_fit) == ("by_hand", False)
    set_thresholds(collection=into, thresholds={}, by=ada)
    overrule(clip=clip, is_fit=True, by=ada, why="it is wanted all the same")
    clip.refresh_from_db()
    assert (clip.unfit, clip.is_fit) == ("noisy", True)
