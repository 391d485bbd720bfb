"""One way to load and save models, and its refusals."""

import json
import socket
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import LoadedModel, Manifest, load_model, read_manifest, save_model


@pytest.fixture(scope="module")
def folder(untrained: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_model(untrained, path)
    return path


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
    refused(str(tmp_path))


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for path in folder.iterdir():
        if path.name != "model.safetensors":
            (pickled / path.name).write_bytes(path.read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"not read")
    refused(str(pickled))


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
    ["{", "[]", '{"windows": "fixed"}', '{"window": "wide"}', '{"window_step": 0}', '{"window_step": "1"}'],
)
def test_a_bad_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "earmark.json").write_text(text)
    with pytest.raises(EarmarkError) as caught:
        read_manifest(tmp_path)
    assert caught.value.error_id == "recognition:model:manifest"
