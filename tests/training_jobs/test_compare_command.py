"""`earmark compare` and `earmark model`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from earmark.config.commands import comparing as commands
from earmark.config.commands import models
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import freeze_test_set
from earmark.jobs.models import Job
from earmark.recognition import registering
from earmark.recognition.models import ModelVersion
from tests.recognition.test_engines import typed
from tests.recognition.world import make_clip, make_collection, make_model
from tests.training_jobs.comparisons import a_report
from training_jobs.models import Comparison

pytestmark = pytest.mark.django_db


@pytest.fixture
def frozen() -> Snapshot:
    collection = make_collection("c")
    make_clip(collection, 1, text="one", split="test", speaker="bo")
    make_model("small")
    make_model("large")
    return freeze_test_set(collection=collection, by=None)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands do their jobs themselves instead of waiting for a worker."""

    def follow(job: Job, title: str, *, as_json: bool) -> Job:
        if job.kind == registering.KIND:
            job.result = registering.register(**job.arguments)
        else:
            report = a_report("small", "large")
            Comparison.objects.filter(pk=job.arguments["comparison_id"]).update(report=report)
        return job

    for module in (commands, models):
        monkeypatch.setattr(module, "follow", follow)


def run(command: Any, *words: str) -> str:
    ended = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_it_prints_a_table_markdown_or_the_whole_report(frozen: Snapshot, tmp_path: Path) -> None:
    words = ("small", "large", "-c", "c", "--snapshot", frozen.digest[:8])
    assert "Real-time factor" in run(commands.compare, *words, "--simplified")
    assert Comparison.objects.get().options["simplified"]
    target = tmp_path / "page.md"
    page = run(commands.compare, *words, "--markdown", "--to", str(target))
    assert page.startswith("# small / large\n")
    assert target.read_text(encoding="utf-8").strip() == page.strip()
    told = json.loads(run(commands.compare, *words, "--json"))
    assert told["overall"]["clips"] == 120


def test_models_are_registered_and_listed(tmp_path: Path) -> None:
    source = typed(tmp_path / "w", "whisper")
    told = json.loads(run(models.model, "register", "large", source, "--json"))
    assert (told["name"], told["engine"]) == ("large", "whisper")
    assert ModelVersion.objects.get().source == source
    assert "large  whisper" in run(models.model, "list")
