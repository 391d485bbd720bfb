"""How far to trust a transcript before anyone has checked one, and what a calibration works from.

The value is a prior, not a calibrated probability: it orders clips well and is turned into a probability by
`earmark.speech.calibration`, fitted on audited clips. It is made of the model's own doubts (length-normalised
log-probability, the weakest token, top-k entropy) and cut down by flags for what a model can be confidently wrong
about: loops, text over silence, text where nobody speaks or for which there is too little voice, a script the
language is not written in, no end token (Kahn 2020), more characters a second than people can say, a text that does
not fit the audio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from earmark.speech.engine import ENTROPY_CHOICES, Heard, TokenScore
from earmark.speech.errors import EarmarkError
from earmark.speech.sound_signs import loudest_dbfs, voice_in
from earmark.speech.text import CHARACTER_LANGUAGES
from earmark.speech.text_signs import compression_ratio, is_foreign, is_loop, shortest_seconds
from earmark.speech.word_doubts import words_of

FLAGS = (
    "empty",
    "loop",
    "truncated",
    "odd_rate",
    "silence",
    "no_speech",
    "wrong_language",
    "misaligned",
)
"""`empty`: no text. `loop`: it says the same again and again. `truncated`: it never ended. `odd_rate`: faster than
people speak, or next to nothing said in all that time. `silence`: nothing in the clip is loud enough to be heard.
`no_speech`: there is no voice in the clip, or not long enough to say this. `wrong_language`: another script, or the
engine itself recognised another language. `misaligned`: the aligner finds nothing in the audio that fits the text."""

VOICE_ENOUGH = 1.5
"""How many times the least time a text needs there may be of voice before more tells nothing."""
_FULLEST, _EMPTIEST = 1.0, 0.01
_SILENCE_DBFS = -55.0
_LEAST_VOICE = 0.8
"""Voice for less than this share of the least time a text needs: chosen on 2,400 made clips, of which it flags 0.2 %
of those with speech. A single frame of voice, as tones have, is enough for no text."""
_SHORTEST_WORD = 0.1
_WORST_ALIGNMENT = -6.0
_FLAGGED_SHARE = 0.25
_EXPONENT = 2.0
"""Over 600 clips of the five demo dialects this puts the value near the share heard right (Brier score 0.056,
area under the ROC curve 0.976); other exponents order clips as well but lie further from the truth."""
_KNOWS_NOTHING = 0.5
_LOWEST = -100.0


@dataclass(frozen=True)
class Confidence:
    """`value` 0 (no trust) to 1; `features` it was made of; `flags` among `FLAGS`."""

    value: float
    features: dict[str, float]
    flags: tuple[str, ...]


def clip_confidence(
    heard: Heard,
    seconds: float,
    waveform: np.ndarray | None = None,
    *,
    language: str = "",
    voice_seconds: float | None = None,
) -> Confidence:
    """Confidence in what was heard in a clip of `seconds`, said to be in `language` (empty where nobody knows).

    With `waveform` (float32 [n], 16 kHz) text over silence and text without a voice are flagged, too. Finding the
    voice takes about a millisecond for each second: where it was measured already, as when a recording is ingested,
    give `voice_seconds`. Features are finite; what the engine does not tell is left out.

    The value is a product of three numbers in 0..1, each squared: the geometric mean of the token probabilities, the
    lowest of them, and 1 - entropy over its maximum; 0.5 from an engine that tells no probability; a quarter of that
    under any flag, 0 for no text. Raises EarmarkError `speech:clip:too_short` unless `seconds` is above 0.
    """
    if not seconds > 0:
        raise EarmarkError(
            "speech:clip:too_short",
            f"A clip lasts {seconds!r} s.",
            "Give the length of the audio in seconds.",
        )
    features = {**_token_features(heard.tokens), **_text_features(heard, seconds), **_fit(heard)}
    if heard.disagreement is not None:
        features["disagreement"] = heard.disagreement
    if waveform is not None:
        features |= _sound_features(heard.text, waveform, voice_seconds)
    flags = _flags(heard, features, language)
    value = 0.0 if "empty" in flags else _trust(features) * (_FLAGGED_SHARE if flags else 1.0)
    return Confidence(value, features, flags)


def _token_features(tokens: tuple[TokenScore, ...]) -> dict[str, float]:
    """Of the log-probabilities and entropies there are: natural logarithms and nats."""
    logprobs = [token.logprob for token in tokens if not math.isnan(token.logprob)]
    entropies = [token.entropy for token in tokens if not math.isnan(token.entropy)]
    found: dict[str, float] = {}
    if logprobs:
        found = {
            "mean_logprob": max(_LOWEST, sum(logprobs) / len(logprobs)),
            "total_logprob": max(10 * _LOWEST, sum(logprobs)),
            "min_logprob": max(_LOWEST, min(logprobs)),
            "min_word_logprob": max(_LOWEST, min(word.logprob for word in words_of(tokens))),
            "mean_probability": sum(map(math.exp, logprobs)) / len(logprobs),
            "low_probability_share": sum(logprob < math.log(0.5) for logprob in logprobs) / len(logprobs),
        }
    if entropies:
        found |= {"mean_entropy": sum(entropies) / len(entropies), "max_entropy": max(entropies)}
    return found


def _text_features(heard: Heard, seconds: float) -> dict[str, float]:
    return {
        "characters_per_second": sum(not character.isspace() for character in heard.text) / seconds,
        "fullness": shortest_seconds(heard.text) / seconds,
        "compression_ratio": compression_ratio(heard.text),
    }


def _fit(heard: Heard) -> dict[str, float]:
    """How well the aligner found the text in the audio; nothing where there is no aligner or no word."""
    if heard.alignment is None or not heard.words:
        return {}
    pauses = [after.start - before.end for before, after in pairwise(heard.words)]
    return {
        "alignment": max(_LOWEST, heard.alignment),
        "worst_word": min(word.score for word in heard.words),
        "longest_pause": max([0.0, *pauses]),
    }


def _sound_features(text: str, waveform: np.ndarray, voice_seconds: float | None) -> dict[str, float]:
    """`loudest_dbfs`, and `voice_for_text`: seconds of voice over the least time anybody needs to say the text."""
    loudest = max(_LOWEST, loudest_dbfs(waveform))
    needed = max(_SHORTEST_WORD, shortest_seconds(text))
    if loudest < _SILENCE_DBFS:
        voice_seconds = 0.0
    elif voice_seconds is None:
        voice_seconds = voice_in(waveform, enough=VOICE_ENOUGH * needed)
    return {"loudest_dbfs": loudest, "voice_for_text": min(VOICE_ENOUGH, voice_seconds / needed)}


def _flags(heard: Heard, features: Mapping[str, float], language: str) -> tuple[str, ...]:
    empty = not heard.text.strip()
    silent = features.get("loudest_dbfs", 0.0) < _SILENCE_DBFS
    raised = {
        "empty": empty,
        "loop": is_loop(heard.text),
        "truncated": heard.truncated,
        "odd_rate": not empty and not _EMPTIEST <= features["fullness"] <= _FULLEST,
        "silence": silent,
        "no_speech": not empty and not silent and features.get("voice_for_text", VOICE_ENOUGH) < _LEAST_VOICE,
        "wrong_language": not empty
        and (_is_other(heard.language, language) or is_foreign(heard.text, language)),
        "misaligned": not empty and features.get("alignment", 0.0) < _WORST_ALIGNMENT,
    }
    return tuple(flag for flag in FLAGS if raised[flag])


def _is_other(recognised: str, language: str) -> bool:
    """Whether the engine recognised another language; models tell Mandarin from Cantonese too badly to count."""
    both_chinese = {recognised, language} <= CHARACTER_LANGUAGES
    return bool(recognised and language) and recognised != language and not both_chinese


def _trust(features: Mapping[str, float]) -> float:
    if "mean_logprob" not in features:
        return _KNOWS_NOTHING
    mean = math.exp(features["mean_logprob"])
    weakest = math.exp(features["min_logprob"])
    certainty = 1 - min(1.0, features.get("mean_entropy", 0.0) / math.log(ENTROPY_CHOICES))
    return float((mean * weakest * certainty) ** _EXPONENT)
