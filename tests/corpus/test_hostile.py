"""More than two hundred hostile inputs: each is recorded with an error id, and nothing else comes of any."""

import os
from pathlib import Path
from random import Random

import pytest

from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import Clip, Collection, Import, ImportFile, Recording
from earmark.speech.errors import EarmarkError
from tests.corpus import hostile, world
from tests.corpus.sources.places import laid
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db
SEED = 20


def test_two_hundred_hostile_inputs_cost_a_recorded_failure_each(
    tmp_path: Path, media: Path, var: Path
) -> None:
    rng, into, elsewhere = Random(SEED), world.collection(), tmp_path / "elsewhere"
    write(elsewhere / "good.wav", 1.0, hertz=333.0)
    folder = laid(tmp_path / "in", hostile.files(rng))
    count = len([path for path in folder.rglob("*") if path.is_file()])
    count += hostile.not_files(folder / "no files", elsewhere)
    packed = hostile.archives(tmp_path / "packed", rng, elsewhere)
    described = hostile.described(tmp_path / "described", elsewhere)
    write(folder / "good.wav", 1.0, hertz=444.0)
    before = state_of(tmp_path)

    made, result = world.bring_in(into, folder)
    assert outcomes(made, "ingested") == ["good.wav"], "whatever else came in should not have"
    assert result == {"ingested": 1, "duplicate": 0, "failed": count, "files": count + 1, "left_aside": {}}
    made, result = world.bring_in(into, described, layout="kaldi")
    assert (result["failed"], result["files"]) == (8, 8)
    recorded = count + 8 + sum(refusals(into, archive) for archive in packed)

    assert recorded >= 200
    assert not ImportFile.objects.filter(outcome="failed", error_id="").exists()
    assert not ImportFile.objects.filter(
        error_id__in=("corpus:audio:crashed", "corpus:audio:timeout")
    ).exists()
    assert (Recording.objects.count(), Clip.objects.count()) == (1, 1)
    assert state_of(tmp_path) == before, "something was written outside the storage"
    assert len([path for path in media.rglob("*") if path.is_file()]) == 1
    assert [path for path in var.rglob("*") if path.is_file()] == []


def refusals(into: Collection, archive: Path) -> int:
    """How many refusals with an error id importing the archive comes to: at once, in the job, or file by file."""
    imports = Import.objects.count()
    try:
        made, _ = submit_ingest(collection=into, source=archive)
        result = run_ingest(world.Context(), import_id=made.pk)
    except EarmarkError as error:
        return int(error.error_id.startswith(("corpus:archive:", "corpus:import:")))
    assert Import.objects.count() == imports + 1
    assert result["failed"] == result["files"] > 0, archive.name
    return int(result["failed"])


def outcomes(made: Import, outcome: str) -> list[str]:
    return [row.path for row in made.files.filter(outcome=outcome)]


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies below a folder: size and time of change of each entry, links not followed."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            state = os.lstat(Path(place) / name)
            found[str(Path(place) / name)] = (state.st_size, state.st_mtime_ns)
    return found
