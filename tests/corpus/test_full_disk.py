"""A storage without room: the import stops, says so, and goes on when there is room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from earmark.corpus import stored
from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import ImportFile, Recording
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.services import STACK
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db


def test_a_full_storage_stops_the_import_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    write(tmp_path / "a.wav", 0.5)
    made, _ = submit_ingest(collection=world.collection(), source=tmp_path)
    monkeypatch.setattr(stored, "_into_place", full)
    with pytest.raises(EarmarkError, match="No space left") as caught:
        run_ingest(world.Context(), import_id=made.pk)
    assert caught.value.error_id == "corpus:storage:refused"
    assert not ImportFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_quota_stops_the_import_and_room_lets_it_go_on(tmp_path: Path, media: Path) -> None:
    """The limit is the kernel's: no file of the process that imports may grow over 40 kB."""
    for name, seconds in (("a", 0.5), ("b", 0.6), ("c", 2.0), ("d", 0.7)):
        write(tmp_path / f"{name}.wav", seconds)
    made, _ = submit_ingest(collection=world.collection(), source=tmp_path)
    program = (
        "import resource, django; django.setup();"
        "from earmark.corpus import ingest; from tests.corpus.world import Context;"
        "ingest.FILES_AT_ONCE = 1; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000));"
        f"ingest.run_ingest(Context(), import_id={made.pk})"
    )
    database = STACK.environment["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    told = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database, "EARMARK_MEDIA": str(media)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "The storage did not take 'c.wav'" in ended.stderr
    assert set(world.outcome_of(made)) <= {"a.wav", "b.wav", "d.wav"}
    kept = {path.stem for path in media.rglob("*.wav")}
    assert kept >= set(Recording.objects.values_list("sha256", flat=True))
    assert {stored.sha256_of(path) for path in media.rglob("*.wav")} == kept, "what is there is whole"
    assert run_ingest(world.Context(), import_id=made.pk)["ingested"] == 4
