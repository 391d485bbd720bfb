"""One way to load and save models, and its refusals."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from earmark.speech.aligner import Aligner
from earmark.speech.aligner_head import AlignerHead
from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import (
    LoadedModel,
    Manifest,
    add_aligner,
    load_model,
    read_manifest,
    save_model,
)
from earmark.speech.model_manifest import describe


@pytest.fixture(scope="module")
def folder(untrained: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_model(replace(untrained, aligner=Aligner(a_head(width=32))), path)
    return path


def a_head(*, width: int, vocabulary: str = "ab") -> AlignerHead:
    """A head of random weights."""
    classes, drawn = len(vocabulary) + 1, torch.Generator().manual_seed(1)
    return AlignerHead(
        vocabulary=vocabulary,
        weight=torch.randn(classes, width, generator=drawn),
        bias=torch.randn(classes, generator=drawn),
        log_prior=torch.full((classes,), -1.0),
        durations=torch.ones(classes + 2, 2),
        threshold=2.5,
        about="nothing",
    )


def test_a_folder_has_the_published_layout_and_our_manifest(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.json",
        "generation_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors",
        "earmark.json",
    }
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    assert json.loads((folder / "config.json").read_text())["architectures"] == [
        "GlmAsrForConditionalGeneration"
    ]


def test_what_is_saved_is_what_is_loaded(folder: Path, untrained: LoadedModel) -> None:
    loaded = load_model(str(folder))
    assert loaded.manifest == untrained.manifest
    assert loaded.source == str(folder)
    assert loaded.end_token_ids == untrained.end_token_ids
    assert len(loaded.end_token_ids) == 3
    assert loaded.tokenizer.pad_token_id == untrained.tokenizer.pad_token_id
    assert not loaded.model.training
    before, after = untrained.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.aligner is not None
    kept, head = a_head(width=32), loaded.aligner.head
    assert (head.vocabulary, head.threshold, head.about) == (kept.vocabulary, kept.threshold, kept.about)
    assert all(torch.equal(tensor, kept.tensors()[name]) for name, tensor in head.tensors().items())


def test_a_folder_without_manifest_behaves_as_published(folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in folder.iterdir():
        if path.name != "earmark.json":
            (plain / path.name).write_bytes(path.read_bytes())
    assert load_model(str(plain)).manifest == Manifest(window="fixed", max_new_tokens_per_second=15.0)


def test_the_precision_can_be_chosen(folder: Path) -> None:
    assert load_model(str(folder)).model.dtype == torch.float32
    assert load_model(str(folder), dtype=torch.bfloat16).model.dtype == torch.bfloat16


def refused(source: str) -> EarmarkError:
    with pytest.raises(EarmarkError) as caught:
        load_model(source)
    assert caught.value.error_id == "recognition:model:unavailable"
    assert "EARMARK_MODEL" in str(caught.value)
    assert source in str(caught.value)
    return caught.value


def test_a_missing_folder_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    refused(str(tmp_path / "nowhere"))
    refused("models/deep/nowhere")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "config.json" in str(refused(str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    assert "model.safetensors" in str(unusable(tmp_path, "recognition:model:incomplete"))
    (tmp_path / "model.safetensors").write_bytes(safetensors.torch.save({}))
    refused(str(tmp_path))


def unusable(path: Path, error_id: str) -> EarmarkError:
    with pytest.raises(EarmarkError) as caught:
        load_model(str(path))
    assert caught.value.error_id == error_id
    return caught.value


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The folder, to be spoilt."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.pkl"])
def test_pickled_weights_are_not_read_and_the_error_says_what_to_do(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / name)
    error = unusable(copy, "recognition:model:pickled")
    assert name in error.message
    assert "safetensors" in error.hint


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "aligner.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert name in str(unusable(copy, "recognition:model:incomplete"))


def test_a_missing_shard_is_named(copy: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    (copy / "earmark.json").unlink()
    assert "model-00002-of-00002.safetensors" in str(unusable(copy, "recognition:model:incomplete"))


@pytest.mark.parametrize("name", ["model.safetensors", "aligner.safetensors"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_torn_weight_file_is_named(copy: Path, name: str, listed: bool) -> None:
    if not listed:
        (copy / "earmark.json").unlink()
    (copy / name).write_bytes((copy / name).read_bytes()[:-100])
    with pytest.raises(EarmarkError) as caught:
        load_model(str(copy))
    assert caught.value.error_id in ("recognition:model:damaged", "recognition:model:aligner")
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "aligner.safetensors"])
def test_a_file_that_was_changed_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[-3] ^= 1
    (copy / name).write_bytes(data)
    assert name in str(unusable(copy, "recognition:model:damaged"))


def test_what_has_no_list_of_files_is_loaded_as_it_is(copy: Path) -> None:
    (copy / "earmark.json").write_text('{"window": "trimmed"}')
    assert load_model(str(copy)).manifest == Manifest(window="trimmed")


def test_an_aligner_of_another_encoder_is_refused(copy: Path, untrained: LoadedModel) -> None:
    add_aligner(copy, Aligner(a_head(width=48)))
    assert "48" in str(unusable(copy, "recognition:model:aligner"))


def test_a_model_without_an_aligner_gets_one(copy: Path) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "aligner.safetensors").unlink()
    add_aligner(copy, Aligner(a_head(width=32, vocabulary="xyz四")))
    aligner = load_model(str(copy)).aligner
    assert aligner is not None
    assert aligner.head.vocabulary == "xyz四"
    assert (copy / "model.safetensors").read_bytes() == weights


def test_without_network_a_hub_id_is_an_error_that_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    real = huggingface_hub.snapshot_download

    def from_a_dead_hub(repo_id: str, **options: object) -> str:
        return str(real(repo_id, endpoint=address, **options))  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", from_a_dead_hub)
    refused("earmark-tests/no-such-model")


def test_a_cached_hub_model_is_used_without_asking_the_hub(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def cached(repo_id: str, **options: object) -> str:
        asked.append({"repo_id": repo_id, **options})
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    loaded = load_model("zai-org/GLM-ASR-Nano-2512")
    assert loaded.source == "zai-org/GLM-ASR-Nano-2512"
    assert asked == [{"repo_id": "zai-org/GLM-ASR-Nano-2512", "local_files_only": True}]


def test_a_model_not_in_the_cache_is_fetched_without_pickles(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns: list[object] = []

    def hub(_repo_id: str, **options: object) -> str:
        if options.get("local_files_only"):
            raise LocalEntryNotFoundError("not cached")
        patterns.append(options["allow_patterns"])
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert load_model("zai-org/GLM-ASR-Nano-2512").manifest.window == "trimmed"
    assert "*.safetensors" in str(patterns)
    assert ".bin" not in str(patterns)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"lineage": []}',
        '{"calibration": 3}',
        '{"windows": "fixed"}',
        '{"window": "wide"}',
        '{"window_step": 0}',
        '{"window_step": "1"}',
    ],
)
def test_a_bad_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "earmark.json").write_text(text)
    with pytest.raises(EarmarkError) as caught:
        read_manifest(tmp_path)
    assert caught.value.error_id == "recognition:model:manifest"


@pytest.mark.parametrize("listed", ["[]", '{"model.safetensors": 1}', '{"../model.safetensors": "ab"}'])
def test_a_bad_list_of_files_is_refused(copy: Path, listed: str) -> None:
    (copy / "earmark.json").write_text(f'{{"files": {listed}}}')
    assert "files" in str(unusable(copy, "recognition:model:manifest"))


def test_where_a_model_comes_from_is_said_beside_it_and_not_of_what_is_made_from_it(
    copy: Path, tmp_path: Path
) -> None:
    listed = json.loads((copy / "earmark.json").read_text())["files"]
    lineage = {"parent": "tiny", "snapshot": "ab12", "options": {"learning_rate": 2e-5}}
    describe(copy, lineage=lineage, calibration={"clips": 40, "parameters": {}})
    loaded = load_model(str(copy))
    assert loaded.manifest.lineage == lineage
    assert loaded.manifest.calibration["clips"] == 40
    assert json.loads((copy / "earmark.json").read_text())["files"] == listed
    save_model(loaded, tmp_path / "child")
    assert not {"lineage", "calibration"} & set(json.loads((tmp_path / "child" / "earmark.json").read_text()))
