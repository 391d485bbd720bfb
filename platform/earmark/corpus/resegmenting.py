"""Cut a collection's recordings again, with other settings: a new generation of clips.

Clips that a person is at or that have a text stay as they are, and the new generation covers the rest. Every other clip
that is not cut alike is kept with what hangs on it, but is current no longer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import near_duplicates, stored
from earmark.corpus.gate import Gate, gate_of
from earmark.corpus.models import (
    Clip,
    Collection,
    Import,
    ImportFile,
    Recording,
    Reference,
    Segmentation,
    Speaker,
)
from earmark.corpus.pieces import Piece
from earmark.corpus.recording import measures, new_clip
from earmark.corpus.samples import stretch_of
from earmark.corpus.segmentations import newest_found, next_generation
from earmark.corpus.splits import split_by_content
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import Decoder
from earmark.speech.errors import EarmarkError
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.surveyed import FIRST, MIX, SPLIT, SurveyedFile, Wanted

RECORDINGS_AT_ONCE = 16


@transaction.atomic
def resegment(
    *, collection: Collection, settings: SegmentationSettings, by: User | None
) -> tuple[Segmentation, Job]:
    """Ask for the recordings of the collection to be cut with `settings`, those with given stretches left out."""
    held = Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    made = next_generation(held, Segmentation.Method.VOICE, settings.to_json())
    audit(by, "cut again", f"collection {held.slug}", generation=made.generation, **settings.to_json())
    key = f"corpus.resegment:{made.pk}"
    return made, submit("corpus.resegment", scope=held.scope, key=key, by=by, segmentation_id=made.pk)


def cut_up_to_date(made: Import) -> None:
    """Ask for what an import brought in to be cut again, if a newer generation was asked for while it ran."""
    newest = newest_found(made.collection)
    if newest is None:
        return
    ours = ImportFile.objects.filter(of=made, outcome=ImportFile.Outcome.INGESTED)
    if _waiting(newest).filter(pk__in=ours.values("recording_id")).exists():
        key = f"corpus.resegment:{newest.pk}:import:{made.pk}"
        submit("corpus.resegment", scope=made.collection.scope, key=key, segmentation_id=newest.pk)


def run_resegment(context: Context, *, segmentation_id: int) -> dict[str, Any]:
    """Cut what is not of this generation yet; a recording that cannot be read keeps its clips, and is named."""
    made = Segmentation.objects.select_related("collection").get(pk=segmentation_id)
    settings = SegmentationSettings.from_json(made.parameters)
    waiting = _waiting(made)
    total, done, last = waiting.count(), 0, 0
    unreadable: dict[str, str] = {}
    with Decoder(surveys=True) as decoder:
        while some := list(waiting.filter(pk__gt=last).order_by("pk")[:RECORDINGS_AT_ONCE]):
            for recording in some:
                try:
                    while not _cut_again(recording, made, settings, decoder):
                        context.check()
                except EarmarkError as error:
                    if not error.error_id.startswith("corpus:audio:"):
                        raise
                    if Recording.objects.filter(pk=recording.pk).exists():
                        unreadable[recording.name] = error.error_id
                done, last = done + 1, recording.pk
                context.progress(done, total, recording.name)
    return {"recordings": done - len(unreadable), "unreadable": unreadable}


def _waiting(made: Segmentation) -> QuerySet[Recording]:
    newer = Q(segmentation__generation__gte=made.generation)
    given = Q(segmentation__method=Segmentation.Method.GIVEN)
    return Recording.objects.filter(collection=made.collection).exclude(newer | given)


def _cut_again(
    recording: Recording, made: Segmentation, settings: SegmentationSettings, decoder: Decoder
) -> bool:
    """Cut it around the clips that stay; False when others stay by the time it is cut."""
    channels = set(recording.clips.values_list("channel", flat=True))
    wanted = Wanted(_channels_asked(channels), settings)
    before = _spans(_held(recording, None))
    with stored.local(recording.file.name or "") as path:
        found = decoder.survey(path, wanted, name=recording.name)
        around = {channel: _spans(_held(recording, channel)) for channel in channels | {None}}
        if any(around.values()):
            left = {
                track.channel: outside(
                    [clip.stretch for clip in track.clips], around.get(track.channel, []), settings.shortest
                )
                for track in found.tracks
            }
            found = decoder.survey(path, Wanted(wanted.channels, settings, left), name=recording.name)
    return _apply(recording, made, found, before)


def _channels_asked(channels: set[int | None]) -> str:
    told = channels - {None}
    if not told:
        return MIX
    return FIRST if told == {0} else SPLIT


def _held(recording: Recording, channel: int | None) -> QuerySet[Clip]:
    """Clips that a person is at or that have a text, and can be heard on `channel`."""
    has_text = Exists(Reference.objects.filter(clip=OuterRef("pk"), is_current=True))
    of_channel = Q() if channel is None else Q(channel=channel) | Q(channel=None)
    return recording.clips.filter(of_channel, Q(has_text) | Q(state=Clip.State.IN_ROUND), is_current=True)


def _spans(clips: Iterable[Clip]) -> list[Stretch]:
    return sorted((stretch_of(clip) for clip in clips), key=lambda one: (one.start, one.end))


def outside(stretches: Sequence[Stretch], around: Sequence[Stretch], shortest: float) -> list[Stretch]:
    """What of `stretches` lies outside `around`, in pieces of at least `shortest` seconds; both sorted by start."""
    pieces = []
    for one in stretches:
        start = one.start
        for held in around:
            if held.end <= start or held.start >= one.end:
                continue
            pieces.append(Stretch(start, held.start))
            start = max(start, held.end)
        pieces.append(Stretch(start, one.end))
    return [piece for piece in pieces if piece.end - piece.start >= shortest * SAMPLE_RATE]


@dataclass(frozen=True)
class _Place:
    """What tells one clip of a recording from another."""

    channel: int | None
    stretch: Stretch


@transaction.atomic
def _apply(recording: Recording, made: Segmentation, found: SurveyedFile, around: Sequence[Stretch]) -> bool:
    """Make the clips of the recording those of the new generation; False, and nothing is done, when other clips than
    those `around` which it was cut are to stay.

    Writers of one collection take turns. A recording that is gone, or was cut by a newer generation, is left alone.
    """
    collection = Collection.objects.select_for_update(no_key=True).get(pk=made.collection_id)
    left = _waiting(made).select_for_update(no_key=True, of=("self",))
    held = left.filter(pk=recording.pk).select_related("speaker").first()
    if held is None:
        return True
    locked = held.clips.select_for_update(no_key=True, of=("self",)).select_related("speaker").order_by("pk")
    before = {_Place(clip.channel, stretch_of(clip)): clip for clip in locked}
    staying = list(_held(held, None))
    if _spans(staying) != list(around):
        return False
    kept = {clip.pk for clip in staying}
    speakers = {clip.channel: clip.speaker for clip in before.values()}
    side = next((clip.split for clip in before.values()), "")
    gate = gate_of(collection)
    held.segmentation = made
    held.save(update_fields=["segmentation"])
    now, fresh = set(kept), []
    for track in found.tracks:
        for clip in track.clips:
            old = before.get(_Place(track.channel, clip.stretch))
            if old is None:
                piece = Piece(clip, track.channel, "", "", "")
                fresh.append(
                    (_new(held, piece, speakers.get(track.channel) or held.speaker, side, gate), clip.hashes)
                )
            elif old.pk not in kept:
                Clip.objects.filter(pk=old.pk).update(is_current=True, segmentation=made, **measures(clip))
                now.add(old.pk)
    held.clips.filter(is_current=True).exclude(pk__in=now).update(is_current=False)
    Clip.objects.bulk_create(clip for clip, _ in fresh)
    near_duplicates.fingerprint(fresh)
    return True


def _new(recording: Recording, piece: Piece, speaker: Speaker | None, side: str, gate: Gate) -> Clip:
    own = side or (speaker.split if speaker else split_by_content(recording.sha256))
    return new_clip(recording, piece, speaker, own, gate)
