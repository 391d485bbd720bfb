"""Cutting again: a new generation of clips around those that people have worked on."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.corpus import ingest, resegmenting
from earmark.corpus.gate import set_thresholds
from earmark.corpus.models import Clip, Import, Recording, Reference, Segmentation, Split
from earmark.corpus.recording import record
from earmark.corpus.references import set_reference
from earmark.corpus.resegmenting import outside, resegment, run_resegment
from earmark.corpus.samples import clip_samples, stretch_of
from earmark.jobs.models import Job
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.segmentation import SegmentationSettings
from tests.corpus import world
from tests.speech.audio_files import write_talk

JOINED = SegmentationSettings(shortest_pause=2.0, longest=12.0)


def _cut_again(into, settings: SegmentationSettings) -> Segmentation:
    made, _ = resegment(collection=into, settings=settings, by=None)
    run_resegment(world.Context(), segmentation_id=made.pk)
    return made


def _places(clips) -> list[Stretch]:
    return [stretch_of(clip) for clip in clips.order_by("start")]


@pytest.mark.django_db
def test_a_new_generation_leaves_references_intact_and_covers_the_rest(tmp_path: Path) -> None:
    write_talk(tmp_path / "long.flac", 14)
    into = world.collection()
    world.bring_in(into, tmp_path)
    first = list(Clip.objects.order_by("start"))
    set_reference(clip_id=first[0].pk, text="what was said", kind=Reference.Kind.ANNOTATOR, author="anna")

    made = _cut_again(into, JOINED)

    current = Clip.objects.filter(is_current=True)
    assert made.generation == 2
    assert made.parameters == JOINED.to_json()
    assert Recording.objects.get().segmentation == made
    kept = Clip.objects.get(pk=first[0].pk)
    assert kept.is_current
    assert kept.segmentation.generation == 1
    assert kept.references.get().text == "what was said"
    assert Clip.objects.filter(pk=first[1].pk).get().is_current is False
    fresh = current.exclude(pk=kept.pk)
    assert fresh.count() > 2
    assert all(1.0 <= clip.seconds <= 12.0 and clip.segmentation == made for clip in fresh)
    assert max(clip.seconds for clip in fresh) > 6.0
    assert all(clip.speech_seconds is not None for clip in fresh)
    places = _places(current)
    assert all(a.end <= b.start for a, b in pairwise(places))
    assert len(clip_samples(fresh[0])) == round(fresh[0].seconds * SAMPLE_RATE)


@pytest.mark.django_db
def test_cutting_as_before_brings_the_first_clips_back(tmp_path: Path) -> None:
    write_talk(tmp_path / "long.flac", 14)
    into = world.collection()
    world.bring_in(into, tmp_path)
    before = {clip.pk: stretch_of(clip) for clip in Clip.objects.all()}
    _cut_again(into, JOINED)
    again = _cut_again(into, SegmentationSettings())
    assert {clip.pk: stretch_of(clip) for clip in Clip.objects.filter(is_current=True)} == before
    assert {clip.segmentation for clip in Clip.objects.filter(is_current=True)} == {again}


@pytest.mark.django_db
def test_broken_off_it_goes_on(tmp_path: Path) -> None:
    for number in range(3):
        write_talk(tmp_path / f"{number}.flac", 10, first=number * 20)
    into = world.collection()
    world.bring_in(into, tmp_path)
    made, _ = resegment(collection=into, settings=JOINED, by=None)
    with pytest.raises(world.StoppedError):
        run_resegment(world.Context(stop_after=1), segmentation_id=made.pk)
    assert Recording.objects.filter(segmentation=made).count() == 1
    assert run_resegment(world.Context(), segmentation_id=made.pk) == {"recordings": 2, "unreadable": {}}
    assert all(clip.segmentation == made for clip in Clip.objects.filter(is_current=True))
    last = Recording.objects.get(name="2.flac")
    Path(last.file.path).unlink()
    again, _ = resegment(collection=into, settings=SegmentationSettings(), by=None)
    found = run_resegment(world.Context(), segmentation_id=again.pk)
    assert found == {"recordings": 2, "unreadable": {"2.flac": "corpus:audio:missing"}}
    assert last.clips.filter(is_current=True).exists()


@pytest.mark.django_db
def test_what_comes_in_while_another_cutting_is_asked_for_follows_it(tmp_path: Path, monkeypatch) -> None:
    write_talk(tmp_path / "a.flac", 10)
    into = world.collection()
    asked: list[Segmentation] = []

    def asked_meanwhile(*args: Any) -> None:
        asked.append(resegment(collection=into, settings=JOINED, by=None)[0])
        record(*args)

    monkeypatch.setattr(ingest, "record", asked_meanwhile)
    world.bring_in(into, tmp_path)
    again = Job.objects.get(kind="corpus.resegment", key__contains="import")
    assert again.arguments == {"segmentation_id": asked[0].pk}
    run_resegment(world.Context(), **again.arguments)
    assert Recording.objects.get().segmentation == asked[0]
    assert ingest.asked_of(Import.objects.get()).segmentation == JOINED


@pytest.mark.django_db
def test_an_older_cutting_that_ends_later_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    write_talk(tmp_path / "a.flac", 10)
    into = world.collection()
    world.bring_in(into, tmp_path)
    older, _ = resegment(collection=into, settings=SegmentationSettings(longest=5.0), by=None)
    newer: list[Segmentation] = []
    apply = resegmenting._apply

    def overtaken(*args: Any) -> bool:
        monkeypatch.setattr(resegmenting, "_apply", apply)
        newer.append(_cut_again(into, JOINED))
        return apply(*args)

    monkeypatch.setattr(resegmenting, "_apply", overtaken)
    run_resegment(world.Context(), segmentation_id=older.pk)
    assert Recording.objects.get().segmentation == newer[0]
    assert {clip.segmentation for clip in Clip.objects.filter(is_current=True)} == {newer[0]}


@pytest.mark.django_db
def test_a_clip_that_gets_a_text_while_its_recording_is_cut_is_cut_around(
    tmp_path: Path, monkeypatch
) -> None:
    write_talk(tmp_path / "a.flac", 14)
    into = world.collection()
    world.bring_in(into, tmp_path)
    first = Clip.objects.order_by("start")[0]
    apply = resegmenting._apply

    def written_meanwhile(*args: Any) -> bool:
        monkeypatch.setattr(resegmenting, "_apply", apply)
        set_reference(clip_id=first.pk, text="so", kind=Reference.Kind.ANNOTATOR, author="anna")
        return apply(*args)

    monkeypatch.setattr(resegmenting, "_apply", written_meanwhile)
    _cut_again(into, JOINED)
    current = Clip.objects.filter(is_current=True)
    assert first in current
    assert current.count() > 1
    assert all(a.end <= b.start for a, b in pairwise(_places(current)))


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["gate", "gone"])
def test_what_changes_while_a_recording_is_cut_counts(tmp_path: Path, monkeypatch, what: str) -> None:
    write_talk(tmp_path / "a.flac", 10)
    into = world.collection()
    world.bring_in(into, tmp_path)
    apply = resegmenting._apply

    def changed_meanwhile(*args: Any) -> bool:
        if what == "gone":
            Recording.objects.all().delete()
        else:
            set_thresholds(collection=into, thresholds={"least_snr_db": 100.0}, by=None)
        return apply(*args)

    monkeypatch.setattr(resegmenting, "_apply", changed_meanwhile)
    made = _cut_again(into, JOINED)
    fresh = Clip.objects.filter(segmentation=made, is_current=True)
    if what == "gate":
        assert {clip.unfit for clip in fresh} == {"noisy"}
    else:
        assert not fresh.exists()


@pytest.mark.django_db
def test_clips_found_at_last_where_there_were_none_are_on_a_side(tmp_path: Path) -> None:
    write_talk(tmp_path / "a.flac", 10)
    into = world.collection()
    world.bring_in(into, tmp_path)
    Clip.objects.all().delete()
    _cut_again(into, JOINED)
    assert Clip.objects.exists()
    assert set(Clip.objects.values_list("split", flat=True)) <= set(Split.values)


_stretches = st.lists(st.integers(1, 200), max_size=12, unique=True).map(
    lambda cuts: [
        Stretch(a * 8_000, b * 8_000) for a, b in zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False)
    ]
)


@given(_stretches, _stretches)
def test_what_lies_outside_is_apart_from_what_is_held_and_misses_only_scraps(
    stretches: list[Stretch], held: list[Stretch]
) -> None:
    pieces = outside(stretches, held, 1.0)
    assert all(piece.end - piece.start >= SAMPLE_RATE for piece in pieces)
    assert not any(piece.start < one.end and one.start < piece.end for piece in pieces for one in held)
    free = {
        at
        for one in stretches
        for at in range(one.start, one.end, 8_000)
        if not any(other.start <= at < other.end for other in held)
    }
    covered = {at for piece in pieces for at in range(piece.start, piece.end, 8_000)}
    assert covered <= free
    missed = free - covered
    assert not any({at, at + 8_000} <= missed and _joined(at, stretches) for at in missed)


def _joined(at: int, stretches: list[Stretch]) -> bool:
    """Whether two neighbouring half seconds lie in one stretch."""
    return any(one.start <= at and at + 8_000 < one.end for one in stretches)
