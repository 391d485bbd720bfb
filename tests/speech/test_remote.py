"""The remote engine against real servers on this machine."""

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from earmark.speech.audio import read_flac
from earmark.speech.confidence import clip_confidence
from earmark.speech.errors import EarmarkError
from earmark.speech.remote import ATTEMPTS, RemoteEngine
from earmark.speech.remote_address import remote_address
from tests.speech.transcription_server import Answer, Asked, Server, told, transcription_server


def engine_at(server: Server, **more: Any) -> RemoteEngine:
    return RemoteEngine(remote_address(server.source, [server.place]), sleep=lambda _seconds: None, **more)


def clip(level: int) -> np.ndarray:
    return np.full(1_600 + level, level / 1_000, dtype=np.float32)


def level_of(asked: Asked) -> int:
    return round(float(read_flac(asked.fields["file"]).mean()) * 1_000)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(EarmarkError) as caught:
        call()
    assert caught.value.hint
    return caught.value.error_id


def test_clips_go_as_they_are_and_texts_come_back_in_their_order() -> None:
    with transcription_server(lambda asked: told({"text": f" level {level_of(asked)} "})) as server:
        engine = engine_at(server, key="sesame")
        found = engine.hear([clip(level) for level in range(1, 20)], languages=["zh", *["auto"] * 18])
        assert [one.text for one in found] == [f"level {level}" for level in range(1, 20)]
        assert {one.key for one in server.asked} == {"Bearer sesame"}
        assert {one.path for one in server.asked} == {"/v1/audio/transcriptions"}
        assert {one.said("model") for one in server.asked} == {"tiny"}
        sent = {level_of(one): one.said("language") for one in server.asked}
        assert sent == {1: "zh", **dict.fromkeys(range(2, 20), "")}
        assert found[0].language == "zh"


def test_scores_of_tokens_are_taken_where_a_server_gives_them() -> None:
    def answer(asked: Asked) -> Answer:
        scores = [{"token": "hi", "logprob": -0.25, "bytes": [104, 105]}, {"token": " you", "logprob": 1e-7}]
        return told({"text": "hi you", "logprobs": scores if asked.said("include[]") else None})

    with transcription_server(answer) as server:
        engine = engine_at(server)
        assert not engine.abilities.logprobs
        heard = engine.hear([clip(1), clip(2)])
        assert [(token.text, token.logprob) for token in heard[1].tokens] == [("hi", -0.25), (" you", 0.0)]
        assert all(math.isnan(token.entropy) for token in heard[0].tokens)
        assert (engine.abilities.logprobs, engine.abilities.entropies, len(server.asked)) == (True, False, 2)


def test_scores_of_segments_stand_in_where_there_are_none_of_tokens() -> None:
    def answer(asked: Asked) -> Answer:
        segment = {"text": " hello", "avg_logprob": -0.5, "tokens": [5, 6], "no_speech_prob": 0.1}
        if asked.said("response_format") == "verbose_json":
            return told({"text": "hello", "language": "Cantonese", "segments": [segment]})
        return told({"text": "hello", "usage": {"type": "duration", "seconds": 1}})

    with transcription_server(answer) as server:
        engine = engine_at(server)
        first, second = engine.hear([clip(1)]), engine.hear([clip(2)])
        assert [(each.text, each.logprob) for each in second[0].tokens] == [(" hello", -0.5)]
        assert first[0].language == second[0].language == "yue"
        assert len(server.asked) == 3


def test_a_server_that_gives_text_alone_is_asked_for_no_more() -> None:
    def answer(asked: Asked) -> Answer:
        if asked.said("response_format") == "verbose_json" or asked.said("include[]"):
            return told({"error": {"message": "not supported"}}, status=400)
        return told({"text": "hello"})

    with transcription_server(answer) as server:
        engine = engine_at(server)
        (heard,) = engine.hear([clip(1)])
        engine.hear([clip(2), clip(3)])
        assert (heard.text, heard.tokens, engine.abilities.logprobs) == ("hello", (), False)
        assert len(server.asked) == 5


def test_silence_teaches_nothing_about_what_a_server_gives() -> None:
    def answer(asked: Asked) -> Answer:
        spoken = level_of(asked) > 1
        scores: list[dict[str, Any]] = [{"token": "hi", "logprob": -0.5}]
        return told({"text": "hi" if spoken else "", "logprobs": scores if spoken else []})

    with transcription_server(answer) as server:
        engine = engine_at(server)
        assert engine.hear([clip(1)])[0].text == ""
        assert [len(one.tokens) for one in engine.hear([clip(2)])] == [1]


def test_a_text_without_scores_is_trusted_little_and_not_flagged_for_it() -> None:
    with transcription_server(lambda _asked: told({"text": "hello there"})) as server:
        (heard,) = engine_at(server).hear([clip(50)])
    found = clip_confidence(heard, 1.0)
    assert 0.0 <= found.value <= 0.5
    assert found.flags == ()
    assert all(math.isfinite(value) for value in found.features.values())


def test_a_busy_server_is_asked_again_and_only_so_often() -> None:
    waits: list[float] = []
    replies = iter([told(b"", 503), told(b"", 429, Retry_After="7"), told({"text": "hi"})])
    with transcription_server(lambda _asked: next(replies, told(b"overloaded", 500))) as server:
        engine = RemoteEngine(remote_address(server.source, [server.place]), sleep=waits.append)
        engine._form = "plain"
        assert engine.hear([clip(1)])[0].text == "hi"
        assert waits == [0.5, 7.0]
        server.asked.clear()
        assert refused(lambda: engine.hear([clip(1)])) == "recognition:remote:busy"
        assert len(server.asked) == ATTEMPTS


def test_no_more_clips_are_under_way_than_it_was_told() -> None:
    together = threading.Barrier(3)

    def answer(_asked: Asked) -> Answer:
        together.wait(timeout=10)
        return told({"text": "hi"})

    with transcription_server(answer) as server:
        engine = engine_at(server, at_once=3)
        engine._form = "plain"
        assert len(engine.hear([clip(level) for level in range(9)])) == 9
        assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("reply", "error_id"),
    [
        (told(b"no", 401), "recognition:remote:key"),
        (told(b"no such route", 404), "recognition:remote:refused"),
        (told(b"", 307, Location="http://127.0.0.1:9/v1/audio/transcriptions"), "recognition:remote:refused"),
        (told(b"<html>"), "recognition:remote:answer"),
        (told({"words": []}), "recognition:remote:answer"),
        (told(b" " * 5_000_000), "recognition:remote:answer"),
    ],
)
def test_what_a_server_says_wrong_has_an_id_of_its_own(reply: Answer, error_id: str) -> None:
    with transcription_server(lambda _asked: reply) as server:
        assert refused(lambda: engine_at(server).hear([clip(1)])) == error_id


def test_a_server_that_is_away_and_a_model_it_has_not() -> None:
    with transcription_server(lambda _asked: told({"text": ""})) as server:
        other = server.source.replace("tiny", "huge")
        assert refused(lambda: RemoteEngine.load(other, "cpu", hosts=[server.place])) == (
            "recognition:model:unavailable"
        )
        RemoteEngine.load(server.source, "cpu", hosts=[server.place], key="k")
    assert refused(lambda: engine_at(server).check_model()) == "recognition:remote:unreachable"


@pytest.mark.parametrize(
    ("source", "hosts", "error_id"),
    [
        ("http://inside:9000/v1#m", [], "recognition:remote:not-allowed"),
        ("http://inside:9000/v1#m", ["inside"], "recognition:remote:not-allowed"),
        ("http://inside:9000/v1#m", ["outside:9000"], "recognition:remote:not-allowed"),
        ("http://inside.evil:80/v1#m", ["inside"], "recognition:remote:not-allowed"),
        ("http://inside@evil/v1#m", ["inside"], "recognition:remote:address"),
        ("http://inside/v1", ["inside"], "recognition:remote:address"),
        ("http://inside:port/v1#m", ["inside"], "recognition:remote:address"),
        ("ftp://inside/v1#m", ["inside"], "recognition:remote:address"),
        ("http://inside/v1?key=1#m", ["inside"], "recognition:remote:address"),
    ],
)
def test_clips_go_nowhere_but_to_allowed_servers(source: str, hosts: list[str], error_id: str) -> None:
    assert refused(lambda: RemoteEngine.load(source, "cpu", hosts=hosts)) == error_id


def test_an_address_is_taken_apart() -> None:
    found = remote_address("https://Inside/v1/#zai-org/GLM-ASR", ["inside:443"])
    assert (found.base, found.model, found.place) == ("https://inside/v1", "zai-org/GLM-ASR", "inside:443")
    assert remote_address("http://[::1]:8000/v1#m", ["[::1]:8000"]).base == "http://[::1]:8000/v1"


def test_what_it_cannot_be_asked_for_is_refused_before_anything_is_sent() -> None:
    with transcription_server(lambda _asked: told({"text": ""})) as server:
        engine = engine_at(server)
        assert refused(lambda: engine.hear([clip(1)], languages=["tlh"])) == "speech:language:unknown"
        assert refused(lambda: engine.hear([np.zeros(5, np.float32)])) == "speech:clip:too_short"
        assert server.asked == []
        assert engine.hear([]) == []
        assert [one.tokens for one in engine.hear_growing(clip(1))] == [()]
