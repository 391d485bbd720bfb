"""Sounds nobody speaks in: silence of several kinds, music-like tones, drums, noise. float32 at 16 kHz, seeded."""

from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import scipy.signal

from earmark.speech.audio import SAMPLE_RATE

SHORTEST, LONGEST = 0.8, 8.0
_SEMITONE = 2 ** (1 / 12)
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 6), (0, 5, 7))
_SCALE = (0, 2, 4, 7, 9, 12, 14, 16)


def a_sound(kind: str, rng: Random) -> np.ndarray:
    """float32 [n], 0.8 to 8 s, of a kind among `SOUNDS`."""
    random = np.random.default_rng(rng.getrandbits(64))
    samples = round(random.uniform(SHORTEST, LONGEST) * SAMPLE_RATE)
    return np.asarray(SOUNDS[kind](samples, random), np.float32)


def _digital_silence(samples: int, random: np.random.Generator) -> np.ndarray:
    return np.zeros(samples)


def _dither(samples: int, random: np.random.Generator) -> np.ndarray:
    return random.integers(-1, 2, samples) / 2**15


def _room_hiss(samples: int, random: np.random.Generator) -> np.ndarray:
    """A quiet room: noise that falls towards high frequencies, -75 to -45 dBFS."""
    return _at_level(_coloured(samples, random, random.uniform(0.3, 1.5)), random.uniform(-75, -45))


def _faint_mains(samples: int, random: np.random.Generator) -> np.ndarray:
    """An offset, a little mains hum and hiss."""
    hum = _at_level(_hum(samples, random), random.uniform(-70, -50))
    return hum + random.uniform(-0.02, 0.02) + 1e-4 * random.standard_normal(samples)


def _tone(samples: int, random: np.random.Generator) -> np.ndarray:
    """One note held, with up to six overtones."""
    return _mastered(_note(samples, _pitch(random), random), random)


def _chord(samples: int, random: np.random.Generator) -> np.ndarray:
    """Chords of three or four notes, changed every half second to two seconds."""
    made = []
    root, length = _pitch(random) / 2, round(random.uniform(0.5, 2) * SAMPLE_RATE)
    while sum(map(len, made)) < samples:
        at = root * _SEMITONE ** random.choice(_SCALE)
        notes = _CHORDS[random.integers(len(_CHORDS))]
        made.append(_struck(sum(_note(length, at * _SEMITONE**step, random) for step in notes), random))
    return _mastered(np.concatenate(made)[:samples], random)


def _arpeggio(samples: int, random: np.random.Generator) -> np.ndarray:
    """Notes of a scale one after another, three to nine a second: the pace of syllables."""
    made = []
    root, length = _pitch(random) / 2, round(SAMPLE_RATE / random.uniform(3, 9))
    while sum(map(len, made)) < samples:
        pitch = root * _SEMITONE ** random.choice(_SCALE)
        made.append(_struck(_note(length, pitch, random), random))
    return _mastered(np.concatenate(made)[:samples], random)


def _vibrato(samples: int, random: np.random.Generator) -> np.ndarray:
    """A note with overtones that trembles as a singer's or a violin's does, gliding a little."""
    seconds = np.arange(samples) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * random.uniform(4, 7) * seconds + random.uniform(0, 6))
    glide = random.uniform(-0.3, 0.3) * seconds / seconds[-1]
    pitch = _pitch(random) * (1 + random.uniform(0.005, 0.03) * wave + glide)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    made = sum(np.sin(part * phase) / part ** random.uniform(0.7, 2) for part in range(1, 9))
    swelling = 1 + random.uniform(0, 0.8) * np.sin(2 * np.pi * random.uniform(0.3, 5) * seconds)
    return _mastered(made * swelling, random)


def _drums(samples: int, random: np.random.Generator) -> np.ndarray:
    """A beat: low thumps, snares of noise, cymbals."""
    made = np.zeros(samples + SAMPLE_RATE)
    step = round(SAMPLE_RATE * 60 / random.uniform(70, 180) / 2)
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    kick = np.sin(2 * np.pi * (50 * time + 12 * np.exp(-time * 30))) * np.exp(-time * 12)
    for number, start in enumerate(range(0, samples, step)):
        snare = random.standard_normal(len(time)) * np.exp(-time * random.uniform(15, 30))
        cymbal = np.diff(random.standard_normal(len(time) + 1)) * np.exp(-time * 50)
        for sound, likely in ((kick, (0.9, 0.2)), (0.5 * snare, (0.1, 0.7)), (0.2 * cymbal, (0.8, 0.8))):
            if random.random() < likely[number % 2]:
                made[start : start + len(time)] += sound * random.uniform(0.6, 1)
    return _mastered(made[:samples], random)


def _white(samples: int, random: np.random.Generator) -> np.ndarray:
    return _mastered(random.standard_normal(samples), random)


def _pink(samples: int, random: np.random.Generator) -> np.ndarray:
    return _mastered(_coloured(samples, random, 0.5), random)


def _brown(samples: int, random: np.random.Generator) -> np.ndarray:
    """Wind, or a motor far away: noise whose level also comes and goes."""
    seconds = np.arange(samples) / SAMPLE_RATE
    gusts = 1 + 0.7 * np.sin(2 * np.pi * random.uniform(0.2, 4) * seconds + random.uniform(0, 6))
    return _mastered(_coloured(samples, random, 1.0) * gusts, random)


def _band(samples: int, random: np.random.Generator) -> np.ndarray:
    """Noise of one band, an octave or two wide."""
    low = 2 ** random.uniform(np.log2(80), np.log2(2_500))
    sections = scipy.signal.butter(
        4, (low, low * random.uniform(1.5, 3)), "bandpass", fs=SAMPLE_RATE, output="sos"
    )
    return _mastered(scipy.signal.sosfilt(sections, random.standard_normal(samples)), random)


def _hum(samples: int, random: np.random.Generator) -> np.ndarray:
    seconds = np.arange(samples) / SAMPLE_RATE
    mains = random.choice((50, 60))
    made = 0.02 * random.standard_normal(samples)
    for overtone in range(1, 13):
        made += np.sin(2 * np.pi * mains * overtone * seconds + random.uniform(0, 6)) / overtone
    return _mastered(made, random)


def _clicks(samples: int, random: np.random.Generator) -> np.ndarray:
    """A keyboard, rain on a pane, a bad contact: short bursts at random over hiss."""
    made = 1e-3 * random.standard_normal(samples)
    time = np.arange(SAMPLE_RATE // 20)
    for _ in range(random.poisson(random.uniform(2, 30) * samples / SAMPLE_RATE)):
        burst = random.standard_normal(len(time)) * np.exp(-time / random.uniform(8, 120))
        start = random.integers(0, max(1, samples - len(time)))
        made[start : start + len(time)] += (burst * random.uniform(0.2, 1))[: samples - start]
    return _mastered(made, random)


def _beeps(samples: int, random: np.random.Generator) -> np.ndarray:
    """A telephone: pairs of tones, on and off."""
    seconds = np.arange(samples) / SAMPLE_RATE
    tones = sum(
        np.sin(2 * np.pi * random.choice((350, 425, 440, 480, 697, 941, 1209, 1477)) * seconds) for _ in "ab"
    )
    gate = (seconds * random.uniform(0.5, 5)) % 1 < random.uniform(0.3, 0.8)
    return _mastered(tones * gate, random)


def _sweep(samples: int, random: np.random.Generator) -> np.ndarray:
    """A siren: a tone that climbs and falls."""
    seconds = np.arange(samples) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * random.uniform(0.1, 2) * seconds)
    pitch = random.uniform(300, 1_200) * 2 ** (random.uniform(0.3, 1.2) * wave)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return _mastered(np.sin(phase) + random.uniform(0, 0.5) * np.sin(2 * phase), random)


def _pitch(random: np.random.Generator) -> float:
    return float(2 ** random.uniform(np.log2(110), np.log2(1_200)))


def _note(samples: int, pitch: float, random: np.random.Generator) -> np.ndarray:
    phase = 2 * np.pi * pitch * np.arange(samples) / SAMPLE_RATE
    fall, parts = random.uniform(0.5, 3), random.integers(1, 8)
    return np.asarray(
        sum(np.sin(part * phase + random.uniform(0, 6)) / part**fall for part in range(1, parts + 1))
    )


def _struck(note: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A note with an attack, dying away as a plucked string or a piano does."""
    seconds = np.arange(len(note)) / SAMPLE_RATE
    return note * np.minimum(1, seconds / 0.01) * np.exp(-seconds * random.uniform(0.5, 8))


def _coloured(samples: int, random: np.random.Generator, slope: float) -> np.ndarray:
    """Noise whose amplitude falls as frequency to the power of `slope`."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** slope
    return np.fft.irfft(spectrum, samples)


def _at_level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    return samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20)


def _mastered(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As a recording has it: its peak at -30 to -1 dBFS over hiss of -80 dBFS."""
    loudest = max(float(np.abs(samples).max()), 1e-9)
    return samples / loudest * 10 ** (random.uniform(-30, -1) / 20) + 1e-4 * random.standard_normal(
        len(samples)
    )


SOUNDS: Mapping[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "digital silence": _digital_silence,
    "dither": _dither,
    "room hiss": _room_hiss,
    "faint mains": _faint_mains,
    "tone": _tone,
    "chords": _chord,
    "arpeggio": _arpeggio,
    "vibrato": _vibrato,
    "drums": _drums,
    "white noise": _white,
    "pink noise": _pink,
    "brown noise": _brown,
    "band noise": _band,
    "hum": _hum,
    "clicks": _clicks,
    "beeps": _beeps,
    "sweep": _sweep,
}
SILENCES = ("digital silence", "dither", "room hiss", "faint mains")
