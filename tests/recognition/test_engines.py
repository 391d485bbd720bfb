"""Models are heard by the engine they name, and a wrong name is found before it is needed."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings

from earmark.recognition import engines, registering, registry
from earmark.recognition.checks import engines_are_there, missing
from earmark.recognition.models import Hypothesis, ModelVersion, TranscriptionFailure
from earmark.recognition.transcription import hear_clips
from earmark.speech.engine import Heard
from earmark.speech.errors import EarmarkError
from tests.recognition.test_registry import folder
from tests.recognition.world import Listener, Progress, make_clip, make_collection, make_model
from tests.rules.tree import ROOT
from tests.speech.transcription_server import told, transcription_server

STUB = "earmark.speech.stub.StubEngine"


def typed(path: Path, model_type: str) -> str:
    (folder(path) / "config.json").write_text(json.dumps({"model_type": model_type}))
    return str(path)


@pytest.mark.django_db
def test_a_model_is_registered_with_the_engine_that_reads_it(tmp_path: Path, settings: Settings) -> None:
    settings.ENGINE_OPTIONS = {"remote": {"hosts": ("gpu:8000",), "key": ""}}
    sources = {
        "glm-asr": typed(tmp_path / "a", "glmasr"),
        "whisper": typed(tmp_path / "b", "whisper"),
        "remote": "http://gpu:8000/v1#zai-org/GLM-ASR-Nano-2512",
    }
    found = {name: registry.register_model(name=name, source=source) for name, source in sources.items()}
    assert {name: model.engine for name, model in found.items()} == {name: name for name in sources}
    assert registry.label_of(sources["remote"]) == "GLM-ASR-Nano-2512"
    plain = registry.register_model(name="plain", source=str(folder(tmp_path / "c")))
    assert plain.engine == "glm-asr"


@pytest.mark.django_db
def test_what_no_engine_reads_must_be_told_its_engine(tmp_path: Path, settings: Settings) -> None:
    source = typed(tmp_path / "a", "wav2vec2")
    with pytest.raises(EarmarkError, match="'wav2vec2'") as caught:
        registry.register_model(name="one", source=source)
    assert caught.value.error_id == "recognition:engine:unguessed"
    settings.ENGINES = {**settings.ENGINES, "ours": STUB}
    assert registry.register_model(name="one", source=source, engine="ours").engine == "ours"
    with pytest.raises(EarmarkError) as caught:
        registry.register_model(name="two", source=source, engine="theirs")
    assert caught.value.error_id == "recognition:engine:unknown"
    assert ModelVersion.objects.count() == 1


@pytest.mark.django_db
def test_no_model_is_registered_at_an_address_nobody_allowed() -> None:
    with pytest.raises(EarmarkError) as caught:
        registry.register_model(name="one", source="http://169.254.169.254/v1#m")
    assert caught.value.error_id == "recognition:remote:not-allowed"


@pytest.mark.django_db
def test_the_first_champion_takes_the_engine_of_the_settings(tmp_path: Path, settings: Settings) -> None:
    source = str(folder(tmp_path / "tiny"))
    settings.EARMARK = replace(django_settings.EARMARK, model=source, engine="whisper")
    assert registry.champion(make_collection()).engine == "whisper"


def test_each_engine_is_loaded_by_its_path_with_its_options(settings: Settings) -> None:
    settings.ENGINES = {**settings.ENGINES, "stub": STUB}
    heard = engines.load_engine("stub", "hello", "cpu")
    assert type(heard).__name__ == "StubEngine"
    with transcription_server(lambda _asked: told({"text": "hi"})) as server:
        settings.ENGINE_OPTIONS = {"remote": {"hosts": (server.place,), "key": "k"}}
        assert type(engines.load_engine("remote", server.source, "cpu")).__name__ == "RemoteEngine"


@pytest.mark.parametrize(
    ("name", "error_id"), [("nobody", "recognition:engine:unknown"), ("gone", "recognition:engine:broken")]
)
def test_an_engine_that_is_not_there_says_so(settings: Settings, name: str, error_id: str) -> None:
    settings.ENGINES = {"gone": "earmark.speech.gone.Engine"}
    with pytest.raises(EarmarkError, match=name) as caught:
        engines.load_engine(name, "x", "cpu")
    assert caught.value.error_id == error_id


def test_the_settings_as_they_are_pass_the_check() -> None:
    assert engines_are_there() == []


def test_the_check_finds_what_is_wrong_in_the_settings(settings: Settings) -> None:
    settings.ENGINES = {
        "Bad Name": STUB,
        "gone": "earmark.gone.Engine",
        "less": "earmark.speech.glm.Less",
        "x": "y",
    }
    settings.ENGINE_OPTIONS = {"remote": {}}
    settings.EARMARK = replace(django_settings.EARMARK, engine="glm")
    numbers = [found.id for found in engines_are_there()]
    assert numbers == [f"recognition.E00{n}" for n in (1, 2, 2, 2, 3, 4)]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("earmark.speech.whisper.WhisperEngine", ""),
        ("earmark.speech.glm.LoadedModel", ""),
        ("json.JSONDecoder", ""),
        ("earmark.speech.whisper.Whisper", "has no Whisper"),
        ("earmark.nothing.here.Engine", "No module named"),
        ("Engine", "not a dotted path"),
    ],
)
def test_a_class_is_looked_for_without_its_module(path: str, reason: str) -> None:
    found = missing(path)
    assert found == "" if not reason else reason in found


def test_the_check_costs_no_process_its_torch() -> None:
    code = (
        "import sys, django; django.setup(); from django.core.checks import run_checks; "
        "found = run_checks(tags=['earmark']); sys.exit('torch' in sys.modules or bool(found))"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error_id", "raised", "failures"),
    [
        ("recognition:remote:unreachable", ConnectionError, 0),
        ("recognition:remote:busy", ConnectionError, 0),
        ("recognition:remote:key", EarmarkError, 0),
        ("recognition:remote:refused", None, 2),
    ],
)
def test_a_server_that_is_away_is_no_fault_of_the_clips(
    error_id: str, raised: type[Exception] | None, failures: int
) -> None:
    collection, model = make_collection(), make_model()
    for level in (1, 2):
        make_clip(collection, level)

    def answer(_samples: np.ndarray) -> Heard:
        raise EarmarkError(error_id, "No.", "Do something.")

    with pytest.raises(raised) if raised else nullcontext():
        hear_clips(Progress(), clips=collection.clips.all(), model=model, engine=Listener(answer))
    assert TranscriptionFailure.objects.count() == failures


@pytest.mark.django_db
def test_a_text_without_scores_is_kept_as_one(settings: Settings) -> None:
    collection = make_collection()
    make_clip(collection, 50)
    with transcription_server(
        lambda _asked: told({"text": "hi", "logprobs": [{"token": "hi", "logprob": -1}]})
    ) as at:
        settings.ENGINE_OPTIONS = {"remote": {"hosts": (at.place,)}}
        model = registry.register_model(name="far", source=at.source)
        hear_clips(Progress(), clips=collection.clips.all(), model=model)
    kept = Hypothesis.objects.select_related("details").get()
    assert (kept.text, kept.tokens, kept.details.embedding) == ("hi", [["hi", -1.0, None]], None)


def test_a_job_registers_what_the_workers_see(tmp_path: Path, db: None) -> None:
    source = typed(tmp_path / "a", "whisper")
    found = registering.register(name="one", source=source, engine="")
    assert (found["name"], found["engine"]) == ("one", "whisper")
    assert ModelVersion.objects.get(pk=found["model"]).lineage["origin"] == "registered"
