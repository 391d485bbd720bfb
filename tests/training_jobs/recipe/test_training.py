"""The loop in one process: what it does to the model, what it writes, and that stopping anywhere changes nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from earmark.speech.errors import EarmarkError
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import load_model
from tests.training_jobs.recipe.conftest import sound, weight_bytes
from training_jobs.recipe import steps, training
from training_jobs.recipe.evaluation import DevError
from training_jobs.recipe.job_folder import JobFolder
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prepare import read_metrics
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.training import train


def never() -> bool:
    return False


def lines(folder: Path, stage: str | None = None) -> list[dict]:
    return [m.values for m in read_metrics(folder)[0] if stage in (None, m.values["stage"])]


class Killed(BaseException):
    """What a kill looks like from inside: nothing is caught, nothing is saved."""


@pytest.fixture
def reference(tmp_path: Path, make_job: Callable) -> Path:
    """A job run to its end without a stop."""
    folder = tmp_path / "reference"
    make_job(folder)
    train(folder, stopping=never)
    return folder


def test_a_run_goes_through_its_stages_and_leaves_a_model(reference, one_word_model):
    stages = [line["stage"] for line in lines(reference)]
    assert [s for i, s in enumerate(stages) if i == 0 or s != stages[i - 1]] == [
        "load", "warm-up", "pseudo", "mixed", "pseudo", "mixed", "final",
    ]  # fmt: skip
    assert [line["step"] for line in lines(reference) if "loss" in line] == list(range(1, 13))
    assert all(line["steps_total"] == 12 for line in lines(reference))
    accepted = [line["accepted"] for line in lines(reference, "pseudo") if "accepted" in line]
    assert accepted[0] == 10
    mixed = [line for line in lines(reference, "mixed") if "loss" in line]
    assert all(line["pseudo_loss"] > 0 for line in mixed)
    assert mixed[-1]["consistency_loss"] > 0
    assert len([line for line in lines(reference) if "dev_error_rate" in line]) == 4
    trained, base = load_model(str(JobFolder(reference).model)), load_model(str(one_word_model))
    assert trained.manifest == base.manifest
    assert len(GlmAsrEngine(trained).hear([sound(0.6, 300.0)])) == 1


def test_training_learns_the_labelled_text(tmp_path, make_job):
    make_job(tmp_path, overrides={"epoch_steps": 10, "learning_rate": 5e-3}, unlabelled=[], dev=[])
    train(tmp_path, stopping=never)
    losses = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    assert sum(losses[-3:]) < 0.3 * sum(losses[:3])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, make_job, reference):
    for name, seed in (("same", 5), ("other", 6)):
        make_job(tmp_path / name, seed=seed)
        train(tmp_path / name, stopping=never)
    assert weight_bytes(tmp_path / "same") == weight_bytes(reference)
    assert weight_bytes(tmp_path / "other") != weight_bytes(reference)


def test_asked_to_stop_at_every_chance_it_still_ends_in_the_same_weights(tmp_path, make_job, reference):
    make_job(tmp_path / "job", checkpoint_seconds=1000)
    stops = 0
    while not (tmp_path / "job" / "model").exists():
        asked = iter([False] * (22 + stops % 4))
        try:
            train(tmp_path / "job", stopping=lambda asked=asked: next(asked, True))
        except Interrupted:
            stops += 1
    assert stops > 3
    assert weight_bytes(tmp_path / "job") == weight_bytes(reference)


@pytest.mark.parametrize("every", [5, 8])
def test_killed_again_and_again_it_still_ends_in_the_same_weights(
    tmp_path, make_job, reference, monkeypatch, every
):
    make_job(tmp_path / "job")
    write, written = MetricsWriter.write, 0

    def killed_while_writing(self, **values):
        nonlocal written
        written += 1
        if written % every == 0:
            self._file.write('{"stage": "torn')
            self._file.flush()
            raise Killed
        write(self, **values)

    monkeypatch.setattr(MetricsWriter, "write", killed_while_writing)
    kills = 0
    while not (tmp_path / "job" / "model").exists():
        try:
            train(tmp_path / "job", stopping=never)
        except Killed:
            kills += 1
    assert kills > 2
    assert weight_bytes(tmp_path / "job") == weight_bytes(reference)
    again = {line["step"]: line["loss"] for line in lines(tmp_path / "job") if "loss" in line}
    assert again == {line["step"]: line["loss"] for line in lines(reference) if "loss" in line}


def test_a_finished_job_is_left_alone(reference):
    before = weight_bytes(reference), lines(reference)
    train(reference, stopping=never)
    assert (weight_bytes(reference), lines(reference)) == before


def test_the_best_on_dev_is_what_is_kept(tmp_path, make_job, one_word_model):
    make_job(tmp_path, overrides={"learning_rate": 0.05, "patience": 1})
    train(tmp_path, stopping=never)
    final = lines(tmp_path, "final")[0]
    rates = {line["step"]: line["dev_error_rate"] for line in lines(tmp_path) if "dev_error_rate" in line}
    assert final["best_error_rate"] == min(rates.values()) == rates[final["best_step"]]
    assert final["stopped_early"]
    assert max(rates) < 12


def test_of_weights_that_dev_cannot_tell_apart_the_latest_are_kept(tmp_path, make_job, monkeypatch):
    rates = iter([0.30, 0.20, 0.24, 0.24, 0.26, 0.26, 0.23, 0.23])
    monkeypatch.setattr(training, "dev_error", lambda *_, **__: DevError(next(rates), 0.05))
    make_job(tmp_path, overrides={"keep_within": 1.0, "patience": 0, "warm_up_epochs": 2, "mixed_epochs": 3})
    train(tmp_path, stopping=never)
    final = lines(tmp_path, "final")[0]
    assert (final["best_error_rate"], final["best_step"]) == (0.23, 15)
    kept = [line["best_error_rate"] for line in lines(tmp_path) if "dev_error_rate" in line]
    assert kept == [0.30, 0.20, 0.24, 0.24, 0.23]


def test_without_unlabelled_clips_it_is_supervised_training(tmp_path, make_job):
    make_job(tmp_path, unlabelled=[])
    train(tmp_path, stopping=never)
    assert not lines(tmp_path, "pseudo")
    assert not any("pseudo_loss" in line for line in lines(tmp_path))
    assert (tmp_path / "model").is_dir()


def test_no_trusted_hearing_leaves_the_labelled_clips(tmp_path, make_job):
    make_job(tmp_path, overrides={"pseudo_threshold": 1.0})
    train(tmp_path, stopping=never)
    assert {line["accepted"] for line in lines(tmp_path, "pseudo") if "accepted" in line} == {0}
    assert all(line["loss"] > 0 for line in lines(tmp_path, "mixed") if "loss" in line)


def test_the_guard_pauses_pseudo_labels_and_has_the_pool_heard_again(tmp_path, make_job):
    make_job(
        tmp_path,
        overrides={"guard_ratio": 1e-6, "epoch_steps": 12, "relabel_epochs": 0, "mixed_epochs": 2},
    )
    train(tmp_path, stopping=never)
    mixed = [line for line in lines(tmp_path, "mixed") if "loss" in line]
    with_pseudo = [line["step"] for line in mixed if "pseudo_loss" in line]
    assert len(with_pseudo) < len(mixed)
    assert [line["step"] for line in lines(tmp_path, "mixed") if line.get("paused")] == [with_pseudo[9]] + [
        step for step in with_pseudo if step == with_pseudo[-1] and len(with_pseudo) > 10
    ]
    assert len([line for line in lines(tmp_path, "pseudo") if "accepted" in line]) == 2
    assert lines(tmp_path, "final")[0]["pauses"] >= 1


def test_what_the_base_model_was_sure_of_is_replayed_and_not_heard_again(tmp_path, make_job):
    folder = tmp_path / "job"
    make_job(folder, overrides={"replay_share": 0.25, "replay_threshold": 0.0, "relabel_epochs": 1})
    train(folder, stopping=never)
    passes = lines(folder, "pseudo")
    assert passes[0]["replayed"] == 10
    assert [line["clips"] for line in passes[1:]] == [0, 0, 0]
    assert not any("pseudo_loss" in line for line in lines(folder))


def test_a_run_with_replay_ends_in_the_same_weights_however_often_it_is_stopped(tmp_path, make_job):
    overrides = {"replay_share": 0.25, "replay_threshold": 0.9, "pseudo_threshold": 0.0, "warm_up_epochs": 2}
    for name in ("reference", "job"):
        make_job(tmp_path / name, overrides=overrides)
    train(tmp_path / "reference", stopping=never)
    stops = 0
    while not (tmp_path / "job" / "model").exists():
        asked = iter([False] * (21 + stops))
        try:
            train(tmp_path / "job", stopping=lambda asked=asked: next(asked, True))
        except Interrupted:
            stops += 1
    assert stops > 2
    assert weight_bytes(tmp_path / "job") == weight_bytes(tmp_path / "reference")


def test_bfloat16_runs_and_keeps_float32_weights(tmp_path, make_job):
    make_job(tmp_path, precision="bfloat16", overrides={"mixed_epochs": 1})
    train(tmp_path, stopping=never)
    assert load_model(str(tmp_path / "model")).model.dtype == torch.float32


def test_a_cache_too_small_changes_nothing(tmp_path, make_job, reference):
    make_job(tmp_path / "job", audio_cache_mb=0)
    train(tmp_path / "job", stopping=never)
    assert weight_bytes(tmp_path / "job") == weight_bytes(reference)


def test_missing_audio_is_named_before_anything_is_loaded(tmp_path, make_job):
    make_job(tmp_path)
    (tmp_path / "audio" / "unlabelled4.flac").unlink()
    with pytest.raises(EarmarkError, match=r"unlabelled4") as caught:
        train(tmp_path, stopping=never)
    assert caught.value.error_id == "training:data:missing-audio"


def test_a_clip_beyond_the_end_of_its_file_is_refused(tmp_path, make_job):
    folder = tmp_path / "job"
    make_job(folder)
    path = JobFolder(folder).dev
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    entries[0]["start"] = 5.0
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(EarmarkError) as caught:
        train(folder, stopping=never)
    assert caught.value.error_id == "training:data:clip-end"


def test_of_a_damaged_checkpoint_the_one_before_is_taken(tmp_path, make_job, reference, caplog):
    folder = tmp_path / "job"
    make_job(folder)
    asked = iter([False] * 30)
    with pytest.raises(Interrupted):
        train(folder, stopping=lambda: next(asked, True))
    before, newest = sorted((folder / "checkpoint").glob("save-*"))
    damaged = bytearray((newest / "teacher.safetensors").read_bytes())
    damaged[-3] ^= 1
    (newest / "teacher.safetensors").write_bytes(damaged)
    train(folder, stopping=never)
    (told,) = lines(folder, "checkpoint")
    assert (told["damaged"], newest.name in told["message"]) == (newest.name, True)
    assert before.name in caplog.text
    assert weight_bytes(folder) == weight_bytes(reference)
    assert len(list((folder / "checkpoint").glob("save-*"))) == 2
    assert not list((folder / "checkpoint").glob("damaged-*"))


def test_where_no_checkpoint_is_whole_it_is_an_error_not_a_fresh_start(tmp_path, make_job):
    make_job(tmp_path)
    asked = iter([False] * 30)
    with pytest.raises(Interrupted):
        train(tmp_path, stopping=lambda: next(asked, True))
    for saved in (tmp_path / "checkpoint").glob("save-*"):
        (saved / "optimiser.pt").write_bytes(b"nothing")
    with pytest.raises(EarmarkError) as caught:
        train(tmp_path, stopping=never)
    assert caught.value.error_id == "training:checkpoint:unreadable"


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(
    tmp_path, make_job, monkeypatch
):
    make_job(tmp_path, unlabelled=[], dev=[])
    real, calls = steps.cross_entropy, iter(range(100))

    def broken(*given: torch.Tensor) -> torch.Tensor:
        return real(*given) * (float("nan") if next(calls) > 5 else 1.0)

    monkeypatch.setattr(steps, "cross_entropy", broken)
    with pytest.raises(EarmarkError, match="nan") as caught:
        train(tmp_path, stopping=never)
    assert caught.value.error_id == "training:loss:not-finite"
    assert "learning_rate" in caught.value.hint
    newest = sorted((tmp_path / "checkpoint").glob("save-*"))[-1]
    assert json.loads((newest / "progress.json").read_text())["step"] in (3, 4, 5)
    monkeypatch.undo()
    train(tmp_path, stopping=never)
    assert (tmp_path / "model").is_dir()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_out_of_memory_says_what_to_change(tmp_path, make_job, monkeypatch, error):
    make_job(tmp_path, unlabelled=[], dev=[])

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(training, "optimiser_step", full)
    with pytest.raises(EarmarkError) as caught:
        train(tmp_path, stopping=never)
    assert caught.value.error_id == "training:memory:exhausted"
    for change in ("micro_batch_size, now 3", "gradient_checkpointing", "lora"):
        assert change in caught.value.hint


def test_two_trainers_do_not_share_a_folder(tmp_path, make_job):
    make_job(tmp_path)

    def second() -> bool:
        with pytest.raises(EarmarkError) as caught:
            train(tmp_path, stopping=never)
        assert caught.value.error_id == "training:job:running"
        return True

    with pytest.raises(Interrupted):
        train(tmp_path, stopping=second)


def test_clips_of_one_long_recording_are_cut_out_of_it(tmp_path, make_job):
    folder = tmp_path / "job"
    make_job(folder)
    shutil.copy(folder / "audio" / "labelled6.flac", folder / "audio" / "long.flac")
    path = JobFolder(folder).labelled
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for i in (0, 1):
        entries[i] |= {"audio": "audio/long.flac", "start": 0.4 * i, "seconds": 0.4}
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    train(folder, stopping=never)
    assert (folder / "model").is_dir()
