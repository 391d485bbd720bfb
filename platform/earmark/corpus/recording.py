"""Write down what became of a handful of files, all in one transaction or not at all."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from earmark.corpus import near_duplicates, stored
from earmark.corpus.arrivals import Arrival, Kept, Refused, shown
from earmark.corpus.gate import Gate, gate_of
from earmark.corpus.manifest import LONGEST_NAME
from earmark.corpus.models import (
    Clip,
    Collection,
    Import,
    ImportFile,
    Recording,
    Reference,
    Segmentation,
    Speaker,
    Unfit,
)
from earmark.corpus.pieces import Asked, Piece, told
from earmark.corpus.segmentations import generation_of
from earmark.corpus.splits import split_by_content
from earmark.corpus.voices import voices_of
from earmark.speech.errors import EarmarkError
from earmark.speech.surveyed import SurveyedClip

CLIPS_AT_ONCE = 500


@transaction.atomic
def record(made: Import, arrivals: Sequence[Arrival], asked: Asked) -> None:
    """Add recordings, clips, speakers, imported references and each file's outcome.

    Writers of one collection take turns, and look again at what is there: a file has one outcome per import, content
    one recording per collection, a name one speaker, whoever else writes at the same moment. What an undo took away
    meanwhile is a failed file. Raises EarmarkError `corpus:import:undone`.
    """
    collection = Collection.objects.select_for_update(no_key=True).get(pk=made.collection_id)
    refuse_undone(Import.objects.select_for_update(no_key=True).get(pk=made.pk))
    paths = [brief(shown(arrival.row.path)) for arrival in arrivals]
    recorded = set(made.files.filter(path__in=paths).values_list("path", flat=True))
    left = [one for path, one in zip(paths, arrivals, strict=True) if path not in recorded]
    recordings = _recordings_by_content(collection, left)
    left = _still_there(left, set(recordings))
    new: dict[str, Kept] = {}
    for one in left:
        if isinstance(one, Kept) and one.sha256 not in recordings:
            new.setdefault(one.sha256, one)
    speakers = voices_of(collection, list(new.values()))
    recordings |= _add(made, collection, list(new.values()), speakers, asked)
    remarks = {one.row.path: _remark(one, speakers) for one in new.values()}
    ImportFile.objects.bulk_create(_outcome(made, one, recordings, remarks) for one in left)


def refuse_undone(made: Import) -> None:
    """Raise EarmarkError `corpus:import:undone` for an import that was undone."""
    if made.undone_at is not None:
        raise EarmarkError(
            "corpus:import:undone",
            _("Import %(id)s was undone.") % {"id": made.pk},
            _("Import the folder again."),
        )


def hold_content(sha256: str) -> None:
    """Until the transaction ends, nobody else records or forgets these bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(sha256[:15], 16)])


def _still_there(arrivals: Sequence[Arrival], recorded: set[str]) -> list[Arrival]:
    """`arrivals`, where what an undo took away meanwhile is refused. `recorded` are the contents that are."""
    there = set(recorded)
    new = {one.sha256: one for one in arrivals if isinstance(one, Kept) and one.sha256 not in recorded}
    for _digest, one in sorted(new.items()):
        if one.was_there:
            hold_content(one.sha256)
        if not one.was_there or stored.size(one.name) is not None:
            there.add(one.sha256)
    return [
        one if isinstance(one, Refused) or one.sha256 in there else Refused(one.row, _overtaken(one.row.path))
        for one in arrivals
    ]


def _overtaken(path: str) -> EarmarkError:
    return EarmarkError(
        "corpus:import:overtaken",
        _("%(path)s was here already, and an undo took it away as it came in.") % {"path": repr(shown(path))},
        _("Try the failed files of the import again."),
    )


def brief(path: str) -> str:
    """`path`, with the end of one that is too long for its column replaced by a hash of the whole."""
    if len(path) <= LONGEST_NAME:
        return path
    return f"{path[: LONGEST_NAME - 20]}…{hashlib.sha256(path.encode()).hexdigest()[:19]}"


def _recordings_by_content(collection: Collection, arrivals: Sequence[Arrival]) -> dict[str, Recording]:
    digests = [one.sha256 for one in arrivals if not isinstance(one, Refused)]
    found = Recording.objects.filter(collection=collection, sha256__in=digests)
    return {one.sha256: one for one in found}


def _add(
    made: Import,
    collection: Collection,
    kept: Sequence[Kept],
    speakers: dict[str, Speaker],
    asked: Asked,
) -> dict[str, Recording]:
    if not kept:
        return {}
    gate = gate_of(collection)
    found = generation_of(collection, Segmentation.Method.VOICE, asked.segmentation.to_json())
    given = generation_of(collection, Segmentation.Method.GIVEN, {}) if _any_given(kept) else found
    recordings = Recording.objects.bulk_create(
        _recording(collection, one, speakers, given if one.row.utterances else found) for one in kept
    )
    clips, hashes, texts = [], [], []
    for one, recording in zip(kept, recordings, strict=True):
        side = _side_of(one, speakers)
        for piece in one.pieces:
            clips.append(new_clip(recording, piece, speakers.get(piece.speaker), side, gate))
            hashes.append(piece.clip.hashes)
            texts.append(piece.text)
    Clip.objects.bulk_create(clips, batch_size=CLIPS_AT_ONCE)
    near_duplicates.fingerprint(list(zip(clips, hashes, strict=True)))
    author = made.created_by.get_username() if made.created_by else ""
    Reference.objects.bulk_create(
        Reference(clip=clip, version=1, text=text, kind=Reference.Kind.IMPORTED, author=author)
        for clip, text in zip(clips, texts, strict=True)
        if text
    )
    return {one.sha256: one for one in recordings}


def _any_given(kept: Sequence[Kept]) -> bool:
    return any(one.row.utterances for one in kept)


def _recording(
    collection: Collection, one: Kept, speakers: dict[str, Speaker], segmentation: Segmentation
) -> Recording:
    names = {piece.speaker for piece in one.pieces} or {one.row.speaker}
    speaker = speakers.get(next(iter(names))) if len(names) == 1 else None
    return Recording(
        collection=collection,
        sha256=one.sha256,
        name=brief(shown(one.row.path)),
        file=one.name,
        bytes=one.bytes,
        seconds=one.found.duration,
        rate=one.found.rate,
        channels=one.found.channels,
        format=one.found.format,
        speaker=speaker,
        language=one.row.language or (speaker.language if speaker else ""),
        dialect=one.row.dialect or (speaker.dialect if speaker else ""),
        licence=one.row.licence,
        segmentation=segmentation,
    )


def _side_of(one: Kept, speakers: dict[str, Speaker]) -> str:
    """The side of a recording: its first speaker's; where nobody is named, the manifest's or a draw."""
    named = (speakers[piece.speaker] for piece in one.pieces if piece.speaker in speakers)
    first = next(named, None)
    return first.split if first else one.row.split or split_by_content(one.sha256)


def new_clip(recording: Recording, piece: Piece, speaker: Speaker | None, side: str, gate: Gate) -> Clip:
    """The row of a clip to be. A speaker of another side than the recording's makes it unfit: one sound, two sides."""
    is_torn = speaker is not None and speaker.split != side
    unfit = Unfit.TORN.value if is_torn else gate.verdict(piece.clip.quality)
    return Clip(
        collection_id=recording.collection_id,
        recording=recording,
        speaker=speaker,
        channel=piece.channel,
        language=piece.language or recording.language or (speaker.language if speaker else ""),
        dialect=recording.dialect or (speaker.dialect if speaker else ""),
        split=speaker.split if speaker else side,
        state=Clip.State.LABELLED if piece.text else Clip.State.NEW,
        segmentation=recording.segmentation,
        unfit=unfit,
        is_fit=not unfit,
        **measures(piece.clip),
    )


def measures(surveyed: SurveyedClip) -> dict[str, Any]:
    """Where a clip lies and how good it is, as columns."""
    return {
        "start": surveyed.stretch.start_seconds,
        "seconds": surveyed.stretch.seconds,
        **vars(surveyed.quality),
    }


def _outcome(
    made: Import, arrival: Arrival, recordings: dict[str, Recording], remarks: dict[str, tuple[str, str]]
) -> ImportFile:
    line = ImportFile(of=made, path=brief(shown(arrival.row.path)))
    if isinstance(arrival, Refused):
        line.outcome = ImportFile.Outcome.FAILED
        line.error_id, line.error = arrival.error.error_id, str(arrival.error)
    else:
        line.outcome = ImportFile.Outcome.DUPLICATE
        line.recording = recordings.get(arrival.sha256)
        if arrival.row.path in remarks:
            line.outcome = ImportFile.Outcome.INGESTED
            line.error_id, line.error = remarks[arrival.row.path]
    return line


def _remark(one: Kept, speakers: dict[str, Speaker]) -> tuple[str, str]:
    """What was said of a file that was brought in but could not be done: an error id and its text."""
    speaker = speakers.get(one.row.speaker)
    if speaker and one.row.split and one.row.split != speaker.split:
        return "corpus:manifest:split-kept", (
            f"The manifest puts speaker {speaker.name!r} on the side {one.row.split!r}; "
            f"they stay on {speaker.split!r}, where they were put when first met."
        )
    if one.left_out:
        return "corpus:layout:left-out", (
            f"{len(one.left_out)} of {len(one.row.utterances)} marked stretches are no clips: {told(one.left_out)}. "
            "Mark stretches of 0.1 to 30 s inside the recording."
        )
    if one.row.text and not any(piece.text for piece in one.pieces):
        return "corpus:manifest:text-unplaced", (
            f"The text was not taken: the recording was cut into {len(one.pieces)} clips, and nothing says which "
            "part belongs to which. Cut the file yourself, one text to each piece of at most 30 s."
        )
    if not one.pieces:
        return "corpus:segmentation:no-speech", (
            f"Nobody speaks in its {one.found.duration:.1f} s, so it has no clips. "
            "Check that it is the file you meant, or cut it again with a lower threshold."
        )
    return "", ""
