"""Train the demo model from nothing on synthetic speech: `python models/train_glm_asr_tiny.py`.

Thousands of short phrases in American English and Mandarin, and as many drills of words in no order, teach a
GLM-ASR of 1.5 M parameters to spell what it hears. One phrase in five with a number in it is left for
the report, as are all other dialects. A connectionist temporal classification head on the encoder (Graves 2006) helps
attention find the audio in the first few hundred steps; it is thrown away at the end. The aligner, which says when
words were spoken, is trained last, on the finished encoder and some of the same clips and texts.

Writes the model folder and `training.json` (arguments, loss, error rates) beside it. With `--aligner-only` the model
stays as it is and only its aligner is trained again, in about a minute.
"""

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from earmark.speech.aligner import Aligner
from earmark.speech.aligner_training import train_aligner
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_phrases import characters, drill, phrase
from earmark.speech.demo_voices import DIALECTS, Dialect, known, speak, speakers, training_speaker
from earmark.speech.examples import IGNORED_LABEL, training_batch
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, Manifest, add_aligner, load_model, save_model
from earmark.speech.scoring import bootstrap_interval, count_errors, error_rate
from earmark.speech.synthesis import Synthesiser
from earmark.speech.tiny_model import untrained_tiny_model

logger = logging.getLogger("train_glm_asr_tiny")


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome. Rates per step, widths in parameters, masks in frames and mel bands."""

    seed: int = 1
    clips_per_dialect: int = 12_000
    steps: int = 8_000
    batch_clips: int = 24
    learning_rate: float = 1.5e-3
    warm_up_steps: int = 200
    weight_decay: float = 0.01
    alignment_weight: float = 0.3
    time_mask_frames: int = 12
    mel_mask_bands: int = 14
    hidden: int = 128
    layers: int = 3
    report_clips: int = 160
    aligner_clips_per_dialect: int = 2_000
    threads: int = 2


@dataclass(frozen=True)
class Example:
    """A clip [n] float16 at 16 kHz with what is said in it."""

    samples: np.ndarray
    text: str


def synthesise(dialect: Dialect, count: int, *, seed: str) -> list[Example]:
    """Phrases and drills in turn, none of them held out, each by somebody new."""
    rng, synthesiser = Random(seed), Synthesiser()
    examples: list[Example] = []
    while len(examples) < count:
        drawn = (phrase, drill)[len(examples) % 2](dialect.name, rng)
        if not drawn.held_out:
            samples = speak(synthesiser, training_speaker(dialect, rng), drawn.say, rng)
            examples.append(Example(samples.astype(np.float16), drawn.reference))
    return examples


def report_examples(dialect: Dialect, count: int, *, held_out: bool, seed: str) -> list[Example]:
    """Phrases by the demo's own speakers of a dialect: as they come, or only those held out of training."""
    rng, synthesiser = Random(seed), Synthesiser()
    people = [speaker for speaker in speakers() if speaker.dialect == dialect]
    examples: list[Example] = []
    while len(examples) < count:
        drawn = phrase(dialect.name, rng)
        if drawn.held_out or not held_out:
            samples = speak(synthesiser, people[len(examples) % len(people)], drawn.say, rng)
            examples.append(Example(samples, drawn.reference))
    return examples


def batches(examples: Sequence[Example], size: int, rng: Random) -> Iterator[list[Example]]:
    """For ever: shuffled stretches of the data, cut into batches of clips of similar length."""
    while True:
        order = rng.sample(range(len(examples)), len(examples))
        for start in range(0, len(order), size * 50):
            stretch = sorted(order[start : start + size * 50], key=lambda i: len(examples[i].samples))
            cuts = [stretch[i : i + size] for i in range(0, len(stretch) - size + 1, size)]
            rng.shuffle(cuts)
            for cut in cuts:
                yield [examples[i] for i in cut]


def mask_features(features: torch.Tensor, plan: Plan, rng: Random) -> torch.Tensor:
    """SpecAugment (Park 2019) on [B, mels, frames]: two masks in time and two in frequency per clip."""
    masked = features.clone()
    for clip in masked:
        fill = clip.mean()
        for _ in range(2):
            width = rng.randint(0, plan.time_mask_frames)
            start = rng.randrange(max(1, clip.shape[1] - width))
            clip[:, start : start + width] = fill
            width = rng.randint(0, plan.mel_mask_bands)
            start = rng.randrange(clip.shape[0] - width)
            clip[start : start + width] = fill
    return masked


def rate_at(step: int, plan: Plan) -> float:
    """Learning rate: linear warm-up, then linear decay to nothing."""
    rise = min(1.0, (step + 1) / plan.warm_up_steps)
    fall = 1.0 - max(0, step - plan.warm_up_steps) / max(1, plan.steps - plan.warm_up_steps)
    return plan.learning_rate * min(rise, fall)


def alignment_loss(head: nn.Linear, encoded: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Connectionist temporal classification of the labels over encoder frames [B, T, H]; the last class is blank."""
    log_probabilities = head(encoded).log_softmax(-1).transpose(0, 1)
    frames = batch["input_features_mask"].sum(-1) // 2
    targets = [row[row != IGNORED_LABEL][:-1] for row in batch["labels"]]
    lengths = torch.tensor([len(target) for target in targets])
    blank = head.out_features - 1
    return nn.functional.ctc_loss(
        log_probabilities, torch.cat(targets), frames, lengths, blank=blank, zero_infinity=True
    )


def train(loaded: LoadedModel, examples: Sequence[Example], plan: Plan, log: Path) -> None:
    """The loop: batch, loss, step, log a line of JSON every 50 steps."""
    model, rng = loaded.model, Random(f"{plan.seed}:train")
    head = nn.Linear(plan.hidden, len(loaded.tokenizer) + 1)
    encoded: list[torch.Tensor] = []
    hook = model.model.audio_tower.register_forward_hook(
        lambda _module, _inputs, output: encoded.append(output.last_hidden_state)
    )
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.98), weight_decay=plan.weight_decay)
    stream, started = batches(examples, plan.batch_clips, rng), time.monotonic()
    sums: dict[str, float] = {"loss": 0.0, "alignment_loss": 0.0}
    model.train()
    with log.open("a", encoding="utf-8") as lines:
        for step in range(plan.steps):
            drawn = next(stream)
            batch = training_batch(loaded, [e.samples for e in drawn], [e.text for e in drawn])
            batch["input_features"] = mask_features(batch["input_features"], plan, rng)
            encoded.clear()
            loss = model(**batch).loss
            aligned = alignment_loss(head, encoded[0], batch)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, plan)
            optimizer.zero_grad(set_to_none=True)
            (loss + plan.alignment_weight * aligned).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            sums["loss"] += loss.item() / 50
            sums["alignment_loss"] += aligned.item() / 50
            if step % 50 == 49:
                line = {"step": step + 1, **sums, "seconds": time.monotonic() - started}
                lines.write(json.dumps(line) + "\n")
                lines.flush()
                logger.info("%s", line)
                sums = dict.fromkeys(sums, 0.0)
    hook.remove()
    model.eval()


def aligner_of(loaded: LoadedModel, plan: Plan) -> Aligner:
    """An aligner for the model from clips of the known dialects and their texts, no word times."""
    examples = [
        example
        for dialect in known()
        for example in synthesise(dialect, plan.aligner_clips_per_dialect, seed=f"{plan.seed}:{dialect.name}")
    ]
    heard = " and ".join(dialect.name for dialect in known())
    return train_aligner(
        replace(loaded, aligner=None),
        [example.samples.astype(np.float32) for example in examples],
        [example.text for example in examples],
        seed=plan.seed,
        about=f"{len(examples)} synthetic clips, {heard}, with their texts and without word times",
    )


def report(loaded: LoadedModel, plan: Plan) -> dict[str, Any]:
    """Error rates by dialect with 95 % intervals, over phrases as they come and over held-out ones."""
    found: dict[str, Any] = {}
    for dialect in DIALECTS:
        found[dialect.name] = {"known": dialect.known}
        for name, held_out in (("any_phrase", False), ("held_out_phrase", True)):
            seed = f"{plan.seed}:{name}:{dialect.name}"
            examples = report_examples(dialect, plan.report_clips, held_out=held_out, seed=seed)
            found[dialect.name][name] = measure(loaded, examples, dialect.language)
        logger.info("%s %s", dialect.name, found[dialect.name])
    return found


def measure(loaded: LoadedModel, examples: Sequence[Example], language: str) -> dict[str, Any]:
    """Error rate and interval of a model over examples, with the first few of its mistakes."""
    heard = [found.text for found in GlmAsrEngine(loaded).hear([example.samples for example in examples])]
    pairs = [(example.text, text) for example, text in zip(examples, heard, strict=True)]
    counts = [count_errors(text, guess, language) for text, guess in pairs]
    return {
        "clips": len(examples),
        "seconds": round(sum(len(example.samples) for example in examples) / SAMPLE_RATE, 1),
        "error_rate": error_rate(counts),
        "interval": bootstrap_interval(counts, seed=0),
        "mistakes": [pair for pair, count in zip(pairs, counts, strict=True) if count.errors][:5],
    }


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).parent / "glm-asr-tiny")
@click.option("--log", type=click.Path(path_type=Path), default=Path("var/train_glm_asr_tiny.jsonl"))
@click.option("--seed", default=Plan.seed)
@click.option("--steps", default=Plan.steps)
@click.option("--clips", default=Plan.clips_per_dialect, help="Clips to synthesise for each known dialect.")
@click.option("--threads", default=Plan.threads)
@click.option(
    "--aligner-only", is_flag=True, help="Leave the model in OUT as it is; train its aligner again."
)
def main(out: Path, log: Path, seed: int, steps: int, clips: int, threads: int, aligner_only: bool) -> None:
    """Train the demo model and write it to OUT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = Plan(seed=seed, steps=steps, clips_per_dialect=clips, threads=threads)
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    started = time.monotonic()
    if aligner_only:
        add_aligner(out, aligner_of(load_model(str(out)), plan))
        logger.info("the aligner of %s was trained in %.0f s", out, time.monotonic() - started)
        return
    examples = [
        example
        for dialect in known()
        for example in synthesise(dialect, plan.clips_per_dialect, seed=f"{plan.seed}:{dialect.name}")
    ]
    hours = math.fsum(len(example.samples) for example in examples) / SAMPLE_RATE / 3600
    logger.info("%d clips, %.2f h, synthesised in %.0f s", len(examples), hours, time.monotonic() - started)
    manifest = Manifest(
        window="trimmed", max_new_tokens_per_second=30.0, description="GLM-ASR tiny: synthetic commands"
    )
    loaded = untrained_tiny_model(
        characters(), seed=plan.seed, hidden=plan.hidden, layers=plan.layers, manifest=manifest
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    train(loaded, examples, plan, log)
    loaded = replace(loaded, aligner=aligner_of(loaded, plan))
    save_model(loaded, out)
    figures = {
        "plan": asdict(plan),
        "hours": hours,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "dialects": report(loaded, plan),
        "wall_seconds": time.monotonic() - started,
    }
    (out / "training.json").write_text(
        json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
