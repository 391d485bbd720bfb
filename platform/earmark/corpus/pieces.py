"""What the clips of a file are to be, as its maker marked them or as they were found: who speaks, what is said."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.corpus.manifest import Row, Utterance
from earmark.speech.audio import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.surveyed import FIRST, MIX, SPLIT, SurveyedClip, SurveyedFile, Wanted

NAMED_LEFT_OUT = 3


@dataclass(frozen=True)
class Asked:
    """What an import asks of every file: which channels to hear, and how to cut."""

    channels: str = MIX
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)


@dataclass(frozen=True)
class Piece:
    """One clip to be; an empty value is the file's."""

    clip: SurveyedClip
    channel: int | None
    speaker: str
    language: str
    text: str


def wanted_of(row: Row, asked: Asked) -> Wanted:
    """How the row's file is to be surveyed. Stretches that its maker marked stand in place of those found."""
    given: dict[int | None, list[Stretch]] | None = None
    if row.utterances:
        given = {}
        for one in _possible(row.utterances):
            given.setdefault(_channel(one, asked), []).append(_stretch(one))
        given = given or {None: []}
    return Wanted(asked.channels, asked.segmentation, given, keep_whole=bool(row.text))


def pieces_of(row: Row, found: SurveyedFile, asked: Asked) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    """The clips of a surveyed file, and in words what the row marked that could not be one."""
    if row.utterances:
        return _marked(row, found, asked)
    is_split = asked.channels == SPLIT and found.channels > 1
    pieces = []
    for track in found.tracks:
        speaker = row.speaker
        if is_split and track.channel is not None:
            speaker = row.speaker_of(track.channel)
        alone = len(found.tracks) == 1 and len(track.clips) == 1
        pieces += [
            Piece(one, track.channel, speaker, row.language, row.text if alone else "") for one in track.clips
        ]
    return tuple(pieces), ()


def _marked(row: Row, found: SurveyedFile, asked: Asked) -> tuple[tuple[Piece, ...], tuple[str, ...]]:
    waiting = {track.channel: iter(track.clips) for track in found.tracks}
    pieces: dict[tuple[int | None, Stretch], Piece] = {}
    left_out = []
    for one in row.utterances:
        if why := _impossible(one):
            left_out.append(f"{one.start:.3f} s: {why}")
            continue
        channel = _channel(one, asked)
        clip = next(waiting[channel])
        if clip.stretch.seconds < MIN_CLIP_SECONDS:
            left_out.append(f"{one.start:.3f} s: the recording ends at {found.duration:.3f} s")
        elif (channel, clip.stretch) in pieces:
            left_out.append(f"{one.start:.3f} s: the same stretch twice")
        else:
            speaker, language = one.speaker or row.speaker, one.language or row.language
            pieces[channel, clip.stretch] = Piece(clip, channel, speaker, language, one.text)
    return tuple(pieces.values()), tuple(left_out)


def _possible(utterances: Sequence[Utterance]) -> list[Utterance]:
    return [one for one in utterances if not _impossible(one)]


def _impossible(one: Utterance) -> str:
    """Why the stretch can be no clip; empty where it may be one."""
    if one.seconds > MAX_CLIP_SECONDS:
        return f"{one.seconds:.3f} s long, and a clip has at most {MAX_CLIP_SECONDS:.0f} s"
    if one.seconds < MIN_CLIP_SECONDS:
        return f"{one.seconds:.3f} s long, and a clip has at least {MIN_CLIP_SECONDS} s"
    return "it starts before the recording" if one.start < 0 else ""


def _channel(one: Utterance, asked: Asked) -> int | None:
    return 0 if one.channel is None and asked.channels == FIRST else one.channel


def _stretch(one: Utterance) -> Stretch:
    start = round(one.start * SAMPLE_RATE)
    return Stretch(start, start + min(round(one.seconds * SAMPLE_RATE), int(MAX_CLIP_SECONDS * SAMPLE_RATE)))


def told(left_out: Sequence[str]) -> str:
    """The first few of what was left out, and how many more there are."""
    named = "; ".join(left_out[:NAMED_LEFT_OUT])
    more = len(left_out) - NAMED_LEFT_OUT
    return f"{named}; and {more} more" if more > 0 else named
