"""Inputs, labels and the window policy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.speech.errors import EarmarkError
from earmark.speech.examples import IGNORED_LABEL, model_inputs, training_batch, window_samples
from earmark.speech.model_folder import LoadedModel, Manifest


def with_window(loaded: LoadedModel, **values: object) -> LoadedModel:
    return replace(loaded, manifest=Manifest(**values))  # type: ignore[arg-type]


def test_a_trimmed_window_is_whole_audio_tokens_and_depends_on_the_clip_alone(untrained: LoadedModel) -> None:
    widths = [window_samples(untrained, count) for count in (1_600, 7_680, 7_681, 470_000, 480_000)]
    assert widths == [7_680, 7_680, 15_360, 476_160, 480_000]
    assert all(width % 1_280 == 0 for width in widths)


def test_a_fixed_window_is_thirty_seconds(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    fixed = with_window(untrained, window="fixed")
    assert window_samples(fixed, 1_600) == 480_000
    inputs = model_inputs(fixed, noise[:1])
    assert inputs["input_features"].shape == (1, 80, 3_000)
    assert int(inputs["input_features_mask"].sum()) == 100


def test_inputs_hold_one_audio_token_for_each_80_ms_heard(
    untrained: LoadedModel, noise: list[np.ndarray]
) -> None:
    inputs = model_inputs(untrained, noise)
    audio = untrained.model.config.audio_token_id
    assert (inputs["input_ids"] == audio).sum(1).tolist() == [12, 1, 31, 11]
    assert inputs["input_features"].shape == (4, 80, 288)
    assert inputs["attention_mask"][:, -1].tolist() == [1, 1, 1, 1]


def test_the_prompt_is_the_published_one(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    ids = model_inputs(untrained, noise[1:2])["input_ids"][0]
    assert untrained.tokenizer.decode(ids) == (
        "<|user|>\n<|begin_of_audio|><|pad|><|end_of_audio|><|user|>\n"
        "Please transcribe this audio into text<|assistant|>\n"
    )


def test_the_manifest_can_change_the_prompt(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    asked = with_window(untrained, window="trimmed", prompt="Write Cantonese")
    ids = model_inputs(asked, noise[:1])["input_ids"][0]
    assert "Write Cantonese<|assistant|>" in untrained.tokenizer.decode(ids)


def test_labels_are_the_text_and_an_end_token(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    texts = ["turn on", "七", "打开 é", ""]
    batch = training_batch(untrained, noise, texts)
    assert batch["labels"].shape == batch["input_ids"].shape == batch["attention_mask"].shape
    end = untrained.end_token_ids[0]
    for row, text in enumerate(texts):
        kept = batch["labels"][row] != IGNORED_LABEL
        labels = batch["labels"][row][kept]
        assert labels[-1] == end
        assert untrained.tokenizer.decode(labels[:-1]) == text
        assert torch.equal(batch["input_ids"][row][kept], labels)
        assert batch["attention_mask"][row][kept].all()
    # the end token is also the padding token: only the one that ends the text may be learned
    assert untrained.tokenizer.pad_token_id == end
    assert (batch["labels"] == end).sum(1).tolist() == [1, 1, 1, 1]


def test_padding_beside_a_clip_does_not_change_its_loss(
    untrained: LoadedModel, noise: list[np.ndarray]
) -> None:
    clips, texts = [noise[0], noise[2][:20_000]], ["go left", "seven seven seven seven"]
    with torch.no_grad():
        together = untrained.model(**training_batch(untrained, clips, texts)).loss
        lengths = [len(text) + 1 for text in texts]
        alone = [
            untrained.model(**training_batch(untrained, [c], [t])).loss
            for c, t in zip(clips, texts, strict=True)
        ]
    pooled = sum(a * n for a, n in zip(alone, lengths, strict=True)) / sum(lengths)
    assert together.item() == pytest.approx(pooled.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "error_id"),
    [
        (np.zeros(1_599, np.float32), "speech:clip:too_short"),
        (np.zeros(0, np.float32), "speech:clip:too_short"),
        (np.zeros(480_001, np.float32), "speech:clip:too_long"),
        (np.zeros((16_000, 2), np.float32), "speech:clip:shape"),
    ],
)
def test_what_the_model_cannot_hear_is_refused(
    untrained: LoadedModel, samples: np.ndarray, error_id: str
) -> None:
    with pytest.raises(EarmarkError) as caught:
        model_inputs(untrained, [np.zeros(16_000, np.float32), samples])
    assert caught.value.error_id == error_id
