"""The samples of a job's clips: decoded once and kept while they fit, else decoded when asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from earmark.speech.audio import MIN_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.audio_faults import TRUNCATED
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import Decoder
from earmark.speech.errors import EarmarkError
from training_jobs.recipe.manifest import ClipEntry

_BYTES_PER_SECOND = SAMPLE_RATE * 4
_END_TOLERANCE = 0.1
"""Seconds by which a file may end before its clip does: containers round their durations."""


class ClipAudio:
    """Gives the samples of a clip, float32 [n] at 16 kHz. Use it in a `with` block."""

    def __init__(self, root: Path, cache_mb: int) -> None:
        self._root = root
        self._limit = cache_mb * 2**20
        self._kept: dict[tuple[str, float, float], np.ndarray] = {}
        self._decoder = Decoder()

    def __enter__(self) -> "ClipAudio":
        self._decoder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoder.__exit__(kind, value, trace)

    def path(self, entry: ClipEntry) -> Path:
        return self._root / entry.audio

    def check(self, entries: Sequence[ClipEntry]) -> None:
        """Raises EarmarkError `training:data:missing-audio` naming the clips whose file is not there."""
        missing = [entry for entry in entries if not self.path(entry).is_file()]
        if missing:
            named = ", ".join(f"{entry.id!r} ({self.path(entry)})" for entry in missing[:3])
            raise EarmarkError(
                "training:data:missing-audio",
                f"{len(missing)} of {len(entries)} clips have no audio file, first {named}.",
                "Put the files where the manifests say, or write the job folder again.",
            )

    def keep(self, entries: Sequence[ClipEntry], report: Callable[[int], None]) -> None:
        """Decode `entries` file by file until the cache is full; `report` gets the number kept."""
        by_file: dict[Path, list[ClipEntry]] = {}
        for entry in entries:
            by_file.setdefault(self.path(entry), []).append(entry)
        used = 0
        for path, clips in by_file.items():
            size = round(sum(clip.seconds for clip in clips) * _BYTES_PER_SECOND)
            if used + size > self._limit:
                continue
            used += size
            for clip, samples in self._read(path, clips):
                self._kept[_key(clip)] = samples
            report(len(self._kept))

    def __call__(self, entry: ClipEntry) -> np.ndarray:
        """The clip's samples.

        Raises EarmarkError `training:data:clip-end` where the file ends before the clip, or the decoder's own
        errors.
        """
        kept = self._kept.get(_key(entry))
        if kept is not None:
            return kept
        ((_, samples),) = self._read(self.path(entry), [entry])
        return samples

    def _read(self, path: Path, clips: Sequence[ClipEntry]) -> list[tuple[ClipEntry, np.ndarray]]:
        """Cut clips out of one file in one pass: no more of a long recording is held than they are.

        Where a clip ends behind the file by no more than containers round, all of the file is read instead.
        """
        ordered = sorted(clips, key=lambda clip: _stretch(clip).start)
        try:
            cuts = list(self._decoder.stretches(path, [_stretch(clip) for clip in ordered]))
        except EarmarkError as error:
            if error.error_id != TRUNCATED:
                raise
            samples = self._decoder.decode(path).samples
            cuts = [samples[_stretch(clip).start : _stretch(clip).end] for clip in ordered]
        return [(clip, _checked(cut, clip)) for clip, cut in zip(ordered, cuts, strict=True)]


def _key(entry: ClipEntry) -> tuple[str, float, float]:
    return entry.audio, entry.start, entry.seconds


def _stretch(entry: ClipEntry) -> Stretch:
    return Stretch(round(entry.start * SAMPLE_RATE), round((entry.start + entry.seconds) * SAMPLE_RATE))


def _checked(cut: np.ndarray, entry: ClipEntry) -> np.ndarray:
    wanted = _stretch(entry)
    short = (wanted.end - wanted.start - len(cut)) / SAMPLE_RATE
    if short > _END_TOLERANCE or len(cut) < round(MIN_CLIP_SECONDS * SAMPLE_RATE):
        raise EarmarkError(
            "training:data:clip-end",
            f"Clip {entry.id!r} ends at {entry.start + entry.seconds:.2f} s, {short:.2f} s behind the end of its file "
            f"{entry.audio}.",
            "Segment the recording again.",
        )
    return cut.astype(np.float32, copy=True)
