"""Clips show how sure the champion is of them, whoever hears and whoever becomes champion."""

import threading

import pytest
from django.db import connection, transaction

from earmark.corpus.models import Clip, Collection
from earmark.jobs.models import Job
from earmark.recognition import champion_shown
from earmark.recognition.champion_shown import follow_champion, show_on_clips
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.recognition.registry import set_alias
from earmark.recognition.transcription import transcribe
from tests.recognition.world import Listener, Progress, make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db


def shown(collection: Collection) -> list[tuple[float | None, str]]:
    return list(Clip.objects.filter(collection=collection).order_by("pk").values_list("confidence", "flags"))


def hear(clips: list[Clip], model: ModelVersion, confidence: float, *flags: str) -> None:
    Hypothesis.objects.bulk_create(
        Hypothesis(clip=clip, model=model, text="x", confidence=confidence, flags=list(flags))
        for clip in clips
    )


def champion_of(collection: Collection) -> ModelVersion:
    model = make_model()
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=model)
    return model


def test_hearing_shows_the_champion_and_no_other_model() -> None:
    collection = make_collection()
    clip = make_clip(collection, 300)
    champion, other = champion_of(collection), make_model()
    transcribe(Progress(), clips=collection.clips.all(), model=other, engine=Listener())
    assert shown(collection) == [(None, "")]
    transcribe(Progress(), clips=collection.clips.all(), model=champion, engine=Listener())
    heard = Hypothesis.objects.get(clip=clip, model=champion)
    assert shown(collection) == [(heard.confidence, ",".join(heard.flags))]


def test_a_model_is_shown_only_where_it_is_champion() -> None:
    here, there = make_collection(), make_collection()
    clips = [make_clip(here, 301), make_clip(there, 302)]
    model = champion_of(here)
    hear(clips, model, 0.5, "loop", "silence")
    show_on_clips(model, [clip.pk for clip in clips])
    assert shown(here) == [(0.5, "loop,silence")]
    assert shown(there) == [(None, "")]


def test_another_champion_is_followed_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion_shown, "WINDOW", 2)
    collection, other = make_collection(), make_collection()
    clips = []
    for number in range(5):
        clips.append(make_clip(collection, 310 + number))
        make_clip(other, 320 + number)
    first = champion_of(collection)
    hear(clips, first, 0.9)
    assert follow_champion(collection) == 5
    assert follow_champion(collection) == 0
    second = make_model()
    hear(clips[1:], second, 0.4, "loop")
    Alias.objects.update(model=second)
    context = Progress()
    assert follow_champion(collection, context) == 5
    assert shown(collection) == [(None, ""), *[(0.4, "loop")] * 4]
    assert shown(other) == [(None, "")] * 5
    assert context.reports[-1][0] == context.reports[-1][1]


def test_without_a_champion_nothing_is_shown() -> None:
    collection = make_collection()
    hear([make_clip(collection, 330)], champion_of(collection), 0.9)
    follow_champion(collection)
    Alias.objects.all().delete()
    assert follow_champion(collection) == 1
    assert shown(collection) == [(None, "")]
    assert follow_champion(make_collection()) == 0


def test_every_change_of_champion_is_followed_by_a_job_of_its_own() -> None:
    collection, models = make_collection(), [make_model(), make_model()]
    make_clip(collection, 340)
    for model in (*models, models[1], models[0]):
        set_alias(collection=collection, name="champion", model=model, by=None)
    set_alias(collection=collection, name="challenger", model=models[1], by=None)
    assert Job.objects.filter(kind="champion.follow", scope=collection.scope).count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["heard", "followed"])
def test_a_change_of_champion_waits_for_the_batch_that_shows_the_old_one(way: str) -> None:
    collection = make_collection()
    clip = make_clip(collection, 350)
    old, new = champion_of(collection), make_model()
    hear([clip], old, 0.9)
    held, may_end, changed = threading.Event(), threading.Event(), threading.Event()

    def batch() -> None:
        with transaction.atomic():
            show_on_clips(old, [clip.pk]) if way == "heard" else follow_champion(collection)
            held.set()
            may_end.wait(30)
        connection.close()

    def change() -> None:
        Alias.objects.filter(collection=collection).update(model=new)
        changed.set()
        connection.close()

    threads = [threading.Thread(target=batch)]
    threads[0].start()
    assert held.wait(30)
    threads.append(threading.Thread(target=change))
    threads[1].start()
    assert not changed.wait(0.3)
    may_end.set()
    assert changed.wait(30)
    for thread in threads:
        thread.join(30)
    follow_champion(collection)
    assert shown(collection) == [(None, "")]
