"""Train an aligner's head from clips and their texts alone: nobody has to mark a word's time.

Characters are first spread evenly over the loud part of each clip, or placed by an older head; then, in turns, the head
learns what stands in which frame and the clips are divided again by what it has learned (Viterbi training: Juang &
Rabiner 1990). The encoder is only listened to. Some clips get noise, and sounds nobody speaks in are added, so that the
head knows silence of many kinds.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from earmark.speech.aligner import Aligner, Weights, is_syllable
from earmark.speech.aligner_head import SILENCE, AlignerHead
from earmark.speech.alignment import encode_clips
from earmark.speech.errors import EarmarkError
from earmark.speech.mismatch import calibrated_threshold
from earmark.speech.model_folder import LoadedModel
from earmark.speech.segments import best_segments
from earmark.speech.spelling import Spelt, spell
from earmark.speech.unspoken import KINDS, unspoken, with_noise

_FRAME_SAMPLES = 320
_AT_ONCE = 64
_UNHEARD = {"letter": (math.log(3.2), 0.6), "syllable": (math.log(12.0), 0.45)}
"""Mean and deviation of the log of a character's frames before any is measured; worth `_UNHEARD_COUNT` of them."""
_UNHEARD_COUNT = 10
_LEAST_DEVIATION = 0.2


_BY_SOUND = Weights(prior=0.5, floor=-8.0, duration=0.0)
_BY_SOUND_AND_LENGTH = Weights(prior=0.5, floor=0.0, duration=2.0)


@dataclass(frozen=True)
class HeadPlan:
    """`rounds` of dividing and learning, each `passes` over the clips, but at least `least_steps` steps of learning.

    `noise_share` of the clips get noise of `noise_snr` dB; `unspoken_share` as many sounds without speech are added.
    """

    rounds: int = 7
    passes: int = 2
    least_steps: int = 40
    batch_frames: int = 2_000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    noise_share: float = 0.4
    noise_snr: tuple[float, float] = (3.0, 20.0)
    unspoken_share: float = 0.05


REFIT = HeadPlan(rounds=2, passes=2)
"""For a head whose encoder has been trained further: what was known is a good start."""


def train_aligner(
    loaded: LoadedModel,
    waveforms: Sequence[np.ndarray],
    texts: Sequence[str],
    *,
    seed: int,
    plan: HeadPlan | None = None,
    about: str = "",
    checking: Callable[[], None] = lambda: None,
) -> Aligner:
    """An aligner for the model, from mono float32 waveforms [n] at 16 kHz and their texts; the model stays as it is.

    An aligner that the model has is where it starts from (`REFIT` by default). The same model, clips and seed give the
    same head, bit for bit on one machine. `checking` is called often and may raise to stop. Raises EarmarkError
    `speech:align:nothing` where no text has a word, `speech:clip:*`.
    """
    parent = loaded.aligner.head if loaded.aligner else None
    plan = plan or (REFIT if parent else HeadPlan())
    clips = _disturbed(waveforms, texts, plan, Random(f"{seed}:aligner"))
    encoded: list[torch.Tensor] = []
    for start in range(0, len(clips), _AT_ONCE):
        checking()
        encoded += encode_clips(loaded, [samples for samples, _ in clips[start : start + _AT_ONCE]])
    loud = [_loud(samples, len(frames)) for (samples, _), frames in zip(clips, encoded, strict=True)]
    trained = train_head(
        encoded, [t for _, t in clips], loud, seed=seed, plan=plan, parent=parent, checking=checking
    )
    return Aligner(replace(trained, about=about or (parent.about if parent else "")), loaded.device)


def train_head(
    encoded: Sequence[torch.Tensor],
    texts: Sequence[str],
    loud: Sequence[np.ndarray],
    *,
    seed: int,
    plan: HeadPlan,
    parent: AlignerHead | None = None,
    checking: Callable[[], None] = lambda: None,
) -> AlignerHead:
    """A head from encoder output [T, H], texts and, for the start without a parent, the loud frames bool [T]."""
    spelt = [spell(text) for text in texts]
    if not any(spelt):
        raise EarmarkError(
            "speech:align:nothing",
            f"None of {len(texts)} texts has a word in it; an aligner cannot be trained on them.",
            "Give clips with what is said in them.",
        )
    frames = [each.float() for each in encoded]
    head = _beginning(frames, spelt, parent)
    generator = torch.Generator().manual_seed(seed)
    targets: list[torch.Tensor] = []
    for number in range(plan.rounds):
        divided = (
            [_evenly(words, each) for words, each in zip(spelt, loud, strict=True)]
            if number == 0 and parent is None
            else _divided(
                Aligner(head, frames[0].device, _weights(number, plan, parent)), frames, spelt, checking
            )
        )
        targets = [
            _classes(head, words, cuts, len(each))
            for words, cuts, each in zip(spelt, divided, frames, strict=True)
        ]
        head = _measured(head, spelt, divided, targets, parent)
        head = _learned(head, frames, targets, plan, generator, number, checking)
    return replace(head, threshold=calibrated_threshold(Aligner(head, frames[0].device), frames, texts, seed))


def _weights(number: int, plan: HeadPlan, parent: AlignerHead | None) -> Weights:
    """Sounds decide alone until the head knows some: durations learned from a bad division keep it bad."""
    late = parent is not None or number >= plan.rounds // 2
    return _BY_SOUND_AND_LENGTH if late else _BY_SOUND


def _disturbed(
    waveforms: Sequence[np.ndarray], texts: Sequence[str], plan: HeadPlan, rng: Random
) -> list[tuple[np.ndarray, str]]:
    clips = []
    for samples, text in zip(waveforms, texts, strict=True):
        noisy = rng.random() < plan.noise_share
        clips.append((with_noise(samples, rng.uniform(*plan.noise_snr), rng) if noisy else samples, text))
    extra = math.ceil(plan.unspoken_share * len(clips))
    clips += [(unspoken(rng.uniform(0.5, 3.0), KINDS[i % len(KINDS)], rng), "") for i in range(extra)]
    return clips


def _beginning(
    frames: Sequence[torch.Tensor], spelt: Sequence[Sequence[Spelt]], parent: AlignerHead | None
) -> AlignerHead:
    """A head for every character that occurs: the parent's, the rest as if nothing were known of them."""
    occurring = {character for words in spelt for word in words for character in word.characters}
    known = parent.vocabulary if parent else ""
    vocabulary = known + "".join(sorted(occurring - set(known)))
    classes, device = len(vocabulary) + 1, frames[0].device
    head = AlignerHead(
        vocabulary=vocabulary,
        weight=torch.zeros(classes, frames[0].shape[1], device=device),
        bias=torch.zeros(classes, device=device),
        log_prior=torch.full((classes,), -math.log(classes), device=device),
        durations=_typical(vocabulary).to(device),
    )
    if parent:
        kept = len(known) + 1
        for name, tensor in parent.tensors().items():
            if name != "durations":
                getattr(head, name)[:kept] = tensor.to(device)
        head.durations[:kept] = parent.durations[:kept].to(device)
        head.durations[-2:] = parent.durations[-2:].to(device)
        head.bias[kept:] = head.bias[:kept].min()
        head.log_prior[kept:] = head.log_prior[:kept].min()
    return head


def _typical(vocabulary: str) -> torch.Tensor:
    rows = [_UNHEARD["syllable" if is_syllable(each) else "letter"] for each in vocabulary]
    return torch.tensor([_UNHEARD["letter"], *rows, _UNHEARD["letter"], _UNHEARD["syllable"]])


def _evenly(words: Sequence[Spelt], loud: np.ndarray) -> np.ndarray:
    """[N, 2]: characters spread by their typical lengths from the first loud frame to the last."""
    characters = [character for word in words for character in word.characters]
    found = np.flatnonzero(loud)
    first, after = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, len(loud))
    lengths = [math.exp(_UNHEARD["syllable" if is_syllable(c) else "letter"][0]) for c in characters]
    ends = np.cumsum([0.0, *lengths])
    cuts = np.rint(first + ends / max(ends[-1], 1e-9) * (after - first)).astype(np.int64)
    return np.stack([cuts[:-1], cuts[1:]], axis=1)


def _divided(
    aligner: Aligner,
    frames: Sequence[torch.Tensor],
    spelt: Sequence[Sequence[Spelt]],
    checking: Callable[[], None],
) -> list[np.ndarray | None]:
    order = sorted(range(len(frames)), key=lambda i: len(frames[i]))
    found: dict[int, np.ndarray | None] = {}
    with torch.inference_mode():
        for start in range(0, len(order), _AT_ONCE):
            checking()
            group = order[start : start + _AT_ONCE]
            heard = aligner.sounds([frames[i] for i in group])
            lines = [aligner.line(sounds, spelt[i]) for sounds, i in zip(heard, group, strict=True)]
            found.update(zip(group, best_segments(lines), strict=True))
    return [found[i] for i in range(len(frames))]


def _classes(head: AlignerHead, words: Sequence[Spelt], cuts: np.ndarray | None, length: int) -> torch.Tensor:
    """The class of every frame, int64 [length]; -100, which no loss counts, where the text does not fit."""
    if cuts is None:
        return torch.full((length,), -100)
    target = torch.full((length,), SILENCE)
    characters = [character for word in words for character in word.characters]
    for character, (first, after) in zip(characters, cuts.tolist(), strict=True):
        target[first:after] = head.classes[character]
    return target


def _measured(
    head: AlignerHead,
    spelt: Sequence[Sequence[Spelt]],
    divided: Sequence[np.ndarray | None],
    targets: Sequence[torch.Tensor],
    parent: AlignerHead | None,
) -> AlignerHead:
    """The head with priors and durations as the clips are divided now; a parent's count for half."""
    counts = torch.bincount(torch.cat([t[t >= 0] for t in targets]), minlength=len(head.bias)).float() + 1.0
    prior = (counts / counts.sum()).to(head.bias.device)
    if parent:
        prior = (prior + head.log_prior.exp() / head.log_prior.exp().sum()) / 2
    lasted: dict[int, list[float]] = {}
    for words, cuts in zip(spelt, divided, strict=True):
        if cuts is not None:
            characters = [character for word in words for character in word.characters]
            for character, (first, after) in zip(characters, cuts.tolist(), strict=True):
                lasted.setdefault(head.classes[character], []).append(math.log(max(1, after - first)))
    durations = head.durations.clone()
    for row, of_kind in ((-2, False), (-1, True)):
        kind = [x for c, v in lasted.items() if is_syllable(head.vocabulary[c - 1]) == of_kind for x in v]
        durations[row] = torch.tensor(_spread(kind, head.durations[row]))
    for number, seen in lasted.items():
        typical = durations[-1 if is_syllable(head.vocabulary[number - 1]) else -2]
        durations[number] = torch.tensor(_spread(seen, typical))
    return replace(head, log_prior=prior.log(), durations=durations)


def _spread(seen: Sequence[float], typical: torch.Tensor) -> tuple[float, float]:
    """Mean and deviation of `seen`, with the typical ones as if they had been seen `_UNHEARD_COUNT` times."""
    mean, deviation = typical.tolist()
    count = len(seen) + _UNHEARD_COUNT
    centre = (sum(seen) + _UNHEARD_COUNT * mean) / count
    apart = sum((x - centre) ** 2 for x in seen) + _UNHEARD_COUNT * (deviation**2 + (mean - centre) ** 2)
    return centre, max(_LEAST_DEVIATION, math.sqrt(apart / count))


def _learned(
    head: AlignerHead,
    frames: Sequence[torch.Tensor],
    targets: Sequence[torch.Tensor],
    plan: HeadPlan,
    generator: torch.Generator,
    number: int,
    checking: Callable[[], None],
) -> AlignerHead:
    """The head after one round of cross-entropy on the frames' classes; the rate falls from round to round."""
    every, wanted = torch.cat(list(frames)), torch.cat(list(targets)).to(frames[0].device)
    mean, deviation = every.mean(0), every.std(0) + 1e-3
    every = (every - mean) / deviation
    weight = (head.weight * deviation).requires_grad_()
    bias = (head.bias + head.weight @ mean).requires_grad_()
    optimiser = torch.optim.AdamW([weight, bias], lr=plan.learning_rate, weight_decay=plan.weight_decay)
    batches = math.ceil(len(every) / plan.batch_frames)
    passes = max(plan.passes, math.ceil(plan.least_steps / batches))
    steps, done = passes * batches, 0
    for _ in range(passes):
        order = torch.randperm(len(every), generator=generator).to(every.device)
        for batch in order.split(plan.batch_frames):
            if done % _AT_ONCE == 0:
                checking()
            whole = (number + done / steps) / plan.rounds
            for group in optimiser.param_groups:
                group["lr"] = plan.learning_rate * (1 - whole)
            scores = torch.nn.functional.linear(every[batch], weight, bias)
            loss = torch.nn.functional.cross_entropy(scores, wanted[batch], ignore_index=-100)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            done += 1
    plain = weight.detach() / deviation
    return replace(head, weight=plain, bias=bias.detach() - plain @ mean)


def _loud(samples: np.ndarray, frames: int) -> np.ndarray:
    """bool [frames]: frames over a third of the way, in dB, from the clip's quiet ones to its loud ones."""
    padded = np.pad(samples, (0, max(0, frames * _FRAME_SAMPLES - len(samples))))[: frames * _FRAME_SAMPLES]
    level = 10 * np.log10(np.square(padded.reshape(frames, -1), dtype=np.float64).mean(1) + 1e-10)
    low, high = np.percentile(level, (5, 95))
    return np.asarray(level > low + 0.35 * (high - low))
