"""Speech whose truth is known: synthesised talk with every word's time, and noise to hide it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import scipy.signal
import soxr

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_voices import Speaker, dialect, training_speaker
from earmark.speech.synthesis import Synthesiser

DIALECTS = ("american", "mandarin", "scottish", "mandarin", "caribbean", "cantonese")
NOISES = ("white", "pink", "babble", "hum")

_AUDIBLE = 0.01
_FADE = 80

SENTENCES: Mapping[str, Sequence[str]] = {
    "en": (
        "the train to the coast leaves at half past nine every morning",
        "could you please tell me how much the large box would cost",
        "we have not heard from the office since the end of last week",
        "yes",
        "no, thank you",
        "she put the keys on the table, closed the window and went out",
        "if it rains tomorrow, the match will be played on Saturday",
        "my number is four seven one, double three, nine zero five",
        "I would like to change the address on my account",
        "the doctor can see you on Thursday afternoon at a quarter to four",
        "there were about two hundred people in the hall, perhaps more",
        "they sell fresh fish, bread, cheese and very good coffee",
        "hold on a moment",
        "what we need is a list of everything that was delivered in March",
        "he has been working on the old bridge for almost thirty years",
        "turn left at the church, then follow the road up the hill",
        "sorry, I did not catch that, could you say it again",
        "the second half of the report is shorter than the first",
        "fifty five",
        "of course, I will send it to you before the meeting starts",
        "nobody knew who had switched the lights off",
        "this summer was hotter than any other that we remember",
        "her sister lives in a small house by the river",
        "please wait until the green lamp is lit, then press the button twice",
    ),
    "zh": (
        "明天早上九点半有一班火车到海边",
        "请问这个大箱子要多少钱",
        "从上个星期开始，我们就没有收到公司的消息",
        "好的",
        "不用了，谢谢",
        "她把钥匙放在桌子上，关上窗户就出去了",
        "如果明天下雨，比赛就改到星期六",
        "我的电话号码是四七一，三三九，零五八",
        "我想改一下账户上的地址",
        "医生星期四下午三点三刻可以见你",
        "大厅里大约有两百个人，也许更多",
        "他们卖新鲜的鱼、面包，还有很好的咖啡",
        "请等一下",
        "我们需要三月份所有到货的清单",
        "他在那座老桥上工作了差不多三十年",
        "在教堂左转，然后沿着路一直上山",
        "对不起，我没有听清楚，请再说一遍",
        "报告的后半部分比前半部分短",
        "五十五",
        "当然可以，开会之前我就发给你",
        "没有人知道是谁把灯关了",
        "今年夏天比我们记得的都要热",
        "她妹妹住在河边的一个小房子里",
        "请等绿灯亮了，再按两次按钮",
    ),
}
SENTENCES = {**SENTENCES, "yue": SENTENCES["zh"]}


@dataclass(frozen=True)
class Talk:
    """Clean speech float32 [n] at 16 kHz, and the samples [start, end) of each word: int64 [words, 2]."""

    samples: np.ndarray
    words: np.ndarray

    def speech(self, gap: float = 0.25) -> np.ndarray:
        """bool [n]: within a word, or between two words less than `gap` seconds apart."""
        inside = np.zeros(len(self.samples), bool)
        for start, end in self.words:
            inside[start:end] = True
        for (_, end), (start, _) in zip(self.words[:-1], self.words[1:], strict=True):
            if start - end < gap * SAMPLE_RATE:
                inside[end:start] = True
        return inside


def a_speaker(rng: Random) -> Speaker:
    """Somebody of any of the dialects."""
    return training_speaker(dialect(rng.choice(DIALECTS)), rng)


def a_sentence(speaker: Speaker, rng: Random) -> str:
    return rng.choice(SENTENCES[speaker.dialect.language])


def say(synthesiser: Synthesiser, speaker: Speaker, text: str, *, peak: float = 0.3) -> Talk:
    """One utterance without silence at its ends. A word's pause is no part of it: it ends where its sound does."""
    spoken = synthesiser.say(text, speaker.voice)
    samples = soxr.resample(spoken.samples, spoken.rate, SAMPLE_RATE, quality="HQ").astype(np.float32)
    samples *= peak / np.abs(samples).max()
    scale = SAMPLE_RATE / spoken.rate
    words = [_sounding(samples, round(word.start * scale), round(word.end * scale)) for word in spoken.words]
    words = [word for word in words if word[1] > word[0]]
    first, last = words[0][0], words[-1][1]
    return Talk(_faded(samples[first:last]), np.array(words, np.int64) - first)


def _sounding(samples: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """The part of [start, end) from its first to its last sample within 40 dB of the loudest of all."""
    loud = np.flatnonzero(np.abs(samples[start:end]) > _AUDIBLE * np.abs(samples).max())
    return (start + int(loud[0]), start + int(loud[-1]) + 1) if len(loud) else (start, start)


def _faded(samples: np.ndarray) -> np.ndarray:
    ramp = np.ones(len(samples), np.float32)
    ramp[:_FADE] = np.linspace(0, 1, _FADE)
    ramp[-_FADE:] = np.linspace(1, 0, _FADE)
    return samples * ramp


def conversation(
    synthesiser: Synthesiser, seconds: float, rng: Random, *, pauses: tuple[float, float] = (0.15, 3.0)
) -> Talk:
    """Speakers taking turns of one to five sentences; pauses, also at both ends, log-uniform between these seconds."""
    pieces: list[np.ndarray] = []
    words: list[np.ndarray] = []
    at = 0

    def add(samples: np.ndarray) -> None:
        nonlocal at
        pieces.append(samples)
        at += len(samples)

    def pause() -> np.ndarray:
        length = np.exp(rng.uniform(np.log(pauses[0]), np.log(pauses[1])))
        return np.zeros(round(length * SAMPLE_RATE), np.float32)

    people = [a_speaker(rng) for _ in range(max(2, round(seconds / 60)))]
    add(pause())
    while at < seconds * SAMPLE_RATE:
        speaker = rng.choice(people)
        level = 10 ** (rng.uniform(-18, -9) / 20)
        for _ in range(rng.randint(1, 5)):
            said = say(synthesiser, speaker, a_sentence(speaker, rng), peak=level)
            words.append(said.words + at)
            add(said.samples)
            add(pause())
    return Talk(np.concatenate(pieces), np.concatenate(words))


def echoing(samples: np.ndarray, rng: Random) -> np.ndarray:
    """Half the time in a room whose echo, 8 dB under the voice, decays by 60 dB in 0.1 to 0.4 s (Polack's model)."""
    if rng.random() < 0.5:
        return samples
    random = np.random.default_rng(rng.getrandbits(64))
    length = round(rng.uniform(0.1, 0.4) * SAMPLE_RATE)
    tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= 10 ** (-8 / 20) / np.sqrt(np.sum(tail**2))
    wet = samples + scipy.signal.fftconvolve(samples, tail)[: len(samples)]
    return np.asarray(wet, np.float32)


def noise(kind: str, samples: int, rng: Random, synthesiser: Synthesiser) -> np.ndarray:
    """float32 [samples], mean square 1: `white`, `pink`, `babble` (eight voices), `hum` (50 Hz and overtones)."""
    random = np.random.default_rng(rng.getrandbits(64))
    if kind == "babble":
        made = sum(_chatter(samples, rng, synthesiser) for _ in range(8))
    elif kind == "hum":
        time = np.arange(samples) / SAMPLE_RATE
        made = 0.05 * random.standard_normal(samples)
        for overtone in range(1, 13):
            phase = random.uniform(0, 2 * np.pi)
            made = made + np.sin(2 * np.pi * 50 * overtone * time + phase) / overtone
    else:
        made = random.standard_normal(samples)
        if kind == "pink":
            spectrum = np.fft.rfft(made)
            spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20))
            made = np.fft.irfft(spectrum, samples)
    return np.asarray(made / np.sqrt(np.mean(np.square(made))), np.float32)


def _chatter(samples: int, rng: Random, synthesiser: Synthesiser) -> np.ndarray:
    """Somebody who talks without a pause."""
    speaker, pieces = a_speaker(rng), []
    length = 0
    while length < samples + SAMPLE_RATE:
        pieces.append(say(synthesiser, speaker, a_sentence(speaker, rng)).samples)
        length += len(pieces[-1])
    skipped = rng.randrange(SAMPLE_RATE)
    return np.concatenate(pieces)[skipped : skipped + samples]


def noisy(talk: Talk, made: np.ndarray, snr_db: float) -> np.ndarray:
    """The talk with noise of mean square 1 so much under the mean square of what is speech in it."""
    power = float(np.mean(np.square(talk.samples[talk.speech()])))
    return talk.samples + made * np.float32(np.sqrt(power / 10 ** (snr_db / 10)))
