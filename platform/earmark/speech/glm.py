"""GLM-ASR as an engine: one greedy pass gives the text and what the model thought of every token of it.

The library's `output_scores=True` keeps the whole vocabulary of every step (7.6 GB for 64 clips of 500
tokens); a recording logits processor keeps two numbers a step instead.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.engine import AUTO, ENTROPY_CHOICES, LANGUAGES, Abilities, Heard, TokenScore, modes_of
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import IGNORED_LABEL, check_clip, model_inputs, training_batch, window_samples
from earmark.speech.model_folder import LoadedModel, load_model

_SPARE_TOKENS = 8
"""Added to every clip's cap: the shortest clips still get room for a word and its end token."""

_UNFINISHED = "�"


class TokenRecorder(LogitsProcessor):
    """Keeps log-probability and top-k entropy of each step's likeliest token: O(batch x steps)."""

    def __init__(self) -> None:
        self._logprobs: list[torch.Tensor] = []
        self._entropies: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Record one step of scores [B, V] and pass them on unchanged."""
        logprobs, entropies = _choice_scores(scores)
        self._logprobs.append(logprobs)
        self._entropies.append(entropies)
        return scores

    def recorded(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities and entropies [B, steps] of the first `steps` steps."""
        pair = (self._logprobs, self._entropies)
        logprobs, entropies = (torch.stack(kept[:steps], dim=1).cpu().numpy() for kept in pair)
        return logprobs, entropies


class GlmAsrEngine:
    """A loaded GLM-ASR model behind the `Engine` call.

    Uses the model as it stands: put it in evaluation mode first unless its dropout is wanted. Clips are
    grouped by window, so what is heard in one does not depend on the clips it came with.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._spellings: dict[int, str] = {}

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        """See `earmark.speech.engine.Engine`."""
        return cls(load_model(source, device))

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        Raises EarmarkError `speech:clip:*` and `speech:language:unknown`, before any work is done.
        """
        modes_of(languages, len(waveforms), self.abilities.languages)
        heard: dict[int, Heard] = {}
        for group in self._groups(waveforms):
            heard.update(zip(group, self._hear_group([waveforms[i] for i in group]), strict=True))
        return [heard[i] for i in range(len(waveforms))]

    @torch.inference_mode()
    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """See `earmark.speech.engine.Engine`: once for every token the model writes."""
        modes_of([language], 1, self.abilities.languages)
        inputs, cap = model_inputs(self.loaded, [waveform]), self.token_cap(len(waveform))
        ids: list[int] = []
        logprobs: list[float] = []
        entropies: list[float] = []
        past = None
        while len(ids) < cap and not (ids and ids[-1] in self.loaded.end_token_ids):
            out = self.loaded.model(**inputs, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = out.past_key_values
            scores = out.logits[:, -1].float()
            logprob, entropy = _choice_scores(scores)
            ids.append(int(scores.argmax(-1)))
            logprobs.append(float(logprob))
            entropies.append(float(entropy))
            inputs = {"input_ids": scores.argmax(-1, keepdim=True)}
            yield self._heard(ids, np.array(logprobs), np.array(entropies))

    @property
    def abilities(self) -> Abilities:
        """See `earmark.speech.engine.Engine`."""
        return Abilities(logprobs=True, entropies=True, streams=True, languages=LANGUAGES)

    def padded_seconds(self, seconds: float) -> float:
        """Seconds of audio the model works through for a clip that long, by its window policy."""
        return window_samples(self.loaded, round(seconds * SAMPLE_RATE)) / SAMPLE_RATE

    def score(self, waveforms: Sequence[np.ndarray], texts: Sequence[str]) -> list[tuple[TokenScore, ...]]:
        """How the model would have scored each text, token by token with the end token last (teacher-forced).

        Raises as `hear` does, and `speech:score:unpaired` unless there is one text per waveform.
        """
        if len(waveforms) != len(texts):
            raise EarmarkError(
                "speech:score:unpaired",
                f"{len(waveforms)} clips and {len(texts)} texts are not pairs.",
                "Give one text per clip.",
            )
        scored: dict[int, tuple[TokenScore, ...]] = {}
        for group in self._groups(waveforms):
            clips, wanted = [waveforms[i] for i in group], [texts[i] for i in group]
            scored.update(zip(group, self._score_group(clips, wanted), strict=True))
        return [scored[i] for i in range(len(waveforms))]

    def token_cap(self, sample_count: int) -> int:
        """Most tokens we let the model write for a clip of that many samples."""
        per_second = self.loaded.manifest.max_new_tokens_per_second
        return math.ceil(sample_count / SAMPLE_RATE * per_second) + _SPARE_TOKENS

    def _groups(self, waveforms: Sequence[np.ndarray]) -> Iterable[list[int]]:
        groups: dict[int, list[int]] = {}
        for index, waveform in enumerate(waveforms):
            check_clip(waveform)
            groups.setdefault(window_samples(self.loaded, len(waveform)), []).append(index)
        return groups.values()

    @torch.inference_mode()
    def _hear_group(self, waveforms: Sequence[np.ndarray]) -> list[Heard]:
        caps = [self.token_cap(len(waveform)) for waveform in waveforms]
        inputs, recorder = model_inputs(self.loaded, waveforms), TokenRecorder()
        written = self.loaded.model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max(caps),
            pad_token_id=self.loaded.tokenizer.pad_token_id,
            logits_processor=LogitsProcessorList([recorder]),
        )[:, inputs["input_ids"].shape[1] :]
        logprobs, entropies = recorder.recorded(written.shape[1])
        rows = zip(written.tolist(), logprobs, entropies, caps, strict=True)
        return [self._heard(ids[:cap], logprob, entropy) for ids, logprob, entropy, cap in rows]

    def _heard(self, ids: list[int], logprobs: np.ndarray, entropies: np.ndarray) -> Heard:
        ends = self.loaded.end_token_ids
        length = next((i for i, token in enumerate(ids) if token in ends), None)
        kept = ids if length is None else ids[: length + 1]
        text = self.loaded.tokenizer.decode(ids[:length], skip_special_tokens=True).strip()
        return Heard(text, self._token_scores(kept, logprobs, entropies), truncated=length is None)

    @torch.inference_mode()
    def _score_group(
        self, waveforms: Sequence[np.ndarray], texts: Sequence[str]
    ) -> list[tuple[TokenScore, ...]]:
        batch = training_batch(self.loaded, waveforms, texts)
        labels = batch.pop("labels")
        longest = int((labels != IGNORED_LABEL).sum(1).max())
        logits = self.loaded.model(**batch, logits_to_keep=longest + 1).logits[:, :-1].float()
        wanted = labels[:, -longest:]
        ids = wanted.clamp(min=0)
        logprobs = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0].cpu().numpy()
        entropies = _choice_scores(logits)[1].cpu().numpy()
        lengths = (wanted != IGNORED_LABEL).sum(1).tolist()
        return [
            self._token_scores(ids[row, :length].tolist(), logprobs[row], entropies[row])
            for row, length in enumerate(lengths)
        ]

    def _token_scores(
        self, ids: Sequence[int], logprobs: np.ndarray, entropies: np.ndarray
    ) -> tuple[TokenScore, ...]:
        scores, pending = [], list[int]()
        for token, logprob, entropy in zip(ids, logprobs, entropies, strict=False):
            pending.append(token)
            spelling = self._spell(pending)
            if spelling.endswith(_UNFINISHED):
                spelling = ""
            else:
                pending = []
            scores.append(TokenScore(token, spelling, float(logprob), float(entropy)))
        return tuple(scores)

    def _spell(self, ids: list[int]) -> str:
        if len(ids) > 1:
            return str(self.loaded.tokenizer.decode(ids, skip_special_tokens=True))
        if ids[0] not in self._spellings:
            self._spellings[ids[0]] = str(self.loaded.tokenizer.decode(ids, skip_special_tokens=True))
        return self._spellings[ids[0]]


def _choice_scores(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of the likeliest token and entropy of the likeliest few, over the last axis."""
    logprobs = scores.float().log_softmax(-1)
    best = logprobs.topk(min(ENTROPY_CHOICES, logprobs.shape[-1]), dim=-1).values
    few = best.log_softmax(-1)
    return best[..., 0], -(few.exp() * few.clamp(min=-100.0)).sum(-1)
