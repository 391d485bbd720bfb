"""A lane of work: from spectra through encoder, projector and language model to what was written, clip after clip."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from earmark.speech.decoders import Shelf, Size
from earmark.speech.encoder import project
from earmark.speech.features import FRAMES_PER_TOKEN, LogMel
from earmark.speech.greedy import Decoder, Written
from earmark.speech.model_folder import LoadedModel
from earmark.speech.prompting import Request
from earmark.speech.runner import Runner

Finished = TypeVar("Finished")

_FINISHED_TOGETHER = 16


@dataclass(frozen=True)
class Clip:
    """One clip to hear, `key` its number: samples, samples of its window, request put to the model, token cap."""

    key: int
    samples: np.ndarray
    window: int
    request: Request
    cap: int


@dataclass(frozen=True)
class Limits:
    """What a device holds: `slots` that write at once, `places` of prompt and answer in all of them together.

    `group`: clips that are encoded together, `frames` of output at a time; `together`: free slots for which it is
    worth while to read prompts.
    """

    slots: int
    places: int
    group: int
    frames: int
    together: int


@dataclass(frozen=True)
class Encoded:
    """A clip and what the encoder made of it: `frames` [encoded, H] over the clip's own time."""

    clip: Clip
    spectrum: LogMel
    frames: torch.Tensor


@dataclass(frozen=True)
class Lane(Generic[Finished]):
    """What lanes share. `finish` turns rows that are written into results, some at a time, in the order given."""

    runner: Runner
    shelf: Shelf
    size: Size
    frames: int
    together: int
    finish: Callable[[Sequence[Encoded], Sequence[Written]], Sequence[Finished]]

    def hear(self, groups: Iterator[Sequence[tuple[Clip, LogMel]]]) -> dict[int, Finished]:
        """Every clip's result by its key."""
        decoder = self.shelf.take(self.runner, self.size)
        waiting: list[Encoded] = []
        listening: dict[int, Encoded] = {}
        done: list[tuple[int, Written]] = []
        found: dict[int, Finished] = {}
        while True:
            if not waiting:
                waiting = listen(self.runner, next(groups, ()), frames=self.frames)
                self._settle(done, listening, found, at_least=_FINISHED_TOGETHER)
            if waiting and decoder.free >= min(self.together, len(waiting)):
                admitted, waiting = waiting[: decoder.free], waiting[decoder.free :]
                listening.update((one.clip.key, one) for one in admitted)
                self._admit(decoder, admitted)
            elif decoder.busy:
                if not waiting:
                    decoder.shrink()
                decoder.step()
            else:
                break
            done += decoder.leave()
        self._settle(done, listening, found, at_least=1)
        self.shelf.put_back(decoder, self.size)
        return found

    def _admit(self, decoder: Decoder, clips: Sequence[Encoded]) -> None:
        keys, caps = [one.clip.key for one in clips], [one.clip.cap for one in clips]
        decoder.admit(keys, prompts(self.runner.loaded, clips), caps)

    def _settle(
        self,
        done: list[tuple[int, Written]],
        listening: dict[int, Encoded],
        found: dict[int, Finished],
        *,
        at_least: int,
    ) -> None:
        if len(done) >= at_least:
            rows = [listening.pop(key) for key, _ in done]
            results = self.finish(rows, [row for _, row in done])
            found.update(zip([key for key, _ in done], results, strict=True))
            done.clear()


def listen(runner: Runner, group: Sequence[tuple[Clip, LogMel]], *, frames: int) -> list[Encoded]:
    """The encoder over a group of clips; see `encoded_frames`."""
    heard = encoded_frames(runner, [spectrum for _, spectrum in group], frames=frames)
    return [Encoded(clip, spectrum, each) for (clip, spectrum), each in zip(group, heard, strict=True)]


def encoded_frames(runner: Runner, spectra: Sequence[LogMel], *, frames: int = 2_000) -> list[torch.Tensor]:
    """The encoder's output [encoded, H] over each clip's own frames.

    Clips of one window share the work, as many at a time as have `frames` of output. For use in inference mode.
    """
    by_window: dict[int, list[int]] = {}
    for index, spectrum in enumerate(spectra):
        by_window.setdefault(spectrum.frames, []).append(index)
    found: dict[int, torch.Tensor] = {}
    for window, members in by_window.items():
        size = max(1, frames // (window // 2))
        for start in range(0, len(members), size):
            some = members[start : start + size]
            heard = runner.encode([spectra[i] for i in some])
            found.update(zip(some, heard, strict=True))
    return [found[i] for i in range(len(spectra))]


def prompts(loaded: LoadedModel, heard: Sequence[Encoded]) -> list[torch.Tensor]:
    """What the language model reads for each clip [P, H]: the request with the clip's audio tokens in it."""
    merged = FRAMES_PER_TOKEN // 2
    tokens = [one.spectrum.tokens for one in heard]
    own = [one.frames[: merged * count] for one, count in zip(heard, tokens, strict=True)]
    audio = project(loaded.model.model, torch.cat(own)).split(tokens)
    around = {one: _embedded(loaded, one) for one in {one.clip.request for one in heard}}
    return [
        torch.cat((around[one.clip.request][0], part, around[one.clip.request][1]))
        for one, part in zip(heard, audio, strict=True)
    ]


def _embedded(loaded: LoadedModel, request: Request) -> list[torch.Tensor]:
    table = loaded.model.get_input_embeddings()
    return [table(torch.tensor(ids, dtype=torch.long, device=loaded.device)) for ids in request]
