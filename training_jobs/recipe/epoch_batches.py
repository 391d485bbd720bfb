"""The batches of an epoch: which clips, from the seed; their examples, made in the background while steps run."""

from dataclasses import dataclass

from training_jobs.recipe.learning_examples import Example
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prefetching import Prefetcher
from training_jobs.recipe.run import Run
from training_jobs.recipe.sampling import batch_stream, generator, in_step
from training_jobs.recipe.schedules import Epoch


@dataclass(frozen=True)
class Batch:
    """This process's examples of one step, by part, and how many clips all processes have in it."""

    real: list[Example]
    pseudo: list[Example]
    replay: list[Example]
    clips: int


@dataclass(frozen=True)
class Drawn:
    """A clip to learn: its text, how much it counts, whether the teacher is asked about it."""

    entry: ClipEntry
    text: str
    weight: float = 1.0
    taught: bool = False


def upcoming_batches(run: Run, epoch: Epoch) -> Prefetcher[Batch]:
    """The batches from where the run stands to the end of the epoch, by what is trusted now.

    What is done to a clip's sound is drawn from the seed, the step and its place in the batch, so it does not depend on
    which process has it or on when it is made.
    """
    drawn = {part: clips for part, clips in drawn_clips(run, epoch).items() if clips}

    def make(at: int) -> Batch:
        found: dict[str, list[Example]] = {"real": [], "pseudo": [], "replay": []}
        for part, batches in drawn.items():
            places = run.processes.share(range(len(batches[at])))
            found[part] = [_example(run, batches[at][i], epoch.first_step + at, part, i) for i in places]
        return Batch(**found, clips=sum(len(batches[at]) for batches in drawn.values()))

    return Prefetcher(run.around.pool, make, run.progress.step - epoch.first_step, epoch.steps)


def _example(run: Run, one: Drawn, step: int, part: str, place: int) -> Example:
    return run.examples(
        run.audio(one.entry),
        one.text,
        rng=generator(run.job.seed, "disturb", step, part, place),
        weight=one.weight,
        taught=one.taught,
        key=one.entry.id,
    )


def drawn_clips(run: Run, epoch: Epoch) -> dict[str, list[list[Drawn]]]:
    """Clips by part and step. Where nothing is trusted, or nothing replayed, labelled clips fill the batch."""
    data = run.data
    size = epoch.real + (0 if run.labels else epoch.pseudo) + (0 if run.replay else epoch.replay)
    real = [Drawn(entry, entry.text, entry.weight) for entry in data.labelled]
    power = run.job.recipe.pseudo_weight_power
    pseudo = [
        Drawn(data.unlabelled[label.index], label.text, label.trust**power, taught=True)
        for label in run.labels
    ]
    replay = [Drawn(data.unlabelled[label.index], label.text) for label in run.replay]
    parts = {"real": (real, size), "pseudo": (pseudo, epoch.pseudo), "replay": (replay, epoch.replay)}
    seconds = [[clip.entry.seconds for clip in clips] for clips, _ in parts.values()]
    streams = [
        batch_stream(own, count, epoch.steps, generator(run.job.seed, part, epoch.index))
        for own, (part, (_, count)) in zip(seconds, parts.items(), strict=True)
    ]
    together = in_step(streams, seconds, generator(run.job.seed, "order", epoch.index))
    return {
        part: [[clips[i] for i in batch] for batch in batches]
        for (part, (clips, _)), batches in zip(parts.items(), together, strict=True)
    }
