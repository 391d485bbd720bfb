"""What the champion hears in tasks of other people's Label Studio projects, while Label Studio waits.

A clip of the corpus that the champion has heard costs nothing. Everything else is heard by the workers, as when
somebody lets it hear live: a job each, at the front of the queue. The web process only fetches, waits and reads. What
is not ready in time goes on being heard, under a key that follows from model and address: asked again it is there.
"""

import io
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.ml_audio import OurClip, Outside, fetch, place_of
from annotation.ml_backend import Part, Target, address_of
from earmark.accounts.models import User
from earmark.corpus.access import visible_collections
from earmark.corpus.models import Clip, Collection
from earmark.corpus.samples import clip_flac
from earmark.jobs.models import UNFINISHED, Status
from earmark.recognition.live import MODES, forget, listen_to
from earmark.recognition.live_models import Listening
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.speech.engine import AUTO
from earmark.speech.errors import EarmarkError

PATIENCE_SECONDS = 85.0
"""Label Studio waits for 100 s, and other people's audio comes in the middle of that."""
FETCHED_AT_ONCE = 4
ASKED_EVERY_SECONDS = 0.25
PASSING = (
    "annotation:ml:late",
    "annotation:ml:audio-unreachable",
    "corpus:storage:unreachable",
    "jobs:cancelled",
)
"""Faults that may be gone when the task is asked for again."""
_KEYS = uuid.UUID("0a52c0ef-50a5-4a0a-8a1f-0d8f2f2f3d55")


@dataclass
class Sought:
    """One audio to be heard: what is known of it so far. Ends with `parts` or with `fault`."""

    address: str
    clip: Clip | None = None
    outside: Outside | None = None
    key: uuid.UUID | None = None
    parts: tuple[Part, ...] | None = None
    fault: EarmarkError | None = None

    @property
    def is_open(self) -> bool:
        return self.parts is None and self.fault is None


@dataclass
class Hearing:
    """Whose champion hears for whom, until when (on `time.monotonic`)."""

    collection: Collection
    model: ModelVersion
    person: User
    deadline: float
    sleep: Callable[[float], None] = time.sleep
    fetch: Callable[..., IO[bytes]] = field(default=fetch)

    def heard(self, addresses: Sequence[str]) -> dict[str, Sought]:
        """Hear what is at each address; a fault stands where something could not be heard. Raises nothing of theirs."""
        found = {one: self._placed(one) for one in dict.fromkeys(addresses)}
        self._known([one for one in found.values() if one.is_open and one.clip])
        waiting = [one for one in found.values() if one.is_open]
        for one in waiting:
            one.key = uuid.uuid5(
                _KEYS, f"{self.collection.pk} {self.model.pk} {self.person.pk} {one.address}"
            )
        self._start(self._not_begun(waiting))
        self._await(waiting)
        return found

    def _placed(self, address: str) -> Sought:
        """Where the audio is, and whether the person may have it heard."""
        one = Sought(address)
        try:
            if not address:
                raise _no_audio()
            place = place_of(address)
            if isinstance(place, Outside):
                one.outside = place
                return one
            one.clip = self._clip(place)
        except EarmarkError as error:
            one.fault = error
        return one

    def _clip(self, place: OurClip) -> Clip:
        allowed = visible_collections(self.person)
        clip = (
            Clip.objects.select_related("recording").filter(pk=place.clip_id, collection__in=allowed).first()
        )
        if clip is None:
            raise EarmarkError(
                "annotation:ml:not-our-clip",
                _("Clip %(id)s is not there, or of a collection you do not belong to.")
                % {"id": place.clip_id},
                _("Use links to clips of your own collections."),
            )
        return clip

    def _known(self, clips: Sequence[Sought]) -> None:
        """What the model has heard in clips of the corpus before. One query."""
        ids = [one.clip.pk for one in clips if one.clip]
        texts = {each.clip_id: each for each in Hypothesis.objects.filter(clip__in=ids, model=self.model)}
        for one in clips:
            held = texts.get(one.clip.pk) if one.clip else None
            if one.clip and held:
                sure = one.clip.confidence if one.clip.confidence is not None else held.confidence
                one.parts = (Part(0.0, one.clip.seconds, held.text, sure),)

    def _not_begun(self, waiting: Sequence[Sought]) -> list[Sought]:
        """Those nobody is hearing, and has not heard within the hour; what failed before is tried again."""
        rows = Listening.objects.filter(key__in=[one.key for one in waiting]).select_related("job")
        begun = set()
        for row in rows:
            if row.job and row.job.status in (*UNFINISHED, Status.SUCCEEDED):
                begun.add(row.key)
            else:
                forget(row)
        return [one for one in waiting if one.key not in begun]

    def _start(self, waiting: Sequence[Sought]) -> None:
        """Let the workers hear them, each as soon as its audio is here."""
        for one in waiting:
            if one.clip:
                self._listen(one, lambda clip=one.clip: io.BytesIO(clip_flac(clip)))  # type: ignore[misc]
        outside = [one for one in waiting if one.outside]
        if not outside:
            return
        with ThreadPoolExecutor(FETCHED_AT_ONCE, thread_name_prefix="ml-audio") as pool:
            coming = [(one, pool.submit(self.fetch, one.outside, deadline=self.deadline)) for one in outside]
            for one, file in coming:
                self._listen(one, file.result)

    def _listen(self, one: Sought, audio: Callable[[], IO[bytes]]) -> None:
        assert one.key
        language = one.clip.language if one.clip and one.clip.language in MODES else AUTO
        try:
            with audio() as file, transaction.atomic():
                listen_to(
                    key=one.key, model=self.model, collection=self.collection, by=self.person, audio=file,
                    size=file.seek(0, io.SEEK_END) - file.seek(0), name=one.address.partition("?")[0],
                    language=language,
                )  # fmt: skip
        except EarmarkError as error:
            one.fault = error
        except IntegrityError:
            return  # somebody else asked for the same meanwhile: theirs is waited for

    def _await(self, waiting: Sequence[Sought]) -> None:
        while pending := [one for one in waiting if one.is_open]:
            self._read(pending)
            if not any(one.is_open for one in pending):
                return
            if time.monotonic() >= self.deadline:
                for one in pending:
                    one.fault = one.fault or (None if one.parts is not None else _late(one.address))
                return
            self.sleep(ASKED_EVERY_SECONDS)

    def _read(self, pending: Sequence[Sought]) -> None:
        rows = Listening.objects.filter(key__in=[one.key for one in pending]).select_related("job")
        by_key = {row.key: row for row in rows.prefetch_related("heard")}
        for one in pending:
            row = by_key.get(one.key) if one.key else None
            if row is None or row.job is None:
                one.fault = _late(one.address)
            elif row.job.status == Status.SUCCEEDED:
                one.parts = tuple(_part(each.start, each.seconds, each.said) for each in row.heard.all())
            elif row.job.status not in UNFINISHED:
                one.fault = EarmarkError(row.job.error_id or "jobs:cancelled", row.job.error)


def _part(start: float, seconds: float, said: Mapping[str, Any]) -> Part:
    return Part(start, seconds, str(said.get("text", "")), said.get("confidence"))


def addresses_in(tasks: Sequence[Mapping[str, Any]], targets: Sequence[Target]) -> list[str]:
    """Every audio of the tasks, once."""
    return list(dict.fromkeys(address_of(task, target) for task in tasks for target in targets))


def _late(address: str) -> EarmarkError:
    return EarmarkError(
        "annotation:ml:late",
        _("%(url)s was not heard in time.") % {"url": address.partition("?")[0][:200]},
        _("Open the task again: it is heard meanwhile. If that stays so, start more workers."),
    )


def _no_audio() -> EarmarkError:
    return EarmarkError(
        "annotation:ml:no-audio",
        _("The task's data has no address where the labelling configuration looks for the audio."),
        _("Check the names in the labelling configuration against the task's data."),
    )
