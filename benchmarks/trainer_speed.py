"""Training steps a second: our trainer against transformers' Trainer on the same model, clips and tokens, in turns."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
a step, all of them in memory. Both sides go through the same clips, {batch} a step, so the audio and the text of a
step are the same in the mean (`audio_seconds_per_step`); both use AdamW's fused kernel, float32, a clipped gradient,
one core for the model and the other for the batches to come, no checkpoints and no evaluation. transformers'
`Trainer` gets its batches from the model's own processor in a worker process of its `DataLoader`, ahead of the step,
which is how one would set it up. The sides take turns of {steps} steps after {warm_up} that are not counted, {rounds}
times; of each step its fastest turn counts, on every side, since others work on the machine; `_of_turns` are the
quartiles of the ratio of whole turns. Ours also averages the teacher after every step, which `Trainer` does not have.

* `ratio_to_trainer_cpu` (goal 1.5): everything learns, sounds are made into spectra anew for every step, as
  augmentation asks. `Trainer` draws its batches itself, at random, as it does unless told otherwise; ours are of
  similar length.
* `ratio_given_our_batches`: the same, where `Trainer` is handed our batches: what is won without the bucketing.
* `ratio_frozen_encoder`: the encoder does not learn and the audio is clean, so its output is kept; `Trainer`, handed
  our batches, has no place to keep it.

What makes the difference beside bucketing: oneDNN's products in place of MKL's where the processor has AVX-512, no
logits over audio and prompt, no padding of a clip for another's sake in the encoder, no mask to build, spectra of the
clip's own frames only. The losses of the first step of the same clips differ by {difference:.1%}: the
library pads a batch to its longest clip, which the encoder hears.

`mfu_gpu` is the share of a GPU's bf16 arithmetic that steps at the real size use, with random weights: {mfu}.
"""


@dataclass(frozen=True)
class Measured:
    """Seconds of each step that counts, the audio learned in one of them, and the loss of the first step."""

    seconds: list[float]
    audio_seconds: float
    loss: float


def main() -> None:
    """Measure in turns, publish."""
    options = arguments(__doc__ or "")
    rounds, steps, clips = (3, 10, 96) if options.quick else (7, 40, 480)
    torch.set_num_threads(THREADS)
    figures: dict[str, Any] = {}
    baseline: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as root:
        everything = Path(root) / "everything"
        _write(everything, clips, WARM_UP + steps, encoder=True)
        with _opened(everything) as run:
            ours, own, given = _turns(rounds, _ours(run), _trainers(run, own=True), _trainers(run))
        _compare(figures, "_to_trainer_cpu", ours, own)
        _compare(figures, "_given_our_batches", ours, given)
        frozen = Path(root) / "frozen"
        _write(frozen, clips, WARM_UP + steps, encoder=False)
        with _opened(frozen) as run:
            ours_frozen, given_frozen = _turns(rounds, _ours(run), _trainers(run, encoder=False))
        _compare(figures, "_frozen_encoder", ours_frozen, given_frozen)
    for name, our, their in (("", ours, own), ("_frozen_encoder", ours_frozen, given_frozen)):
        figures[f"steps_per_second{name}"] = 1 / _fastest(our)
        baseline[f"steps_per_second{name}"] = 1 / _fastest(their)
    baseline["steps_per_second_given_our_batches"] = 1 / _fastest(given)
    figures["audio_seconds_per_step"] = ours[0].audio_seconds
    baseline["audio_seconds_per_step"] = own[0].audio_seconds
    figures["first_loss"], baseline["first_loss"] = ours[0].loss, given[0].loss
    figures["mfu_gpu"] = model_flop_utilisation()
    difference = abs(figures["first_loss"] / baseline["first_loss"] - 1)
    mfu = "not measured, there is no GPU here" if figures["mfu_gpu"] is None else f"{figures['mfu_gpu']:.0%}"
    page = PAGE.format(
        clips=clips, batch=BATCH, steps=steps, warm_up=WARM_UP, rounds=rounds,
        difference=difference, mfu=mfu,
    )  # fmt: skip
    publish(Report("trainer_speed", figures, baseline, seeds=[SEED], page=page), quick=options.quick)


Turn = Callable[[], Measured]


def _turns(rounds: int, *sides: Turn) -> list[list[Measured]]:
    """By side, its turns; the sides go one after the other, again and again."""
    found = [[side() for side in sides] for _ in range(rounds)]
    return [list(turns) for turns in zip(*found, strict=True)]


def _compare(
    figures: dict[str, Any], name: str, ours: Sequence[Measured], theirs: Sequence[Measured]
) -> None:
    ratios = [sum(their.seconds) / sum(our.seconds) for our, their in zip(ours, theirs, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    figures[f"ratio{name}"] = _fastest(theirs) / _fastest(ours)
    figures[f"ratio{name}_of_turns"] = [low, high]


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


def _ours(run: Run) -> Turn:
    """Turns of the trainer's own steps, from weights that went on learning in the turns before."""
    epoch, learner = run.plan.epochs[0], run.learner

    def turn() -> Measured:
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
        return Measured(_counted(times), _audio_seconds(run, _our_batches(run)[WARM_UP:]), losses[0])

    return turn


def _our_batches(run: Run) -> list[list[int]]:
    """Places among the labelled clips, step by step."""
    places = {entry.id: place for place, entry in enumerate(run.data.labelled)}
    return [[places[one.entry.id] for one in batch] for batch in drawn_clips(run, run.plan.epochs[0])["real"]]


def _audio_seconds(run: Run, batches: Sequence[Sequence[int]]) -> float:
    """The mean over the batches."""
    return statistics.fmean(sum(run.data.labelled[place].seconds for place in batch) for batch in batches)


def _counted(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)][WARM_UP:]


class _Clips(Dataset[tuple[np.ndarray, str]]):
    def __init__(self, clips: Sequence[tuple[np.ndarray, str]]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> tuple[np.ndarray, str]:
        return self._clips[index]


class _Collated(Trainer):
    """The library's trainer, its batches collated by the model's processor in a worker process ahead of the step."""

    def __init__(self, loaded: LoadedModel, batches: list[list[int]] | None, **options: Any) -> None:
        super().__init__(model=loaded.model, data_collator=self._collated, **options)
        self._loaded, self._batches = loaded, batches

    def _collated(self, drawn: Sequence[tuple[np.ndarray, str]]) -> dict[str, torch.Tensor]:
        return training_batch(self._loaded, [one for one, _ in drawn], [text for _, text in drawn])

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches drawn at random by the library, unless others are given."""
        if self._batches is None:
            return super().get_train_dataloader()
        return DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=self._collated,
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


def _trainers(run: Run, *, own: bool = False, encoder: bool = True) -> Turn:
    """Turns of transformers' Trainer from the demo model, over batches it draws itself (`own`) or over ours."""
    steps = run.plan.epochs[0].steps
    clips = [(run.audio(entry), entry.text) for entry in run.data.labelled]
    batches = None if own else _our_batches(run)

    def turn() -> Measured:
        loaded = load_model(str(MODEL))
        loaded.model.model.audio_tower.requires_grad_(encoder)
        clock = _Clock()
        with tempfile.TemporaryDirectory() as output:
            options = TrainingArguments(
                output_dir=output, max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=RATE,
                lr_scheduler_type="constant", optim="adamw_torch_fused", weight_decay=0.01, max_grad_norm=1.0,
                save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
                remove_unused_columns=False, dataloader_num_workers=1, dataloader_prefetch_factor=3,
                logging_first_step=True, logging_steps=10_000, seed=SEED,
            )  # fmt: skip
            trainer = _Collated(loaded, batches, args=options, train_dataset=_Clips(clips), callbacks=[clock])
            trainer.train()
        if batches is None:  # drawn at random over whole passes: the mean clip, as often as there are clips
            audio = BATCH * statistics.fmean(entry.seconds for entry in run.data.labelled)
        else:
            audio = _audio_seconds(run, batches[WARM_UP:])
        return Measured(_counted(clock.times), audio, clock.losses[0])

    return turn


if __name__ == "__main__":
    main()
