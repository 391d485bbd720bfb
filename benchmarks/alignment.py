"""How near word boundaries come to the true ones, and whether false texts are found: `python -m benchmarks.alignment`.

Speech of people the demo model never heard, whose words espeak-ng itself times, aligned with its text by the code that
every transcription runs; in the same run a classic connectionist temporal classification head on the same encoder.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import torch

from benchmarks.ctc_baseline import ctc_times, trained_ctc
from benchmarks.false_texts import lengthened, shortened, swapped
from benchmarks.made_speech import NOISES, noise
from benchmarks.reporting import Report, arguments, publish
from earmark.speech.aligner import Alignment
from earmark.speech.alignment import align_text, encode_clips, require_aligner
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_phrases import drill, phrase
from earmark.speech.demo_voices import DIALECTS, Dialect, Speaker, known, speak, speak_timed, training_speaker
from earmark.speech.mismatch import verdict
from earmark.speech.model_folder import LoadedModel, load_model
from earmark.speech.spelling import spell
from earmark.speech.synthesis import SpokenWord, Synthesiser
from earmark.speech.unspoken import KINDS, unspoken

MODEL = Path(__file__).parents[1] / "models" / "glm-asr-tiny"
SEEDS = (1, 2, 3)
CLIPS = 120
SNR_DB = 10.0
NEAR = 0.1
CTC_CLIPS = 1_500
TIMBRES = (
    "Alex", "Alicia", "Andrea", "Gene", "Jacky", "Lee", "Marco", "Mario", "anika", "boris", "ed", "ian", "john",
    "marcelo", "max", "michel", "miguel", "norbert", "pablo", "quincy", "rob", "sandro", "travis", "zac",
)  # fmt: skip
"""Variants of espeak-ng that neither the demo model nor its aligner was trained on."""

PAGE = """
Demo phrases in all five demo dialects, {clips} clips each and seed, said by {timbres} timbres that neither the model
nor its aligner heard, at random pitch, pace and in random rooms (18 to 40 dB over noise, echo). espeak-ng says when
each word begins; a word ends where the next begins, or where its sound ends before a pause. Words that espeak-ng
speaks as one ("on the", "空调") count as one. A boundary is the start or the end of a word. The model and its aligner
were trained on American English and Mandarin alone (the aligner: {about}); Scottish and Caribbean English and
Cantonese are new to both, and are the larger part of the clips.

- `median_ms`, `within_100ms`: absolute error of all boundaries, and the share of them within 0.1 s, over all five
  dialects together (goals 30 and 0.95); by dialect, over the known two, and over the three others beside it.
- `*_10db`: the same speech with noise {snr:g} dB under it: white, pink, the babble of eight voices, or hum.
- Baselines in the same run: `ctc`, a linear head on the same encoder, trained on {ctc_clips} clips by connectionist
  temporal classification (without label priors), boundaries half way between the peaks of two words; `proportional`,
  characters spread evenly over the clip.

Does a text match its audio? The verdict is `earmark.speech.mismatch.verdict`, its threshold calibrated on training
clips. `true_accepted` is the share of right texts that pass. Found out are, by share: `swapped`, the text of another
clip; `word_missing` and `word_extra`, one word left out of the text or put into it; `unspoken`, any text against noise,
tones, clicks and silence. All of known dialects: a head that does not know a dialect cannot judge it, as
`true_accepted_others` shows. A model fine-tuned on a dialect gets an aligner that knows it.

`aligner_ms_per_second` is the aligner's time per second of audio on one thread, `share_of_encoder` that over the
encoder's own time (features and encoder), for these clips; `long_ms_per_second` for 30 s and 400 characters. Beside
the encoder of the published model, 400 times as large, it is nothing.
"""


@dataclass(frozen=True)
class Timed:
    """A clip [n], what is said in it, and its words as the synthesiser timed them, in samples."""

    samples: np.ndarray
    text: str
    words: tuple[SpokenWord, ...]


def main() -> None:
    quick = arguments(__doc__ or "").quick
    torch.set_num_threads(1)
    seeds, clips = (SEEDS[:1], 30) if quick else (SEEDS, CLIPS)
    loaded = load_model(str(MODEL))
    head = trained_ctc(loaded, *_training_clips(200 if quick else CTC_CLIPS), seed=1)
    methods: dict[str, Callable[[Sequence[Timed]], list[Sequence[tuple[float, float]]]]] = {
        "": lambda said: [_bounds(found) for found in _aligned(loaded, said)],
        "ctc": lambda said: ctc_times(loaded, head, [t.samples for t in said], [t.text for t in said]),
        "proportional": lambda said: [_evenly(one) for one in said],
    }
    wrong: dict[tuple[str, str, str], list[np.ndarray]] = {}
    clean: dict[str, list[Timed]] = {}
    for seed in seeds:
        for dialect, condition, said in _speech(seed, clips):
            for method, times in methods.items():
                key = method, condition, dialect.name
                wrong.setdefault(key, []).append(_errors(said, times(said)))
            if not condition:
                clean.setdefault(dialect.name, []).extend(said)
    publish(
        Report(
            "alignment",
            figures={
                **_figures("", wrong),
                **_verdicts(loaded, clean, seeds[0]),
                **_cost(loaded, clean),
            },
            baseline={
                **_figures("ctc", wrong),
                **{f"proportional_{k}": v for k, v in _figures("proportional", wrong, short=True).items()},
            },
            seeds=seeds,
            page=PAGE.format(
                clips=clips,
                timbres=len(TIMBRES),
                snr=SNR_DB,
                ctc_clips=2 * CTC_CLIPS,
                about=require_aligner(loaded).head.about,
            ),
        ),
        quick=quick,
    )


def _speech(seed: int, clips: int) -> Iterator[tuple[Dialect, str, list[Timed]]]:
    """Of every dialect the clips as they are, and with noise."""
    for dialect in DIALECTS:
        rng, synthesiser = Random(f"alignment:{seed}:{dialect.name}"), Synthesiser()
        said: list[Timed] = []
        while len(said) < clips:
            text = phrase(dialect.name, rng).say
            samples, words = speak_timed(synthesiser, _stranger(dialect, rng), text, rng)
            if _groups(text, words) is not None:
                said.append(Timed(samples, text, words))
        yield dialect, "", said
        yield (
            dialect,
            "_10db",
            [_noisy(one, NOISES[i % len(NOISES)], rng, synthesiser) for i, one in enumerate(said)],
        )


def _stranger(dialect: Dialect, rng: Random) -> Speaker:
    speaker = training_speaker(dialect, rng)
    return replace(speaker, voice=replace(speaker.voice, variant=rng.choice(TIMBRES)))


def _noisy(said: Timed, kind: str, rng: Random, synthesiser: Synthesiser) -> Timed:
    spoken = np.concatenate([said.samples[word.start : word.end] for word in said.words])
    power = float(np.mean(np.square(spoken))) / 10 ** (SNR_DB / 10)
    made = noise(kind, len(said.samples), rng, synthesiser) * np.float32(np.sqrt(power))
    return replace(said, samples=said.samples + made)


def _training_clips(per_dialect: int) -> tuple[list[np.ndarray], list[str]]:
    waveforms, texts = list[np.ndarray](), list[str]()
    for dialect in known():
        rng, synthesiser = Random(f"alignment:training:{dialect.name}"), Synthesiser()
        for number in range(per_dialect):
            drawn = (phrase, drill)[number % 2](dialect.name, rng)
            waveforms.append(speak(synthesiser, training_speaker(dialect, rng), drawn.say, rng))
            texts.append(drawn.reference)
    return waveforms, texts


def _aligned(loaded: LoadedModel, said: Sequence[Timed]) -> list[Alignment]:
    return align_text(loaded, [one.samples for one in said], [one.text for one in said])


def _bounds(found: Alignment) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in found.words]


def _evenly(said: Timed) -> list[tuple[float, float]]:
    lengths = [len(word.characters) for word in spell(said.text)]
    ends = np.cumsum([0, *lengths]) / sum(lengths) * len(said.samples) / SAMPLE_RATE
    return list(pairwise(ends.tolist()))


def _groups(text: str, words: Sequence[SpokenWord]) -> list[tuple[int, int]] | None:
    """Of each of the synthesiser's words, which of ours it covers: [first, after); None where they do not line up."""
    places, at = list[int](), 0
    for word in spell(text):
        at = text.index(word.text, at)
        places.append(at)
        at += len(word.text)
    firsts = [places.index(word.first) if word.first in places else -1 for word in words]
    if -1 in firsts or firsts[:1] != [0]:
        return None
    return list(pairwise([*firsts, len(places)]))


def _errors(said: Sequence[Timed], found: Sequence[Sequence[tuple[float, float]]]) -> np.ndarray:
    """Absolute errors in seconds of all starts and ends."""
    apart: list[float] = []
    for one, times in zip(said, found, strict=True):
        for (first, after), word in zip(_groups(one.text, one.words) or [], one.words, strict=True):
            apart += [
                times[first][0] - word.start / SAMPLE_RATE,
                times[after - 1][1] - word.end / SAMPLE_RATE,
            ]
    return np.abs(apart)


def _figures(
    method: str, wrong: dict[tuple[str, str, str], list[np.ndarray]], *, short: bool = False
) -> dict[str, float | dict[str, float]]:
    figures: dict[str, float | dict[str, float]] = {}
    names = [dialect.name for dialect in DIALECTS]
    familiar = {dialect.name for dialect in known()}
    for condition in ("", "_10db"):
        parts = {name: np.concatenate(wrong[method, condition, name]) for name in names}
        every = np.concatenate(list(parts.values()))
        figures[f"median_ms{condition}"] = float(np.median(every) * 1000)
        figures[f"within_100ms{condition}"] = float(np.mean(every <= NEAR))
        if short:
            continue
        for name, members in (("known", familiar), ("others", set(names) - familiar)):
            some = np.concatenate([parts[each] for each in names if each in members])
            figures[f"median_ms_{name}{condition}"] = float(np.median(some) * 1000)
            figures[f"within_100ms_{name}{condition}"] = float(np.mean(some <= NEAR))
        figures[f"median_ms_by_dialect{condition}"] = {
            n: float(np.median(p) * 1000) for n, p in parts.items()
        }
        figures[f"within_100ms_by_dialect{condition}"] = {
            n: float(np.mean(p <= NEAR)) for n, p in parts.items()
        }
    return figures


def _verdicts(loaded: LoadedModel, clean: dict[str, list[Timed]], seed: int) -> dict[str, float]:
    aligner, rng = require_aligner(loaded), Random(f"alignment:verdicts:{seed}")
    familiar = [dialect.name for dialect in known()]

    def caught(clips: Sequence[np.ndarray], texts: Sequence[str]) -> list[Alignment]:
        return [one for one in align_text(loaded, clips, texts) if not verdict(aligner, one).matches]

    figures: dict[str, float] = {}
    for name, members in (("", familiar), ("_others", [n for n in clean if n not in familiar])):
        said = [one for each in members for one in clean[each]]
        refused = caught([one.samples for one in said], [one.text for one in said])
        figures[f"true_accepted{name}"] = 1 - len(refused) / len(said)
    for name, change in (("swapped", swapped), ("word_missing", shortened), ("word_extra", lengthened)):
        found = total = 0
        for each in familiar:
            clips, texts = [one.samples for one in clean[each]], [one.text for one in clean[each]]
            found += len(caught(clips, change(texts, rng)))
            total += len(texts)
        figures[name] = found / total
    texts = [one.text for each in familiar for one in clean[each]]
    sounds = [unspoken(rng.uniform(0.8, 4.0), KINDS[i % len(KINDS)], rng) for i in range(len(texts))]
    figures["unspoken"] = len(caught(sounds, texts)) / len(texts)
    return figures


def _cost(loaded: LoadedModel, clean: dict[str, list[Timed]]) -> dict[str, float]:
    """Milliseconds of one thread for a second of audio."""
    said = [one for clips in clean.values() for one in clips][:200]
    waveforms, texts = [one.samples for one in said], [one.text for one in said]
    seconds, aligner = sum(map(len, waveforms)) / SAMPLE_RATE, require_aligner(loaded)
    began = time.process_time()
    encoded = [
        each
        for start in range(0, len(said), 32)
        for each in encode_clips(loaded, waveforms[start : start + 32])
    ]
    encoding, began = time.process_time() - began, time.process_time()
    for start in range(0, len(said), 32):
        aligner.align_batch(encoded[start : start + 32], texts[start : start + 32])
    aligning, began = time.process_time() - began, time.process_time()
    long = torch.cat(encoded)[:1500]
    aligner.align_batch([long], [("一二三四五六七八九十" * 40)])
    return {
        "aligner_ms_per_second": aligning / seconds * 1000,
        "encoder_ms_per_second": encoding / seconds * 1000,
        "share_of_encoder": aligning / encoding,
        "long_ms_per_second": (time.process_time() - began) / 30 * 1000,
    }


if __name__ == "__main__":
    main()
