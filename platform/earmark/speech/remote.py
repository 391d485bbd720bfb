"""A recogniser behind an OpenAI-compatible server (vLLM, SGLang, OpenAI): `POST /v1/audio/transcriptions`.

Servers differ in what they tell beside the text. The first clip with speech finds out: log-probabilities of tokens
(`include[]=logprobs`, as OpenAI's own models), else those of segments (`verbose_json`, as vLLM with Whisper: a segment
then stands as one token with the mean of its tokens), else the text alone.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx
import numpy as np

from earmark.speech.audio import write_flac
from earmark.speech.engine import AUTO, LANGUAGES, Abilities, Heard, TokenScore, modes_of
from earmark.speech.errors import EarmarkError
from earmark.speech.examples import check_clip
from earmark.speech.remote_address import RemoteAddress, remote_address

AT_ONCE = 8
ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
TIMEOUT = httpx.Timeout(120.0, connect=10.0)
LARGEST_ANSWER = 4 * 1024 * 1024

_FORMS: dict[str, dict[str, str]] = {
    "tokens": {"response_format": "json", "include[]": "logprobs"},
    "segments": {"response_format": "verbose_json", "timestamp_granularities[]": "segment"},
    "plain": {"response_format": "json"},
}
_CODES = {"english": "en", "chinese": "zh", "mandarin": "zh", "cantonese": "yue"}
_NO_TOKEN_ID = -1


class RemoteEngine:
    """A remote model behind the `Engine` call; clips go as 16-bit FLAC, `at_once` of them at a time.

    Thread-safe. Nothing is followed elsewhere: a redirect is an error, and proxies of the environment are not used.
    """

    def __init__(
        self,
        address: RemoteAddress,
        *,
        key: str = "",
        at_once: int = AT_ONCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            headers=headers, timeout=TIMEOUT, follow_redirects=False, trust_env=False,
            limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once),
        )  # fmt: skip
        self._at_once, self._sleep = at_once, sleep
        self._form: str | None = None
        self._asking = threading.Lock()

    @classmethod
    def load(cls, source: str, device: str, *, hosts: Sequence[str] = (), key: str = "") -> Self:
        """The model at the address `source`, if its server is among `hosts`; see `remote_address`.

        Raises EarmarkError `recognition:remote:*`, and `recognition:model:unavailable` when the server says that it
        has other models.
        """
        engine = cls(remote_address(source, hosts), key=key)
        engine.check_model()
        return engine

    @property
    def abilities(self) -> Abilities:
        """Log-probabilities once the server is known to give them. Which languages the model knows only it can say."""
        return Abilities(logprobs=self._form in ("tokens", "segments"), languages=LANGUAGES)

    def check_model(self) -> None:
        """Ask the server for its models; one that does not list them is believed."""
        answer = self._send("GET", "/models", refusals={404, 405})
        listed = answer.get("data") if isinstance(answer, dict) else None
        names = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        if names and self.address.model not in names:
            raise EarmarkError(
                "recognition:model:unavailable",
                f"{self.address.place} has no model {self.address.model!r}.",
                f"It offers {', '.join(str(each) for each in names[:10])}: name one of these after the #.",
            )

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        """Transcribe mono float32 waveforms [n] at 16 kHz, 0.1 to 30 s each, in the order given.

        Raises EarmarkError `speech:clip:*` and `speech:language:unknown` before anything is sent, then
        `recognition:remote:*`: the first clip that fails ends the call.
        """
        modes = modes_of(languages, len(waveforms), LANGUAGES)
        for waveform in waveforms:
            check_clip(waveform)
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="remote") as pool:
            asked = [pool.submit(self._heard, *one) for one in zip(waveforms, modes, strict=True)]
            try:
                return [each.result() for each in asked]
            finally:
                for each in asked:
                    each.cancel()

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        """The whole at once: this server answers when it is done."""
        yield from self.hear([waveform], languages=[language])

    def padded_seconds(self, seconds: float) -> float:
        """The clip itself: how its server pads is its own affair."""
        return seconds

    def _heard(self, waveform: np.ndarray, mode: str) -> Heard:
        audio = write_flac(waveform)
        if self._form is None:
            with self._asking:
                if self._form is None:
                    return self._find_form(audio, mode)
        return _read(self._ask(audio, mode, self._form or "plain"), mode)

    def _find_form(self, audio: bytes, mode: str) -> Heard:
        """Hear one clip in the form that tells most, and stay with it."""
        best: tuple[str, Heard] | None = None
        for form in _FORMS:
            try:
                heard = _read(self._ask(audio, mode, form), mode)
            except EarmarkError as error:
                if error.error_id != "recognition:remote:refused" or (form == "plain" and not best):
                    raise
                continue
            if best is None or len(heard.tokens) or (heard.language and not best[1].language):
                best = (form, heard)
            if heard.tokens:
                break
        assert best is not None
        if best[1].text:
            self._form = best[0]
        return best[1]

    def _ask(self, audio: bytes, mode: str, form: str) -> Any:
        fields = {"model": self.address.model, "temperature": "0", **_FORMS[form]}
        if mode != AUTO:
            fields["language"] = mode
        files = {"file": ("clip.flac", audio, "audio/flac")}
        return self._send("POST", "/audio/transcriptions", data=fields, files=files)

    def _send(self, method: str, path: str, *, refusals: set[int] | None = None, **body: Any) -> Any:
        """The JSON that the server answers, asked again while it is away or busy; None for one of `refusals`."""
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            is_last = attempt == ATTEMPTS
            try:
                status, headers, content = self._once(method, path, body)
            except httpx.RequestError as error:
                if is_last:
                    raise self._unreachable(error) from error
            else:
                if status not in (408, 429) and status < 500:
                    return None if status in (refusals or ()) else self._answer(status, content)
                if is_last:
                    raise self._busy(status, content)
                wait = _retry_after(headers, wait)
            self._sleep(min(wait, LONGEST_WAIT_SECONDS))
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        with self._client.stream(method, self.address.base + path, **body) as response:
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    raise self._unread(f"its answer is over {LARGEST_ANSWER} bytes")
            return response.status_code, response.headers, content

    def _answer(self, status: int, content: bytes) -> Any:
        if status in (401, 403):
            raise EarmarkError(
                "recognition:remote:key",
                f"{self.address.place} did not accept the key ({status}).",
                "Who runs the platform sets EARMARK_REMOTE_KEY to a key this server knows.",
            )
        if not 200 <= status < 300:
            raise EarmarkError(
                "recognition:remote:refused",
                f"{self.address.place} refused with {status}: {_shown(content)}",
                "Check the model's name and path, and that the model knows the language it is asked for.",
            )
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._unread(f"its answer is not JSON: {_shown(content)}") from error

    def _unreachable(self, error: Exception) -> EarmarkError:
        return EarmarkError(
            "recognition:remote:unreachable",
            f"{self.address.place} cannot be reached ({type(error).__name__}: {error}), {ATTEMPTS} times over.",
            "Start the server, or correct the model's address; clips it has not heard are tried by the next run.",
        )

    def _busy(self, status: int, content: bytes) -> EarmarkError:
        return EarmarkError(
            "recognition:remote:busy",
            f"{self.address.place} answered {status}, {ATTEMPTS} times over: {_shown(content)}",
            "Look at the server's log, or try again when it has less to do.",
        )

    def _unread(self, reason: str) -> EarmarkError:
        return EarmarkError(
            "recognition:remote:answer",
            f"{self.address.place} is no transcription server we understand: {reason}",
            "The address must lead to an OpenAI-compatible /v1 with /audio/transcriptions.",
        )


def _read(answer: Any, mode: str) -> Heard:
    """What the server heard, from any of the forms."""
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise EarmarkError(
            "recognition:remote:answer",
            f"The answer holds no text: {str(answer)[:200]}",
            "The address must lead to an OpenAI-compatible /v1 with /audio/transcriptions.",
        )
    told = answer.get("language")
    spoken = str(told).lower() if told else ("" if mode == AUTO else mode)
    tokens = _token_scores(answer.get("logprobs")) or _segment_scores(answer.get("segments"))
    return Heard(answer["text"].strip(), tokens, truncated=False, language=_CODES.get(spoken, spoken))


def _token_scores(told: Any) -> tuple[TokenScore, ...]:
    rows = [one for one in _rows(told) if _is_logprob(one.get("logprob"))]
    return tuple(_score(str(one.get("token", "")), one["logprob"]) for one in rows)


def _segment_scores(told: Any) -> tuple[TokenScore, ...]:
    """A server that knows no log-probabilities writes 0 for a segment without tokens."""
    rows = [one for one in _rows(told) if _is_logprob(one.get("avg_logprob"))]
    return tuple(
        _score(str(one.get("text", "")), one["avg_logprob"])
        for one in rows
        if one["avg_logprob"] < 0 or one.get("tokens")
    )


def _score(text: str, logprob: float) -> TokenScore:
    return TokenScore(_NO_TOKEN_ID, text, min(0.0, float(logprob)), math.nan)


def _rows(told: Any) -> list[dict[str, Any]]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _is_logprob(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _retry_after(headers: httpx.Headers, otherwise: float) -> float:
    told = headers.get("Retry-After", "")
    return float(told) if told.isdigit() else otherwise


def _shown(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", errors="replace").split())
    return text[:200] or "nothing more"
