"""GLM-ASR as an engine: one greedy pass gives the text and what the model thought of every token of it.

The library's modules hold the weights; the loop around them is ours (`encoder`, `language_model`, `greedy`), so that
clips share batches, finished ones leave them, and nothing of the size of the vocabulary outlives a step.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_groups
from earmark.speech.decoders import Shelf, Size, fitting
from earmark.speech.engine import AUTO, LANGUAGES, Abilities, Heard, modes_of
from earmark.speech.examples import check_clip, window_samples
from earmark.speech.features import LogMel, LogMelMaker
from earmark.speech.greedy import SPARE_PLACES, Written
from earmark.speech.hearing import Clip, Encoded, Lane, Limits, listen, prompts
from earmark.speech.language_model import LanguageModel
from earmark.speech.model_folder import LoadedModel, load_model
from earmark.speech.overlapped import in_lanes
from earmark.speech.prompting import Request, request
from earmark.speech.runner import Runner
from earmark.speech.token_scores import TokenSpeller

_SPARE_TOKENS = 8
"""Added to every clip's cap: the shortest clips still get room for a word and its end token."""

_CPU = Limits(slots=16, places=16_384, group=8, frames=1_000, together=4)
_ACCELERATOR = Limits(slots=256, places=262_144, group=64, frames=96_000, together=32)
_SHARE_OF_FREE_MEMORY = 0.5
"""Of an accelerator's, for keys and values."""


class GlmAsrEngine:
    """A loaded GLM-ASR model behind the `Engine` call.

    Every clip stands in its own window, so what is heard in one does not depend on the clips it came with. Nothing is
    dropped out, whatever mode the model is in.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._speller = TokenSpeller(loaded.tokenizer)
        self._log_mel = LogMelMaker(loaded.processor.feature_extractor)
        self._shelf, self._runner = Shelf(), Runner(loaded)
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
        if not clips:
            return []
        limits = self._limits()
        lanes = torch.get_num_threads() if limits is _CPU else 1
        size = self._size(clips, min(limits.slots, -(-len(clips) // lanes)), limits)
        self._runner.refresh()
        lane = Lane(self._runner, self._shelf, size, limits.frames, limits.together, self._whole)
        groups = length_sorted_groups([self._places(clip) for clip in clips], min(limits.group, size.slots))
        heard = in_lanes(
            [[clips[i] for i in group] for group in groups], self._spectra, lane.hear, lanes=lanes
        )
        found = {key: one for results in heard for key, one in results.items()}
        return [found[i] for i in range(len(clips))]

    @torch.inference_mode()
    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """See `earmark.speech.engine.Engine`: once for every token the model writes, the last with word times."""
        clips = self._clips([waveform], modes_of([language], 1, LANGUAGES))
        self._runner.refresh()
        heard = listen(self._runner, self._spectra(clips), frames=_CPU.frames)
        decoder = self._shelf.take(self._runner, self._size(clips, 1, _CPU))
        decoder.admit([0], prompts(self.loaded, heard), [clips[0].cap])
        while not (finished := decoder.leave()):
            yield self._heard(decoder.so_far(0))
            decoder.step()
        yield self._whole(heard, [finished[0][1]])[0]

    def padded_seconds(self, seconds: float) -> float:
        """Seconds of audio the model works through for a clip that long, by its window policy."""
        return window_samples(self.loaded, round(seconds * SAMPLE_RATE)) / SAMPLE_RATE

    def token_cap(self, sample_count: int) -> int:
        """Most tokens we let the model write for a clip of that many samples."""
        per_second = self.loaded.manifest.max_new_tokens_per_second
        return math.ceil(sample_count / SAMPLE_RATE * per_second) + _SPARE_TOKENS

    def _clips(self, waveforms: Sequence[np.ndarray], modes: Sequence[str]) -> list[Clip]:
        for waveform in waveforms:
            check_clip(waveform)
        return [
            Clip(
                key,
                waveform,
                window_samples(self.loaded, len(waveform)),
                self._request(mode),
                self.token_cap(len(waveform)),
            )
            for key, (waveform, mode) in enumerate(zip(waveforms, modes, strict=True))
        ]

    def _request(self, mode: str) -> Request:
        manifest = self.loaded.manifest
        prompt = manifest.prompts.get(mode, manifest.prompt)
        if prompt not in self._requests:
            self._requests[prompt] = request(self.loaded.processor, prompt)
        return self._requests[prompt]

    def _places(self, clip: Clip) -> int:
        """Of its prompt and the longest answer."""
        tokens = self._log_mel.tokens(len(clip.samples))
        return len(clip.request.before) + tokens + len(clip.request.behind) + clip.cap

    def _spectra(self, clips: Sequence[Clip]) -> list[tuple[Clip, LogMel]]:
        return [(clip, self._log_mel(clip.samples, clip.window)) for clip in clips]

    def _limits(self) -> Limits:
        device = self.loaded.device
        if device.type != "cuda":
            return _CPU if device.type == "cpu" else _ACCELERATOR
        free, _ = torch.cuda.mem_get_info(device)
        places = int(_SHARE_OF_FREE_MEMORY * free / LanguageModel(self.loaded.model).bytes_per_place)
        return replace(_ACCELERATOR, places=min(_ACCELERATOR.places, places))

    def _size(self, clips: Sequence[Clip], slots: int, limits: Limits) -> Size:
        """Of decoders with at most `slots` slots for those clips."""
        room = max(map(self._places, clips)) + SPARE_PLACES
        size = Size(slots, room, max(clip.cap for clip in clips))
        return fitting(size, places=limits.places, rounded=self.loaded.device.type == "cuda")

    def _whole(self, heard: Sequence[Encoded], rows: Sequence[Written]) -> list[Heard]:
        """What was heard, with an embedding and, where the model has an aligner, with the times of its words."""
        found = [
            self._heard(row, one.frames.float().mean(0).cpu().numpy())
            for one, row in zip(heard, rows, strict=True)
        ]
        if self.loaded.aligner is None:
            return found
        aligned = self.loaded.aligner.align_batch([one.frames for one in heard], [one.text for one in found])
        return [
            replace(one, words=times.words, alignment=times.score)
            for one, times in zip(found, aligned, strict=True)
        ]

    def _heard(self, row: Written, embedding: np.ndarray | None = None) -> Heard:
        ended = row.ids[-1] in self.loaded.end_token_ids
        said = row.ids[:-1] if ended else row.ids
        text = self.loaded.tokenizer.decode(said, skip_special_tokens=True).strip()
        tokens = self._speller.scored(row.ids, row.logprobs.tolist(), row.entropies.tolist())
        return Heard(text, tokens, truncated=not ended, embedding=embedding)
