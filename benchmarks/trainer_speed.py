"""Training steps a second: our trainer against transformers' Trainer on the same model, clips and batches, in turns."""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from benchmarks.dialect_clips import MODEL, write_dialect_job
from benchmarks.real_size_training import model_flop_utilisation
from benchmarks.reporting import Report, arguments, publish
from earmark.speech.examples import training_batch
from earmark.speech.model_folder import LoadedModel, load_model
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.epoch_batches import drawn_clips, upcoming_batches
from training_jobs.recipe.mean_teacher import update_teacher
from training_jobs.recipe.metrics import MetricsWriter
from training_jobs.recipe.prefetching import background
from training_jobs.recipe.prepare import read_job_folder
from training_jobs.recipe.processes import Processes
from training_jobs.recipe.run import Run, Surroundings, open_run
from training_jobs.recipe.steps import optimiser_step

SEED = 3
BATCH = 24
RATE = 1e-4
WARM_UP = 5
THREADS = 1
"""Of the model: the other core of a small machine prepares batches, on both sides."""
STILL = {"speed": 0.0, "noise_chance": 0.0, "reverb_chance": 0.0, "frequency_masks": 0, "time_masks": 0}

PAGE = """
Supervised steps at demo scale on a CPU: the demo model (1.6 M parameters), {clips} clips of 0.5 to 4 s, {batch} clips
a step, all of them in memory. Both sides get the same clips in the same batches, already of similar length, so the
tokens of a step are the same; both use AdamW's fused kernel, float32, a clipped gradient, one core for the model and
the other for the batches to come, no checkpoints and no evaluation. transformers' `Trainer` gets its batches from the
model's own processor in a worker process of its `DataLoader`, ahead of the step, which is how one would set it up.
The two take turns of {steps} steps after {warm_up} that are not counted, {rounds} times; of each step its fastest
turn counts, on both sides, since others work on the machine; `_of_turns` are the quartiles of the ratio of whole
turns. Ours also averages the teacher after every step, which `Trainer` does not have.

* `ratio_to_trainer_cpu`: everything learns, sounds are made into spectra anew for every step, as augmentation asks.
* `ratio_frozen_encoder`: the encoder does not learn and the audio is clean, so its output is kept; `Trainer` has no
  place to keep it.

What makes the difference where everything learns: oneDNN's products forward and backward in place of MKL's, no logits
over audio and prompt, no padding of a clip for another's sake in the encoder, no mask to build, spectra of the clip's
own frames only. The losses of the first step differ by {difference:.1%}: the library pads a batch to its longest clip,
which the encoder hears.

The goal is 1.5. It is reached where the encoder is frozen; where everything learns, and `Trainer` is given our batches
of similar length, it is not: what is left is the same attention, activations and norms of the same library.

`mfu_gpu` is the share of a GPU's bf16 arithmetic that steps at the real size use, with random weights: {mfu}.
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of each step that counts, and the loss of the first step."""

    seconds: list[float]
    loss: float


def main() -> None:
    """Measure in turns, publish."""
    options = arguments(__doc__ or "")
    rounds, steps, clips = (3, 10, 96) if options.quick else (7, 25, 480)
    torch.set_num_threads(THREADS)
    figures: dict[str, Any] = {}
    baseline: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as root:
        for name, learns in (("", True), ("_frozen_encoder", False)):
            folder = Path(root) / f"job{name}"
            _write(folder, clips, WARM_UP + steps, encoder=learns)
            with _opened(folder) as run:
                turns = [
                    (_ours(run, WARM_UP), _trainers(run, WARM_UP, encoder=learns)) for _ in range(rounds)
                ]
            ours, theirs = (_fastest(side) for side in zip(*turns, strict=True))
            low, _, high = statistics.quantiles(
                [sum(their.seconds) / sum(our.seconds) for our, their in turns], n=4
            )
            figures[f"ratio{name or '_to_trainer_cpu'}"] = theirs / ours
            figures[f"ratio{name or '_to_trainer_cpu'}_of_turns"] = [low, high]
            figures[f"steps_per_second{name}"], baseline[f"steps_per_second{name}"] = 1 / ours, 1 / theirs
            if learns:
                figures["first_loss"], baseline["first_loss"] = turns[0][0].loss, turns[0][1].loss
    figures["mfu_gpu"] = model_flop_utilisation()
    difference = abs(figures["first_loss"] / baseline["first_loss"] - 1)
    mfu = "not measured, there is no GPU here" if figures["mfu_gpu"] is None else f"{figures['mfu_gpu']:.0%}"
    page = PAGE.format(
        clips=clips, batch=BATCH, steps=steps, warm_up=WARM_UP, rounds=rounds,
        difference=difference, mfu=mfu,
    )  # fmt: skip
    publish(Report("trainer_speed", figures, baseline, seeds=[SEED], page=page), quick=options.quick)


def _fastest(turns: Sequence[Measured]) -> float:
    """Mean seconds of a step, each step's fastest turn counted: what else ran on the machine is left out."""
    return statistics.fmean(min(same) for same in zip(*(turn.seconds for turn in turns), strict=True))


def _write(folder: Path, clips: int, steps: int, *, encoder: bool) -> None:
    overrides = {
        "learning_rate": RATE, "batch_size": BATCH, "micro_batch_size": BATCH, "warm_up_epochs": 1, "mixed_epochs": 0,
        "epoch_steps": steps, "augmentation": STILL, "adaptation": {"encoder": encoder},
    }  # fmt: skip
    sizes = {"labelled": clips, "unlabelled": 0, "dev": 0}
    write_dialect_job(folder, sizes, seed=SEED, overrides=overrides, threads=THREADS)


@contextmanager
def _opened(folder: Path) -> Iterator[Run]:
    data = read_job_folder(folder)
    with (
        closing(MetricsWriter(folder / "metrics.jsonl")) as metrics,
        ClipAudio(folder, data.job.audio_cache_mb) as audio,
        background() as pool,
    ):
        yield open_run(data, Surroundings(audio, metrics, pool, Processes(), threading.Event().is_set))


def _ours(run: Run, warm_up: int) -> Measured:
    """A turn of the trainer's own steps, from weights that went on learning in the turns before."""
    epoch, learner = run.plan.epochs[0], run.learner
    upcoming = upcoming_batches(run, epoch)
    losses: list[float] = []
    times = [time.perf_counter()]
    for _ in range(epoch.steps):
        batch = upcoming.take()
        found, _, _ = optimiser_step(
            learner, real=batch.real, pseudo=[], replay=[], learning_rate=RATE, consistency_weight=0.0
        )
        update_teacher(learner.teacher.model, learner.student.model, 0.999)
        losses.append(found.cross_entropy)
        times.append(time.perf_counter())
    return Measured(_between(times)[warm_up:], losses[0])


def _between(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


class _Clips(Dataset[tuple[np.ndarray, str]]):
    def __init__(self, clips: Sequence[tuple[np.ndarray, str]]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> tuple[np.ndarray, str]:
        return self._clips[index]


class _SameBatches(Trainer):
    """The library's trainer on given batches, collated by the model's processor in a worker process."""

    def __init__(self, loaded: LoadedModel, batches: list[list[int]], **options: Any) -> None:
        super().__init__(model=loaded.model, **options)
        self._loaded, self._batches = loaded, batches

    def get_train_dataloader(self) -> DataLoader[Any]:
        def collated(drawn: Sequence[tuple[np.ndarray, str]]) -> dict[str, torch.Tensor]:
            return training_batch(self._loaded, [one for one, _ in drawn], [text for _, text in drawn])

        return DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=collated,
            num_workers=1,
            prefetch_factor=3,
        )


class _Clock(TrainerCallback):
    """Notes when each step ends, and the first loss."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []

    def on_train_begin(self, _options: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, _options: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.times.append(time.perf_counter())

    def on_log(self, _options: Any, _state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
        self.losses += [logs["loss"]] if logs and "loss" in logs else []


def _trainers(run: Run, warm_up: int, *, encoder: bool) -> Measured:
    """A turn of transformers' Trainer over the same batches, from the demo model."""
    epoch = run.plan.epochs[0]
    loaded = load_model(str(MODEL))
    loaded.model.model.audio_tower.requires_grad_(encoder)
    clips = [(run.audio(entry), entry.text) for entry in run.data.labelled]
    places = {entry.id: place for place, entry in enumerate(run.data.labelled)}
    batches = [[places[one.entry.id] for one in batch] for batch in drawn_clips(run, epoch)["real"]]
    clock = _Clock()
    with tempfile.TemporaryDirectory() as output:
        options = TrainingArguments(
            output_dir=output, max_steps=epoch.steps, per_device_train_batch_size=BATCH, learning_rate=RATE,
            lr_scheduler_type="constant", optim="adamw_torch_fused", weight_decay=0.01, max_grad_norm=1.0,
            save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True, remove_unused_columns=False,
            logging_first_step=True, logging_steps=10_000, seed=SEED,
        )  # fmt: skip
        trainer = _SameBatches(loaded, batches, args=options, train_dataset=_Clips(clips), callbacks=[clock])
        trainer.train()
    return Measured(_between(clock.times)[warm_up:], clock.losses[0])


if __name__ == "__main__":
    main()
