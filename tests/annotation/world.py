"""A collection that has been heard, and a job context, for tests of rounds."""

from dataclasses import dataclass, field

import numpy as np

from earmark.corpus.models import Clip, Collection, Recording, Speaker, Split
from earmark.recognition.models import Alias, Hypothesis, HypothesisDetails, ModelVersion


def heard_collection(
    clips: int = 12,
    *,
    slug: str = "heard",
    split: str = Split.TRAIN,
    seconds: float = 2.0,
    text: str = "turn on the light",
) -> Collection:
    """A collection of `clips` clips in recordings of their own by four speakers, heard by its champion."""
    collection, _ = Collection.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
    model, _ = ModelVersion.objects.get_or_create(name="tiny-1", defaults={"source": "nowhere"})
    Alias.objects.get_or_create(collection=collection, name=Alias.Name.CHAMPION, defaults={"model": model})
    speakers = [
        Speaker.objects.get_or_create(
            collection=collection, name=f"{split}-{number}", defaults={"split": split}
        )[0]
        for number in range(4)
    ]
    for number in range(clips):
        speaker = speakers[number % 4]
        clip = make_clip(collection, speaker, number, seconds)
        heard = Hypothesis.objects.create(
            clip=clip, model=model, text=text, confidence=(number + 1) / (clips + 1), flags=[]
        )
        HypothesisDetails.objects.create(hypothesis=heard, embedding=an_embedding(number))
    return collection


def an_embedding(number: int) -> bytes:
    """What an encoder might make of clip `number`: eight numbers, unlike any other clip's."""
    return np.random.default_rng(number).standard_normal(8).astype("<f2").tobytes()


def make_clip(collection: Collection, speaker: Speaker, number: int, seconds: float) -> Clip:
    """One heard clip in a recording of its own."""
    recording = Recording.objects.create(
        collection=collection,
        sha256=f"{speaker.pk:032x}{number:032x}",
        name=f"{speaker.name}/{number}.wav",
        file=f"{number}.wav",
        bytes=1000,
        seconds=seconds,
        rate=16_000,
        channels=1,
        format="WAV",
        speaker=speaker,
        language="en",
    )
    return Clip.objects.create(
        collection=collection,
        recording=recording,
        speaker=speaker,
        start=0.0,
        seconds=seconds,
        language="en",
        dialect="scottish",
        split=speaker.split,
        state=Clip.State.HEARD,
    )


class Killed(BaseException):
    """Stands for kill -9: nothing in the code under test may catch it."""


@dataclass
class TestContext:
    """A job's context that remembers its progress and may be killed at a step of it."""

    __test__ = False

    kill_at: int | None = None
    steps: list[tuple[float, float]] = field(default_factory=list)
    job_id: int = 1
    attempt: int = 1

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.steps.append((done, total))
        if self.kill_at is not None and len(self.steps) >= self.kill_at:
            raise Killed

    def check(self) -> None: ...
