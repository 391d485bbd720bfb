"""Finished comparisons, without anything heard or measured."""

import random
from typing import Any

from earmark.datasets.models import Snapshot
from earmark.recognition.models import ModelVersion
from earmark.speech.slices import Traits
from earmark.speech.text import PLAIN
from training_jobs.comparing import SAMPLE_SECONDS, SEED
from training_jobs.comparison_report import Side, text_report
from training_jobs.models import Comparison
from training_jobs.scored import Examined, scored

SPOKEN = {
    "american": ("en", "turn the kitchen lights off now"),
    "scottish": ("en", "set a timer for ten minutes"),
    "mandarin": ("zh", "打开客厅的灯"),
    "cantonese": ("yue", "今日天氣好好"),
}


def a_report(a: str, b: str, *, clips: int = 120, seed: int = 3) -> dict[str, Any]:
    """What a comparison of models named `a` and `b` may find: B is better, most of all in noise and Cantonese."""
    rng = random.Random(seed)
    dialects = list(SPOKEN)
    examined = [
        Examined(
            number,
            SPOKEN[dialects[number % 4]][1],
            Traits(
                SPOKEN[dialects[number % 4]][0],
                dialects[number % 4],
                f"speaker-{number % 6}",
                rng.choice([2.0, 7.0, 12.0, 24.0, 33.0, None]),
                rng.uniform(0.6, 9.0),
            ),
        )
        for number in range(clips)
    ]
    sides = [_side(examined, rng, skill) for skill in (0.86, 0.94)]
    report = text_report(examined, *sides, options=PLAIN, seed=SEED)
    report["models"] = {"a": {"name": a, "engine": "glm-asr"}, "b": {"name": b, "engine": "whisper"}}
    report["measured"] = {
        "clips": 20, "seconds": 61.2, "device": "cpu", "cores": 2,
        "a": _measured(0.021, 1_440_000, 640e6, ["en", "yue", "zh"]),
        "b": _measured(0.094, 39_000_000, 910e6, ["en", "zh"]),
    }  # fmt: skip
    return report


def a_comparison(a: ModelVersion, b: ModelVersion, snapshot: Snapshot) -> Comparison:
    """One that is done."""
    options = {"digits": False, "simplified": False, "sample_seconds": SAMPLE_SECONDS, "seed": SEED}
    return Comparison.objects.create(
        a=a, b=b, snapshot=snapshot, options=options, report=a_report(a.name, b.name)
    )


def _side(clips: list[Examined], rng: random.Random, skill: float) -> Side:
    texts, sure = [], []
    for one in clips:
        sounds = one.text.split() if one.traits.language == "en" else list(one.text)
        noisy = one.traits.snr_db is not None and one.traits.snr_db < 10
        chance = skill - 0.12 * noisy - 0.1 * (one.traits.language == "yue") * (skill < 0.9)
        heard = [each if rng.random() < chance else rng.choice(["", "lamp", each + each]) for each in sounds]
        texts.append((" " if one.traits.language == "en" else "").join(heard))
        sure.append(min(0.99, max(0.05, rng.gauss(0.9 if heard == sounds else 0.5, 0.2))))
    return Side(scored(clips, dict(enumerate(texts))), texts, sure, is_calibrated=skill > 0.9)


def _measured(rtf: float, parameters: int, peak: float, languages: list[str]) -> dict[str, Any]:
    return {
        "rtf": rtf, "passes": 3, "load_seconds": 1.7, "languages": languages, "peak_bytes": round(peak),
        "own_bytes": round(peak - 400e6), "device_bytes": None, "parameters": parameters,
        "weight_bytes": 4 * parameters,
    }  # fmt: skip
