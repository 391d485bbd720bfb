"""The aligner goes along with the model: fitted to its encoder, the same after a kill, absent where there was none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from earmark.speech.aligner import Aligner
from earmark.speech.aligner_head import HEAD_NAME, AlignerHead, load_head
from earmark.speech.alignment import align_text
from earmark.speech.model_folder import add_aligner, load_model
from tests.training_jobs.recipe.conftest import sound
from training_jobs.recipe import aligning
from training_jobs.recipe.job_folder import JobFolder
from training_jobs.recipe.training import train

QUICK = {"epoch_steps": 2, "mixed_epochs": 2}


class Killed(BaseException):
    """What a kill looks like from inside."""


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def aligned_model(one_word_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that hears one word, with an aligner that has learned nothing."""
    folder = Path(shutil.copytree(one_word_model, tmp_path_factory.mktemp("models") / "aligned"))
    classes = len("four") + 1
    head = AlignerHead(
        vocabulary="four",
        weight=torch.zeros(classes, 32),
        bias=torch.zeros(classes),
        log_prior=torch.full((classes,), -1.6),
        durations=torch.ones(classes + 2, 2),
        about="nothing",
    )
    add_aligner(folder, Aligner(head))
    return folder


@pytest.fixture(scope="module")
def finished(aligned_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable], bytes]:
    """The aligner of a job run to its end without a stop, once for all tests."""
    kept: list[bytes] = []

    def run(make_job: Callable) -> bytes:
        if not kept:
            folder = tmp_path_factory.mktemp("jobs") / "finished"
            make_job(folder, base_model=str(aligned_model), overrides=QUICK)
            train(folder, stopping=never)
            kept.append((JobFolder(folder).model / HEAD_NAME).read_bytes())
            assert_it_serves(JobFolder(folder).model)
        return kept[0]

    return run


def assert_it_serves(model: Path) -> None:
    found = align_text(load_model(str(model)), [sound(0.6, 300.0)], ["four ou"])[0]
    assert [word.text for word in found.words] == ["four", "ou"]


def test_the_new_model_has_an_aligner_fitted_to_its_clips(tmp_path, make_job, aligned_model, finished):
    (tmp_path / HEAD_NAME).write_bytes(finished(make_job))
    head, parent = load_head(tmp_path, width=32), load_head(aligned_model, width=32)
    assert head is not None
    assert parent is not None
    assert set(head.vocabulary) == set("four")
    assert not torch.equal(head.weight, parent.weight)
    assert head.threshold == head.threshold


def test_killed_while_the_aligner_is_fitted_it_ends_in_the_same_one(
    tmp_path, make_job, aligned_model, finished, monkeypatch
):
    expected, fit = finished(make_job), aligning.train_aligner

    def killed(*_: object, **__: object) -> Aligner:
        raise Killed

    make_job(tmp_path, base_model=str(aligned_model), overrides=QUICK)
    monkeypatch.setattr(aligning, "train_aligner", killed)
    with pytest.raises(Killed):
        train(tmp_path, stopping=never)
    heard: list[int] = []

    def counted(loaded, waveforms, texts, **options):
        heard.append(len(texts))
        return fit(loaded, waveforms, texts, **options)

    monkeypatch.setattr(aligning, "train_aligner", counted)
    train(tmp_path, stopping=never)
    assert (JobFolder(tmp_path).model / HEAD_NAME).read_bytes() == expected
    assert heard == [7 + 10]


def test_a_model_without_an_aligner_gets_none(tmp_path, make_job):
    make_job(tmp_path, overrides={"epoch_steps": 1, "mixed_epochs": 1})
    train(tmp_path, stopping=never)
    assert not (JobFolder(tmp_path).model / HEAD_NAME).exists()
