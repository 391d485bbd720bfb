"""`earmark ingest`: its options are those of the sources, and reach the import."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from earmark.config.commands import corpus
from earmark.corpus.ingest import run_ingest
from earmark.corpus.models import Clip, Collection, Import, Reference
from earmark.corpus.sources import Channels
from earmark.corpus.sources.layouts import LAYOUTS
from earmark.jobs.models import Job
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.corpus.sources.places import laid, tarred
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does the job itself instead of waiting for a worker."""

    def follow(job: Job, _: str, *, as_json: bool) -> Job:
        job.result = run_ingest(world.Context(), import_id=Import.objects.get().pk)
        return job

    monkeypatch.setattr(corpus, "follow", follow)


def ingest(*words: object) -> Any:
    return CliRunner().invoke(corpus.ingest, [*map(str, words), "--json"], catch_exceptions=False)


def test_the_choices_are_what_there_is() -> None:
    assert set(corpus.LAYOUTS) == set(LAYOUTS)
    assert set(corpus.CHANNELS) == set(Channels)


def test_an_archive_in_a_layout_comes_in_with_its_texts(tmp_path: Path) -> None:
    data = write(tmp_path / "a.wav", 1.0, channels=2).read_bytes()
    line = b'{"audio_filepath": "a.wav", "text": "hello", "speaker": "anna", "lang": "en"}\n'
    archive = tarred(tmp_path / "calls.tar.gz", {"anna/a.wav": data, "anna/dev.json": line})
    ended = ingest(archive, "--layout", "nemo", "--channels", "first", "--collection", "calls")
    assert ended.exit_code == 0, ended.output
    clip = Clip.objects.get()
    assert (clip.speaker.name, clip.language, clip.split, clip.channel) == ("anna", "en", "dev", 0)
    assert Reference.objects.get().text == "hello"
    assert Import.objects.get().options == {"kind": "archive", "layout": "nemo", "channels": "first"}


def test_who_speaks_may_come_from_the_path(tmp_path: Path) -> None:
    write(tmp_path / "in" / "bo" / "a.wav", 1.0)
    ended = ingest(tmp_path / "in", "--speaker-from", "^(?P<speaker>[^/]+)/", "-c", "calls")
    assert ended.exit_code == 0, ended.output
    assert Clip.objects.get().speaker.name == "bo"


@pytest.mark.parametrize("words", [["absent"], [".", "--layout", "kaldy"], [".", "--channels", "both"]])
def test_wrong_use_is_told(words: list[str]) -> None:
    assert ingest(*words).exit_code == 2
    assert not Collection.objects.exists()


def test_a_refusal_leaves_no_empty_collection(tmp_path: Path) -> None:
    laid(tmp_path, {"wav.scp": "a a.wav\n", "a.wav": "x"})
    with pytest.raises(EarmarkError, match="--layout kaldi"):
        ingest(tmp_path, "-c", "calls")
    with pytest.raises(EarmarkError, match="is not one that audio may be brought in from"):
        ingest("s3://anybody/x", "-c", "calls")
    assert not Collection.objects.exists()
