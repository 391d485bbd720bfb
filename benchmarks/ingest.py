"""How fast audio comes in, against how fast it can be decoded at all: `python -m benchmarks.ingest [--quick]`.

Recordings of talk with pauses, 16 kHz FLAC, are brought in by the very function the platform calls: hashing, decoding,
voice activity, segmentation, quality, fingerprints, copies in the storage and rows in PostgreSQL. In the same run the
same files are only decoded, and each part of the survey is timed by itself on the same samples, on one core.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile

from benchmarks.made_speech import conversation
from benchmarks.reporting import Report, arguments, publish, seconds_of
from benchmarks.stack import platform
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.clipping import ClippingMeter
from earmark.speech.fingerprint import Fingerprinter
from earmark.speech.quality import QualityMeter
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.spectra import Spectrograph
from earmark.speech.survey import Surveyor
from earmark.speech.synthesis import Synthesiser
from earmark.speech.voice_activity import VoiceDetector

SEED = 11
BLOCK = 131_072
LONG_MINUTES, SHORT_SECONDS = 20, 6

PAGE = """
What it costs to bring audio in, as a multiple of real time. `realtime_per_core` is the whole import on one core:
seconds of audio over seconds of work, for recordings of {minutes} minutes ({hours:.1f} hours in all, 16 kHz FLAC).
`two_core_speedup` is the same import on two cores against one. `share_of_decoding` is the share of that time which
reading the same files with libsndfile takes: the floor. `short_files_per_core` is the same for files of about
{short} seconds, where opening, hashing, storing and writing rows for each file count for more.

`stage_shares` says where the time of a survey goes, each part timed by itself on the same samples in memory, as
shares of the whole import on one core; `rest` is hashing, storage, PostgreSQL and the wire.

Imports are timed once each after one that is not counted, on empty collections; parts are medians of three.
"""


def main() -> None:
    quick = arguments(__doc__ or "").quick
    with platform() as folder:
        long = _write(
            folder / "long", count=2 if quick else 6, seconds=LONG_MINUTES * 60 / (4 if quick else 1)
        )
        short = _write(folder / "short", count=60 if quick else 600, seconds=SHORT_SECONDS)
        _import(folder / "short", processes=1)
        one = _import(folder / "long", processes=1)
        two = _import(folder / "long", processes=2)
        short_one = _import(folder / "short", processes=1)
        audio, audio_short = _duration(long), _duration(short)
        with _on_cores(1):
            decoding = seconds_of(lambda: _decode(long), runs=3).median
            parts = _parts(long[0])
        share = {name: seconds * audio / _duration(long[:1]) / one for name, seconds in parts.items()}
    share["decoding"] = decoding / one
    share["rest"] = 1 - sum(share.values())
    publish(
        Report(
            "ingest",
            figures={
                "realtime_per_core": audio / one,
                "two_core_speedup": one / two,
                "share_of_decoding": decoding / one,
                "short_files_per_core": audio_short / short_one,
                "short_files_per_second": len(short) / short_one,
                "stage_shares": share,
            },
            baseline={"realtime_per_core": audio / decoding},
            seeds=[SEED],
            page=PAGE.format(minutes=LONG_MINUTES, hours=audio / 3600, short=SHORT_SECONDS),
        ),
        quick=quick,
    )


def _write(folder: Path, *, count: int, seconds: float) -> list[Path]:
    folder.mkdir()
    files = []
    for number in range(count):
        rng = Random(f"{SEED}:{folder.name}:{number}")
        samples = conversation(Synthesiser(), seconds, rng).samples
        hiss = 0.001 * np.random.default_rng(rng.getrandbits(64)).standard_normal(len(samples))
        files.append(folder / f"{number:03}.flac")
        soundfile.write(files[-1], samples + hiss.astype(np.float32), SAMPLE_RATE)
    return files


def _duration(files: Sequence[Path]) -> float:
    return sum(soundfile.info(file).duration for file in files)


def _import(folder: Path, *, processes: int) -> float:
    """Seconds that the import of `folder` into a new collection takes on that many cores."""
    from earmark.corpus.ingest import run_ingest, submit_ingest
    from earmark.corpus.models import Collection

    into = Collection.objects.create(slug=f"c{time.monotonic_ns()}", name="benchmark")
    made, _ = submit_ingest(collection=into, source=folder)
    with _on_cores(processes):
        began = time.perf_counter()
        found = run_ingest(_Silent(), import_id=made.pk)
        took = time.perf_counter() - began
    if found["ingested"] != found["files"]:
        raise RuntimeError(found)
    into.recordings.all().delete()
    return took


class _Silent:
    job_id = 0

    def progress(self, done: float, total: float, note: str = "") -> None:
        pass

    def check(self) -> None:
        pass


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """This process and its children on that many cores; PostgreSQL keeps all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _decode(files: Sequence[Path]) -> None:
    for file in files:
        with soundfile.SoundFile(file) as sound:
            while len(sound.read(BLOCK, dtype="float32")):
                pass


def _parts(file: Path) -> dict[str, float]:
    """Seconds that each part of the survey takes over the samples of one file; segmentation is what is left of it."""
    samples, _ = soundfile.read(file, dtype="float32")
    blocks = [samples[first : first + BLOCK] for first in range(0, len(samples), BLOCK)]

    powers = list(_spectra(blocks))

    def fed(make: Callable[[], Any], pieces: Sequence[np.ndarray]) -> float:
        def work() -> None:
            meter = make()
            for piece in pieces:
                meter.add(piece)
            if isinstance(meter, Surveyor):
                meter.finish()

        return seconds_of(work, runs=3).median

    whole = fed(lambda: Surveyor(SAMPLE_RATE, segmentation=SegmentationSettings()), blocks)
    parts = {
        "voice": fed(VoiceDetector, blocks),
        "clipping": fed(lambda: ClippingMeter(SAMPLE_RATE), blocks),
        "spectra": fed(Spectrograph, blocks),
        "quality": fed(QualityMeter, powers),
        "fingerprint": fed(Fingerprinter, powers),
    }
    return parts | {"segmentation": whole - sum(parts.values())}


def _spectra(blocks: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    graph = Spectrograph()
    for block in blocks:
        yield graph.add(block)
    yield graph.finish()


if __name__ == "__main__":
    main()
