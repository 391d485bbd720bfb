"""A recording of ten hours comes in: memory, clips, progress. `python -m benchmarks.long_recording [--quick]`.

The import runs in this process as in a worker, which has Django loaded and nothing else; its memory and that of its
decoding children is read ten times a second.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import soundfile

from benchmarks.reporting import Report, arguments, publish
from benchmarks.stack import platform

SEED = 5
HOURS, QUICK_HOURS = 10.0, 1.0
WRITE = """
import sys
from random import Random
import soundfile
from benchmarks.made_speech import conversation
from earmark.speech.synthesis import Synthesiser
talk = conversation(Synthesiser(), 1800, Random({seed})).samples
with soundfile.SoundFile(sys.argv[1], "w", 16_000, 1, subtype="PCM_16") as file:
    for _ in range(int(float(sys.argv[2]) * 2)):
        file.write(talk)
"""

PAGE = """
One WAV of ten hours (16 kHz, 16 bit, 1.15 GB): half an hour of synthesised talk with pauses, twenty times over.
`peak_mb` is the most that the importing process and its decoding children hold together (resident, 10^6 bytes; pages
they share are counted once for each), `own_mb` what the process held before it began, `decoders_peak_mb` the children's
most. `clip_hours` is how much of the
recording its clips cover: the rest are pauses. `notes` is how many different states of progress a watcher could see.
"""


def main() -> None:
    quick = arguments(__doc__ or "").quick
    hours = QUICK_HOURS if quick else HOURS
    with platform() as folder:
        (folder / "in").mkdir()
        file = folder / "in" / "long.wav"
        subprocess.run([sys.executable, "-c", WRITE.format(seed=SEED), str(file), str(hours)], check=True)
        seconds = soundfile.info(file).duration
        own = psutil.Process().memory_info().rss
        with _Watch() as watch:
            took, notes = _import(file.parent)
        clips, covered, longest = _clips()
    publish(
        Report(
            "long_recording",
            figures={
                "hours": seconds / 3600,
                "peak_mb": watch.peak / 1e6,
                "own_mb": own / 1e6,
                "decoders_peak_mb": watch.decoders_peak / 1e6,
                "realtime": seconds / took,
                "clips": clips,
                "clip_hours": covered / 3600,
                "longest_clip_s": longest,
                "notes": notes,
            },
            seeds=[SEED],
            page=PAGE,
        ),
        quick=quick,
    )


class _Watch(threading.Thread):
    """Reads the memory of this process and its children while it works."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.decoders_peak = 0
        self._stop_it = threading.Event()

    def __enter__(self) -> "_Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_it.set()
        self.join()

    def run(self) -> None:
        me = psutil.Process()
        decoders: list[psutil.Process] = []
        while not self._stop_it.wait(0.1):
            decoders = [one for one in me.children() if "decoder_child" in " ".join(_command(one))]
            theirs = sum(map(_resident, decoders))
            self.decoders_peak = max(self.decoders_peak, theirs)
            self.peak = max(self.peak, theirs + _resident(me))


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _import(folder: Path) -> tuple[float, int]:
    """Seconds it took, and how many states of progress were told."""
    from earmark.corpus.ingest import run_ingest, submit_ingest
    from earmark.corpus.models import Collection

    class Context:
        job_id = 0
        told: set[tuple[float, str]] = set()

        def progress(self, done: float, total: float, note: str = "") -> None:
            self.told.add((done, note))

        def check(self) -> None:
            pass

    made, _ = submit_ingest(collection=Collection.objects.create(slug="long", name="Long"), source=folder)
    context, began = Context(), time.perf_counter()
    found = run_ingest(context, import_id=made.pk)
    if found["ingested"] != 1:
        raise RuntimeError(found)
    return time.perf_counter() - began, len(context.told)


def _clips() -> tuple[int, float, float]:
    from django.db.models import Count, Max, Sum

    from earmark.corpus.models import Clip

    found = Clip.objects.aggregate(clips=Count("pk"), covered=Sum("seconds"), longest=Max("seconds"))
    return found["clips"], found["covered"], found["longest"]


if __name__ == "__main__":
    main()
