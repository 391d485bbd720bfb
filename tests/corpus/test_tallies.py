"""The tallies say what a fresh count says, whatever is written and by whom."""

import threading
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from earmark.corpus import tallies
from earmark.corpus.models import FACET, Clip, Collection, Recording, Reference, Speaker, Split, Unfit
from earmark.corpus.tally_models import (
    ClipTally,
    MeasureTally,
    RecordingTally,
    ReferenceTally,
    SpeakerTally,
    Tally,
)
from earmark.speech.audio import SAMPLE_RATE

MEASURES = tuple(tallies.BINS)


def bin_of(measure: str, value: float | None) -> int:
    """The bin `value` lies in: an edge belongs to the bin above it."""
    return tallies.UNMEASURED if value is None else bisect_right(tallies.BINS[measure], value)


def samples(of: Any) -> int:
    return round(of.seconds * SAMPLE_RATE)


def told(model: type[Tally]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """What the tally adds up to, by its key."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in model._default_manager.all():
        key = tuple(getattr(row, row._meta.get_field(name).attname) for name in model.KEYS)  # type: ignore[union-attr]
        at = found.setdefault(key, [0, 0])
        at[0], at[1] = at[0] + row.number, at[1] + row.samples
    return {key: (number, length) for key, (number, length) in found.items() if (number, length) != (0, 0)}


def counted(model: type[Tally]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """The same from the rows themselves, counted in Python."""
    number: Counter[tuple[Any, ...]] = Counter()
    length: Counter[tuple[Any, ...]] = Counter()

    def add(key: tuple[Any, ...], of: Any) -> None:
        number[key] += 1
        length[key] += samples(of)

    if model is RecordingTally:
        for recording in Recording.objects.all():
            add((recording.collection_id,), recording)
    elif model is ReferenceTally:
        for held in Reference.objects.filter(is_current=True).select_related("clip"):
            day = held.created_at.astimezone(UTC).date()
            add((held.clip.collection_id, held.kind, held.clip.split, day), held.clip)
    for clip in Clip.objects.all():
        if model is ClipTally:
            add((clip.facet, clip.collection_id, *(getattr(clip, name) for name in FACET[1:])), clip)
        elif model is SpeakerTally:
            add((clip.collection_id, clip.speaker_id, clip.is_current), clip)
        elif model is MeasureTally:
            for measure in MEASURES:
                bin = bin_of(measure, getattr(clip, measure))
                add((clip.collection_id, clip.is_current, clip.is_fit, measure, bin), clip)
    return {key: (number[key], length[key]) for key in number}


def agree() -> None:
    for model in tallies.TALLIES:
        assert told(model) == counted(model), model.__name__


def a_collection(slug: str = "tallied") -> Collection:
    return Collection.objects.create(slug=slug, name=slug)


def a_recording(collection: Collection, digest: int, seconds: float = 60.0) -> Recording:
    return Recording.objects.create(
        collection=collection, sha256=f"{digest:064x}", name=f"{digest}.wav", file="x", bytes=1, seconds=seconds,
        rate=16_000, channels=1, format="WAV",
    )  # fmt: skip


measured = st.one_of(st.none(), st.sampled_from([-50.0, 0.0, 0.05, 0.15, 5.0, 9.99, 30.0, 3000.0, 8000.0]))
values = st.fixed_dictionaries(
    {
        "language": st.sampled_from(["", "en", "zh"]),
        "dialect": st.sampled_from(["", "scots"]),
        "split": st.sampled_from(Split.values),
        "state": st.sampled_from(Clip.State.values),
        "unfit": st.sampled_from(["", *Unfit.values]),
        "is_fit": st.booleans(),
        "is_current": st.booleans(),
        "flags": st.sampled_from(["", "loop", "loop,silence"]),
        "snr_db": measured,
        "loudness_lufs": measured,
        "bandwidth_hz": measured,
        "confidence": st.one_of(st.none(), st.floats(0, 1)),
        "seconds": st.floats(0.01, 30.0),
        "speaker": st.sampled_from([None, 0, 1]),
    }
)
chosen = st.lists(st.integers(0, 30), min_size=1, max_size=8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.lists(values, min_size=1, max_size=5)),
        st.tuples(st.just("update"), st.tuples(chosen, values)),
        st.tuples(st.just("delete"), chosen),
        st.tuples(st.just("hold"), st.tuples(chosen, st.sampled_from(Reference.Kind.values))),
        st.tuples(st.just("record"), st.floats(1.0, 9_000.0)),
        st.tuples(st.just("fold"), st.none()),
        st.tuples(st.just("roll back"), values),
    ),
    max_size=9,
)


class TalliesHold(HypothesisTestCase):
    """Random writes, one statement or many rows at a time; afterwards the tallies equal a fresh count."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps)
    def test_whatever_is_written(self, todo: list[tuple[str, Any]]) -> None:
        self.collection = a_collection()
        self.recording = a_recording(self.collection, 0)
        self.speakers = [
            Speaker.objects.create(collection=self.collection, name=str(n), split=Split.TRAIN) for n in (0, 1)
        ]
        self.made = 0
        for verb, given_values in todo:
            getattr(self, verb.replace(" ", "_"))(given_values)
        agree()
        tallies.fold()
        agree()
        for model in tallies.TALLIES:
            assert model._default_manager.count() == len(told(model)), "a key is left in several rows"
        before = {model: told(model) for model in tallies.TALLIES}
        tallies.recount()
        assert {model: told(model) for model in tallies.TALLIES} == before

    def clip(self, given_values: dict[str, Any]) -> Clip:
        self.made += 1
        return Clip(
            collection=self.collection,
            recording=self.recording,
            start=self.made,
            **self.with_speaker(given_values),
        )

    def with_speaker(self, given_values: dict[str, Any]) -> dict[str, Any]:
        number = given_values["speaker"]
        return {**given_values, "speaker": None if number is None else self.speakers[number]}

    def some(self, numbers: list[int]) -> list[int]:
        there = list(Clip.objects.order_by("pk").values_list("pk", flat=True))
        return [there[number] for number in set(numbers) if number < len(there)]

    def create(self, rows: list[dict[str, Any]]) -> None:
        Clip.objects.bulk_create(self.clip(one) for one in rows)

    def update(self, wanted: tuple[list[int], dict[str, Any]]) -> None:
        Clip.objects.filter(pk__in=self.some(wanted[0])).update(**self.with_speaker(wanted[1]))

    def delete(self, numbers: list[int]) -> None:
        Clip.objects.filter(pk__in=self.some(numbers)).delete()

    def hold(self, wanted: tuple[list[int], str]) -> None:
        for pk in self.some(wanted[0]):
            held = Reference.objects.filter(clip=pk)
            version = held.count() + 1
            held.filter(is_current=True).update(is_current=False)
            made = Reference.objects.create(clip_id=pk, version=version, kind=wanted[1], text="x")
            Reference.objects.filter(pk=made.pk).update(
                created_at=datetime(2026, 1, 1, 23, 30, tzinfo=UTC) + timedelta(hours=version)
            )

    def record(self, seconds: float) -> None:
        self.made += 1
        a_recording(self.collection, self.made, seconds)

    def fold(self, _none: None) -> None:
        tallies.fold()

    def roll_back(self, one: dict[str, Any]) -> None:
        with transaction.atomic():
            self.create([one])
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_collection_that_is_deleted_leaves_nothing_once_folded() -> None:
    collection = a_collection()
    recording = a_recording(collection, 1)
    clip = Clip.objects.create(
        collection=collection, recording=recording, start=0, seconds=2.5, split="train"
    )
    Reference.objects.create(clip=clip, version=1, text="x", kind="imported")
    assert tallies.total(ClipTally, collection=collection) == (1, 2.5)
    collection.delete()
    agree()
    tallies.fold()
    assert [model._default_manager.count() for model in tallies.TALLIES] == [0] * len(tallies.TALLIES)


@pytest.mark.django_db
def test_copied_rows_count() -> None:
    collection = a_collection()
    recording = a_recording(collection, 1)
    lines = "".join(
        f"{collection.pk}\t{recording.pk}\t{start}\t2\t\t\ttrain\tnew\t2026-01-01\tt\tt\t\t\n"
        for start in range(500)
    )
    columns = (
        "collection_id, recording_id, start, seconds, language, dialect, split, state, created_at, is_current, "
        "is_fit, unfit, flags"
    )
    with connection.cursor() as cursor, cursor.copy(f"COPY corpus_clip ({columns}) FROM STDIN") as copy:
        copy.write(lines)
    agree()
    assert tallies.totals(ClipTally, "split", "state", collection=collection) == [
        ("train", "new", 500, 1000.0)
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("measure", MEASURES)
def test_bins_begin_where_the_database_begins_them(measure: str) -> None:
    collection = a_collection()
    recording = a_recording(collection, 1)
    around = [edge + step for edge in tallies.BINS[measure] for step in (-1e-9, 0.0, 1e-9)]
    for start, value in enumerate([None, *around]):
        given_values = {"seconds": 1.0, measure: value} if measure != "seconds" or value else {"seconds": 1.0}
        Clip.objects.create(
            collection=collection, recording=recording, start=start, split="train", **given_values
        )
    agree()


def in_a_thread(run: Any) -> threading.Thread:
    def closed() -> None:
        try:
            run()
        finally:
            connection.close()

    thread = threading.Thread(target=closed)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_facets_wait_neither_for_each_other_nor_for_the_folding() -> None:
    collection = a_collection()
    recordings = [a_recording(collection, number) for number in range(2)]
    written, may_end = threading.Event(), threading.Event()

    def add(recording: Recording, states: tuple[str, str]) -> None:
        for start, state in enumerate(states):
            Clip.objects.create(
                collection=collection,
                recording=recording,
                start=start,
                seconds=1.0,
                split="train",
                state=state,
            )

    def first() -> None:
        with transaction.atomic():
            add(recordings[0], ("new", "heard"))
            written.set()
            assert may_end.wait(30)

    thread = in_a_thread(first)
    assert written.wait(30)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
        add(recordings[1], ("heard", "new"))  # in the other order: locks would make a deadlock
    tallies.fold()
    assert tallies.total(ClipTally, collection=collection) == (2, 2.0)
    may_end.set()
    thread.join(30)
    assert tallies.total(ClipTally, collection=collection) == (4, 4.0)
    tallies.fold()
    agree()


@pytest.mark.django_db(transaction=True)
def test_only_one_folds_at_a_time() -> None:
    collection = a_collection()
    for number in range(3):
        a_recording(collection, number)
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [tallies.FOLDING])
            held.set()
            assert may_end.wait(30)

    thread = in_a_thread(hold)
    assert held.wait(30)
    assert tallies.fold() == 0
    may_end.set()
    thread.join(30)
    assert tallies.fold() == 2
    agree()


@pytest.mark.django_db(transaction=True)
def test_a_recount_while_another_writes_loses_nothing() -> None:
    collection = a_collection()
    recording = a_recording(collection, 1)
    written, may_end = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Clip.objects.create(collection=collection, recording=recording, start=0, seconds=1.0, split="dev")
            written.set()
            assert may_end.wait(30)

    thread = in_a_thread(write)
    assert written.wait(30)
    ClipTally.objects.create(
        collection=collection, facet=1, number=7, samples=0, is_current=True, is_fit=True
    )
    tallies.recount()
    may_end.set()
    thread.join(30)
    agree()


def test_keys_are_fields() -> None:
    for model in tallies.TALLIES:
        assert issubclass(model, Model)
        assert {*model.KEYS} | {"id", "number", "samples"} == {field.name for field in model._meta.fields}
