"""GLM-ASR as an engine: one greedy pass gives the text and what the model thought of every token of it.

The library's modules hold the weights; the loop around them is ours (`encoder`, `language_model`, `greedy`), so that
clips share batches, finished ones leave them, and nothing of the size of the vocabulary outlives a step.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Self

import numpy as np
import torch

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import Room, token_batches
from earmark.speech.engine import AUTO, LANGUAGES, Abilities, Heard, TokenScore, modes_of
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import IGNORED_LABEL, check_clip, training_batch, window_samples
from earmark.speech.features import LogMel, LogMelMaker
from earmark.speech.greedy import Step, Written, greedy_steps, write, written
from earmark.speech.hearing import Clip, encoded_frames, prompts
from earmark.speech.model_folder import LoadedModel, load_model
from earmark.speech.overlapped import overlapped
from earmark.speech.prompting import Request, request
from earmark.speech.token_scores import TokenSpeller, choice_scores

_SPARE_TOKENS = 8
"""Added to every clip's cap: the shortest clips still get room for a word and its end token."""

_CPU_ROOM = Room(rows=32, places=16_384)
"""So few rows that their keys and values stay in a processor's cache, enough to share the cost of a step."""
_ACCELERATOR_ROOM = Room(rows=256, places=262_144)


class GlmAsrEngine:
    """A loaded GLM-ASR model behind the `Engine` call.

    Every clip stands in its own window, so what is heard in one does not depend on the clips it came with. Nothing is
    dropped out, whatever mode the model is in.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._speller = TokenSpeller(loaded.tokenizer)
        self._log_mel = LogMelMaker(loaded.processor.feature_extractor)
        self._requests: dict[str | None, Request] = {}

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        """See `earmark.speech.engine.Engine`."""
        return cls(load_model(source, device))

    @property
    def abilities(self) -> Abilities:
        """See `earmark.speech.engine.Engine`."""
        return Abilities(
            logprobs=True,
            entropies=True,
            times=self.loaded.aligner is not None,
            embeddings=True,
            streams=True,
            languages=LANGUAGES,
        )

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        Any number of them: batches are made here and overlap, so more at once is faster. Raises EarmarkError
        `speech:clip:*` and `speech:language:unknown`, before any work is done.
        """
        clips = self._clips(waveforms, modes_of(languages, len(waveforms), LANGUAGES))
        on_cpu = self.loaded.device.type == "cpu"
        workers = torch.get_num_threads() if on_cpu else 1
        places = [clip.places(self._log_mel.hop) for clip in clips]
        batches = token_batches(places, _CPU_ROOM if on_cpu else _ACCELERATOR_ROOM, at_least=workers)
        heard = overlapped(
            [[clips[i] for i in batch] for batch in batches], self._spectra, self._hear_batch, workers=workers
        )
        found = dict(zip(chain(*batches), chain(*heard), strict=True))
        return [found[i] for i in range(len(clips))]

    @torch.inference_mode()
    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """See `earmark.speech.engine.Engine`: once for every token the model writes, the last with word times."""
        clips = self._clips([waveform], modes_of([language], 1, LANGUAGES))
        caps, ends = [clips[0].cap], self.loaded.end_token_ids
        spectra = self._spectra(clips)
        encoded = encoded_frames(self.loaded, spectra)
        read = prompts(self.loaded, [clips[0].request], spectra, encoded)
        steps: list[Step] = []
        for taken in greedy_steps(self.loaded.model, read, caps, ends):
            steps.append(taken)
            so_far = written(steps, caps, ends)
            if so_far[0].ids[-1] in ends or len(so_far[0].ids) == caps[0]:
                break
            yield self._heard(so_far[0])
        yield self._whole(so_far, spectra, encoded)[0]

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
        groups: dict[int, list[int]] = {}
        for index, waveform in enumerate(waveforms):
            check_clip(waveform)
            groups.setdefault(window_samples(self.loaded, len(waveform)), []).append(index)
        scored: dict[int, tuple[TokenScore, ...]] = {}
        for group in groups.values():
            clips, wanted = [waveforms[i] for i in group], [texts[i] for i in group]
            scored.update(zip(group, self._score_group(clips, wanted), strict=True))
        return [scored[i] for i in range(len(waveforms))]

    def token_cap(self, sample_count: int) -> int:
        """Most tokens we let the model write for a clip of that many samples."""
        per_second = self.loaded.manifest.max_new_tokens_per_second
        return math.ceil(sample_count / SAMPLE_RATE * per_second) + _SPARE_TOKENS

    def _clips(self, waveforms: Sequence[np.ndarray], modes: Sequence[str]) -> list[Clip]:
        for waveform in waveforms:
            check_clip(waveform)
        return [
            Clip(
                waveform,
                window_samples(self.loaded, len(waveform)),
                self._request(mode),
                self.token_cap(len(waveform)),
            )
            for waveform, mode in zip(waveforms, modes, strict=True)
        ]

    def _request(self, mode: str) -> Request:
        prompt = self.loaded.manifest.prompt
        if prompt not in self._requests:
            self._requests[prompt] = request(self.loaded.processor, prompt)
        return self._requests[prompt]

    def _spectra(self, clips: Sequence[Clip]) -> list[LogMel]:
        return [self._log_mel(clip.samples, clip.window) for clip in clips]

    def _hear_batch(self, clips: Sequence[Clip], spectra: Sequence[LogMel]) -> list[Heard]:
        encoded = encoded_frames(self.loaded, spectra)
        read = prompts(self.loaded, [clip.request for clip in clips], spectra, encoded)
        caps = [clip.cap for clip in clips]
        return self._whole(write(self.loaded.model, read, caps, self.loaded.end_token_ids), spectra, encoded)

    def _whole(
        self, rows: Sequence[Written], spectra: Sequence[LogMel], encoded: Sequence[torch.Tensor]
    ) -> list[Heard]:
        """What was heard, with an embedding and, where the model has an aligner, with the times of its words."""
        embeddings = [each.float().mean(0).cpu().numpy() for each in encoded]
        heard = [self._heard(row, embedding) for row, embedding in zip(rows, embeddings, strict=True)]
        if self.loaded.aligner is None:
            return heard
        aligned = self.loaded.aligner.align_batch(encoded, [one.text for one in heard])
        return [
            replace(one, words=times.words, alignment=times.score)
            for one, times in zip(heard, aligned, strict=True)
        ]

    def _heard(self, row: Written, embedding: np.ndarray | None = None) -> Heard:
        ended = row.ids[-1] in self.loaded.end_token_ids
        said = row.ids[:-1] if ended else row.ids
        text = self.loaded.tokenizer.decode(said, skip_special_tokens=True).strip()
        tokens = self._speller.scored(row.ids, row.logprobs.tolist(), row.entropies.tolist())
        return Heard(text, tokens, truncated=not ended, embedding=embedding)

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
        logprobs = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0].tolist()
        entropies = choice_scores(logits)[1].tolist()
        lengths = (wanted != IGNORED_LABEL).sum(1).tolist()
        return [
            self._speller.scored(ids[row, :length].tolist(), logprobs[row], entropies[row])
            for row, length in enumerate(lengths)
        ]
