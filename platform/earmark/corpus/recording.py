"""Write down what became of a handful of files, all in one transaction or not at all."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count

from earmark.corpus.arrivals import Arrival, Kept, Refused, shown
from earmark.corpus.manifest import LONGEST_NAME, Row
from earmark.corpus.models import (
    Clip,
    Collection,
    Import,
    ImportFile,
    Recording,
    Reference,
    Speaker,
)
from earmark.corpus.splits import next_split, split_by_content


@transaction.atomic
def record(made: Import, arrivals: Sequence[Arrival]) -> None:
    """Add recordings, clips, speakers, imported references and each file's outcome.

    Writers of one collection take turns, and look again at what is there: a file has one outcome per import, content
    one recording per collection, a name one speaker, whoever else writes at the same moment.
    """
    collection = Collection.objects.select_for_update(no_key=True).get(pk=made.collection_id)
    paths = [brief(shown(arrival.row.path)) for arrival in arrivals]
    recorded = set(made.files.filter(path__in=paths).values_list("path", flat=True))
    left = [one for path, one in zip(paths, arrivals, strict=True) if path not in recorded]
    recordings = _recordings_by_content(collection, left)
    new: dict[str, Kept] = {}
    for one in left:
        if isinstance(one, Kept) and one.sha256 not in recordings:
            new.setdefault(one.sha256, one)
    speakers = _speakers(collection, [one.row for one in new.values()])
    recordings |= _add(made, collection, list(new.values()), speakers)
    remarks = {one.row.path: _remark(one, speakers) for one in new.values()}
    ImportFile.objects.bulk_create(_outcome(made, one, recordings, remarks) for one in left)


def brief(path: str) -> str:
    """`path`, with the end of one that is too long for its column replaced by a hash of the whole."""
    if len(path) <= LONGEST_NAME:
        return path
    return f"{path[: LONGEST_NAME - 20]}…{hashlib.sha256(path.encode()).hexdigest()[:19]}"


def _recordings_by_content(collection: Collection, arrivals: Sequence[Arrival]) -> dict[str, Recording]:
    digests = [one.sha256 for one in arrivals if not isinstance(one, Refused)]
    found = Recording.objects.filter(collection=collection, sha256__in=digests)
    return {one.sha256: one for one in found}


def _speakers(collection: Collection, rows: Sequence[Row]) -> dict[str, Speaker]:
    """The speakers of `rows` by name; a new one is given a side, the manifest's word counting this once."""
    first = {row.speaker: row for row in reversed(rows) if row.speaker}
    known = {one.name: one for one in Speaker.objects.filter(collection=collection, name__in=first)}
    names = [name for name in dict.fromkeys(row.speaker for row in rows) if name and name not in known]
    if not names:
        return known
    alike, everywhere = _sides(collection)
    fresh = []
    for name in names:
        row = first[name]
        kin = alike.setdefault((row.language, row.dialect), Counter())
        split = row.split or next_split(name, alike=kin, everywhere=everywhere)
        kin[split] += 1
        everywhere[split] += 1
        fresh.append(
            Speaker(collection=collection, name=name, language=row.language, dialect=row.dialect, split=split)
        )
    return known | {one.name: one for one in Speaker.objects.bulk_create(fresh)}


def _sides(collection: Collection) -> tuple[dict[tuple[str, str], Counter[str]], Counter[str]]:
    """How many speakers each side holds: of each language and dialect, and of all."""
    alike: dict[tuple[str, str], Counter[str]] = {}
    everywhere: Counter[str] = Counter()
    counted = Speaker.objects.filter(collection=collection).values_list("language", "dialect", "split")
    for language, dialect, split, count in counted.annotate(count=Count("pk")):
        alike.setdefault((language, dialect), Counter())[split] += count
        everywhere[split] += count
    return alike, everywhere


def _add(
    made: Import, collection: Collection, kept: Sequence[Kept], speakers: dict[str, Speaker]
) -> dict[str, Recording]:
    recordings = Recording.objects.bulk_create(
        Recording(
            collection=collection,
            sha256=one.sha256,
            name=brief(shown(one.row.path)),
            file=one.name,
            bytes=one.bytes,
            seconds=one.probed.duration,
            rate=one.probed.rate,
            channels=one.probed.channels,
            format=one.probed.format,
            speaker=speakers.get(one.row.speaker),
            language=one.row.language or _of(speakers, one.row, "language"),
            dialect=one.row.dialect or _of(speakers, one.row, "dialect"),
            licence=one.row.licence,
        )
        for one in kept
    )
    clips = Clip.objects.bulk_create(
        clip for one, recording in zip(kept, recordings, strict=True) for clip in _clips(one, recording)
    )
    texts = {one.sha256: one.row.text for one in kept if _has_place_for_text(one)}
    author = made.created_by.get_username() if made.created_by else ""
    Reference.objects.bulk_create(
        Reference(clip=clip, version=1, text=text, kind=Reference.Kind.IMPORTED, author=author)
        for clip in clips
        if (text := texts.get(clip.recording.sha256))
    )
    return {one.sha256: one for one in recordings}


def _of(speakers: dict[str, Speaker], row: Row, name: str) -> str:
    return str(getattr(speakers.get(row.speaker), name, ""))


def _has_place_for_text(one: Kept) -> bool:
    """A text belongs to a clip when the recording is one clip; where it lies in a longer one nobody says."""
    return bool(one.row.text) and len(one.stretches) == 1


def _clips(one: Kept, recording: Recording) -> list[Clip]:
    of_its_own = one.row.split or split_by_content(one.sha256)
    split = recording.speaker.split if recording.speaker else of_its_own
    return [
        Clip(
            collection=recording.collection,
            recording=recording,
            speaker=recording.speaker,
            start=stretch.start_seconds,
            seconds=stretch.seconds,
            language=recording.language,
            dialect=recording.dialect,
            split=split,
            state=Clip.State.LABELLED if _has_place_for_text(one) else Clip.State.NEW,
        )
        for stretch in one.stretches
    ]


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
    """What the manifest said of a file that was brought in but could not be done: an error id and its text."""
    speaker = speakers.get(one.row.speaker)
    if speaker and one.row.split and one.row.split != speaker.split:
        return "corpus:manifest:split-kept", (
            f"The manifest puts speaker {speaker.name!r} on the side {one.row.split!r}; "
            f"they stay on {speaker.split!r}, where they were put when first met."
        )
    if one.row.text and not _has_place_for_text(one):
        return "corpus:manifest:text-unplaced", (
            f"The text was not taken: the recording was cut into {len(one.stretches)} clips, and nothing says which "
            "part belongs to which. Cut the file yourself, one text to each piece of at most 30 s."
        )
    return "", ""
