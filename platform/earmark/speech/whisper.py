"""Whisper of any size as an engine: the text, each token's scores, its own idea of the language, an embedding.

Greedy, without timestamps, in 30 s windows, as the library's own `generate` writes (its short form): the same text
and the same scores, but the encoder runs once for language, text and embedding, and finished clips leave the batch.
"""

import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from earmark.speech.audio import MAX_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.engine import AUTO, LANGUAGES, Abilities, Heard, modes_of
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import check_clip
from earmark.speech.model_folder import find_folder, read_manifest
from earmark.speech.token_scores import TokenSpeller, choice_scores

_SPARE_TOKENS = 8
_SAMPLES_PER_STATE = 320
_NO_SPEECH, _POOR_LOGPROB = 0.6, -1.0
"""What Whisper's authors take for silence: both a likely no-speech token and a text it does not believe."""
_LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")
_SMALLEST_MULTILINGUAL = 51_865
"""Entries in the vocabulary of the smallest published checkpoint of many languages; an English one has fewer."""


@dataclass(frozen=True)
class LoadedWhisper:
    """A Whisper checkpoint ready for use. `tokens_per_second`: the cap on output by length of audio."""

    model: Any
    processor: Any
    source: str
    tokens_per_second: float = 15.0


@dataclass
class _Row:
    """One clip as it is being written."""

    cap: int
    language: str
    no_speech: float
    no_speech_entropy: float
    embedding: np.ndarray
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)


class WhisperEngine:
    """A loaded Whisper behind the `Engine` call; every clip stands in its own 30 s window."""

    def __init__(self, loaded: LoadedWhisper) -> None:
        self.loaded = loaded
        self._speller = TokenSpeller(loaded.processor.tokenizer)
        self._tokens = _Tokens.of(loaded)

    @classmethod
    def load(cls, source: str, device: str) -> Self:
        """See `earmark.speech.engine.Engine`: a folder or hub id in the published layout, safetensors only."""
        return cls(load_whisper(source, device))

    @property
    def abilities(self) -> Abilities:
        """`languages`: those of ours that this checkpoint has a token for (Cantonese came with large-v3)."""
        known = tuple(each for each in LANGUAGES if each in self._tokens.languages)
        return Abilities(logprobs=True, entropies=True, embeddings=True, streams=True, languages=known)

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        Under `AUTO` each clip's language is the likeliest by the model itself. Raises EarmarkError `speech:clip:*`
        and `speech:language:unknown`, before any work is done.
        """
        modes = modes_of(languages, len(waveforms), self.abilities.languages)
        for waveform in waveforms:
            check_clip(waveform)
        if not len(waveforms):
            return []
        (rows,) = deque(self._written(waveforms, modes), maxlen=1)
        return [self._heard(row) for row in rows]

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """See `earmark.speech.engine.Engine`: once for every token the model writes."""
        modes = modes_of([language], 1, self.abilities.languages)
        check_clip(waveform)
        for (row,) in self._written([waveform], modes):
            yield self._heard(row)

    def padded_seconds(self, seconds: float) -> float:
        """Always 30: the window is fixed."""
        return MAX_CLIP_SECONDS

    def token_cap(self, sample_count: int) -> int:
        """Most tokens we let the model write for a clip of that many samples."""
        room = int(self.loaded.model.config.max_target_positions) - 1 - len(self._tokens.prompt_end) - 1
        return min(
            room, math.ceil(sample_count / SAMPLE_RATE * self.loaded.tokens_per_second) + _SPARE_TOKENS
        )

    @torch.inference_mode()
    def _written(self, waveforms: Sequence[np.ndarray], modes: Sequence[str]) -> Iterator[list[_Row]]:
        """All rows, again after every token; a row whose end token has come, or that is full, grows no more."""
        states = self._encode(waveforms)
        scores, cache, rows = self._begin(states, waveforms, modes)
        tokens, active = self._tokens, list(rows)
        while True:
            scores[:, tokens.never] = -math.inf
            if not active[0].ids:
                scores[:, tokens.never_first] = -math.inf
            logprobs, entropies = choice_scores(scores)
            chosen = scores.argmax(-1)
            for row, token, logprob, entropy in zip(
                active, chosen.tolist(), logprobs.tolist(), entropies.tolist(), strict=True
            ):
                if not self._is_finished(row):
                    row.ids.append(token)
                    row.logprobs.append(logprob)
                    row.entropies.append(entropy)
            yield rows
            going = [index for index, row in enumerate(active) if not self._is_finished(row)]
            if not going:
                return
            if len(going) <= len(active) // 2:
                kept = torch.tensor(going, device=scores.device)
                cache.batch_select_indices(kept)
                chosen, states = chosen[kept], states[kept]
                active = [active[index] for index in going]
            scores, cache = self._step(states, chosen[:, None], cache)

    def _encode(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        """The encoder's output [B, 1500, H]."""
        model, extractor = self.loaded.model, self.loaded.processor.feature_extractor
        audio = [np.ascontiguousarray(waveform, dtype=np.float32) for waveform in waveforms]
        features = extractor(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        states: torch.Tensor = model.get_encoder()(features.to(model.device, model.dtype)).last_hidden_state
        return states

    def _begin(
        self, states: torch.Tensor, waveforms: Sequence[np.ndarray], modes: Sequence[str]
    ) -> tuple[torch.Tensor, Any, list[_Row]]:
        """Detect the languages, read the prompt: scores of the first token [B, V], the cache, the empty rows."""
        tokens = self._tokens
        start = torch.full((len(states), 1), tokens.start, device=states.device)
        scores, cache = self._step(states, start, None)
        languages = [
            mode if mode != AUTO else found for mode, found in zip(modes, self._detect(scores), strict=True)
        ]
        silences = scores.log_softmax(-1)[:, tokens.no_speech].exp().tolist()
        doubts = choice_scores(scores)[1].tolist()
        rows = [
            _Row(self.token_cap(len(waveform)), language, silence, doubt, _embedding(own, len(waveform)))
            for waveform, language, silence, doubt, own in zip(
                waveforms, languages, silences, doubts, states, strict=True
            )
        ]
        spoken = [[tokens.languages[each]] if tokens.languages_are_told else [] for each in languages]
        prompt = torch.tensor([[*each, *tokens.prompt_end] for each in spoken], device=states.device)
        return *self._step(states, prompt, cache), rows

    def _detect(self, scores: torch.Tensor) -> list[str]:
        """The likeliest language of each row, by the scores [B, V] after the start token."""
        names = list(self._tokens.languages)
        if not self._tokens.languages_are_told:
            return names[:1] * len(scores)
        ids = torch.tensor(list(self._tokens.languages.values()), device=scores.device)
        return [names[index] for index in scores[:, ids].argmax(-1).tolist()]

    def _step(self, states: torch.Tensor, ids: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        out = self.loaded.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            decoder_input_ids=ids,
            past_key_values=cache,
            use_cache=True,
        )
        return out.logits[:, -1].float(), out.past_key_values

    def _is_finished(self, row: _Row) -> bool:
        return len(row.ids) >= row.cap or self._is_ended(row)

    def _is_ended(self, row: _Row) -> bool:
        return bool(row.ids) and row.ids[-1] in self._tokens.ends

    def _heard(self, row: _Row) -> Heard:
        """The row's text; none where the model says that nobody speaks and believes its own text little."""
        ended = self._is_ended(row)
        heard = partial(Heard, embedding=row.embedding, language=row.language)
        if row.no_speech > _NO_SPEECH and sum(row.logprobs) / len(row.logprobs) < _POOR_LOGPROB:
            silence = self._speller.scored(
                [self._tokens.no_speech], [math.log(row.no_speech)], [row.no_speech_entropy]
            )
            return heard("", silence, truncated=False)
        spoken = row.ids[:-1] if ended else row.ids
        text = self.loaded.processor.tokenizer.decode(spoken, skip_special_tokens=True).strip()
        tokens = self._speller.scored(row.ids, row.logprobs, row.entropies)
        return heard(text, tokens, truncated=not ended)


@dataclass(frozen=True)
class _Tokens:
    """The tokens that steer a checkpoint. `languages`: id by code, a model of English alone tells it to nobody."""

    start: int
    prompt_end: tuple[int, ...]
    ends: frozenset[int]
    no_speech: int
    never: list[int]
    never_first: list[int]
    languages: dict[str, int]
    languages_are_told: bool

    @classmethod
    def of(cls, loaded: LoadedWhisper) -> Self:
        """Those of the checkpoint's generation config; the tokenizer's where an old checkpoint has none."""
        config, ids = loaded.model.generation_config, loaded.processor.tokenizer.get_vocab()
        multilingual = getattr(config, "is_multilingual", None)
        if multilingual is None:
            told = bool(getattr(config, "lang_to_id", None))
            multilingual = told or loaded.model.config.vocab_size >= _SMALLEST_MULTILINGUAL
        named = getattr(config, "lang_to_id", None) or {
            token: number for token, number in ids.items() if _LANGUAGE_TOKEN.fullmatch(token)
        }
        languages = {token[2:-2]: int(number) for token, number in named.items()}
        transcribe = (getattr(config, "task_to_id", None) or {}).get("transcribe", ids.get("<|transcribe|>"))
        untimed = getattr(config, "no_timestamps_token_id", None) or ids["<|notimestamps|>"]
        ends = config.eos_token_id
        return cls(
            start=int(config.decoder_start_token_id or loaded.model.config.decoder_start_token_id),
            prompt_end=(int(transcribe), int(untimed)) if multilingual else (int(untimed),),
            ends=frozenset(ends if isinstance(ends, list | tuple) else [ends]),
            no_speech=int(untimed) - 1,
            never=list(getattr(config, "suppress_tokens", None) or []),
            never_first=list(getattr(config, "begin_suppress_tokens", None) or []),
            languages=languages if multilingual else {"en": ids.get("<|en|>", -1)},
            languages_are_told=bool(multilingual),
        )


def load_whisper(source: str, device: str = "cpu", dtype: torch.dtype | None = None) -> LoadedWhisper:
    """Load a checkpoint from a folder in the published layout or from the hub by id, in evaluation mode.

    `dtype` defaults to float32 on a CPU and bfloat16 elsewhere. Only safetensors weights are read. Raises
    EarmarkError `recognition:model:unavailable`, `recognition:model:manifest` for a bad manifest beside it.
    """
    folder = find_folder(source)
    manifest = read_manifest(folder)
    dtype = dtype or (torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16)
    try:
        processor = WhisperProcessor.from_pretrained(folder)
        loaded: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _unavailable(source, f"{folder} does not hold a Whisper model: {error}") from error
    model, report = loaded
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise _unavailable(source, f"{folder} lacks weights of a Whisper model, among them {missing}")
    return LoadedWhisper(model.to(device).eval(), processor, source, manifest.max_new_tokens_per_second)


def _embedding(states: torch.Tensor, sample_count: int) -> np.ndarray:
    """The mean [H] of the states [1500, H] that are of the clip itself and not of the padding."""
    own = max(1, min(len(states), -(-sample_count // _SAMPLES_PER_STATE)))
    mean: np.ndarray = states[:own].float().mean(0).cpu().numpy()
    return mean


def _unavailable(source: str, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:unavailable",
        f"The model {source!r} cannot be loaded: {reason}.",
        "Name a folder that holds a Whisper model with safetensors weights, or a hub id this machine can reach.",
    )
