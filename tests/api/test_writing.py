"""Requests that change something: what they ask of the floors below, and what they answer."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.core.files.uploadedfile import SimpleUploadedFile

from earmark.api.handlers import clear_upload
from earmark.api.models import KeptAnswer
from earmark.api.uploads import laid_down
from earmark.corpus.models import Import
from earmark.corpus.services import create_collection
from earmark.jobs.models import Job, Status
from earmark.jobs.running import run
from earmark.recognition.models import Alias, Hypothesis
from earmark.speech.errors import EarmarkError
from tests.api.world import World, build
from training_jobs.models import Evaluation, TrainingJob

IN = "/api/v1/collections/cantonese/"


def post(world: World, address: str, name: str = "admin", **body: Any) -> Any:
    return world.client(name).post(f"{IN}{address}", body, format="json")


def upload(world: World, *files: SimpleUploadedFile, **more: Any) -> Any:
    sent = {"files": list(files), **more}
    return world.client("manager").post(f"{IN}imports/", sent, format="multipart")


def test_the_answer_leads_to_the_job(world: World) -> None:
    answer = post(world, "transcriptions/", only="unlabelled")
    assert answer.status_code == 202
    told = world.client("viewer").get(answer.headers["Location"]).json()
    assert told == answer.json()["job"]
    assert (told["kind"], told["status"]) == ("recognition.transcribe", "queued")


def test_a_training_is_launched_as_asked(world: World) -> None:
    answer = post(
        world,
        "training-jobs/",
        recipe="article",
        seed=11,
        overrides={"mixed_epochs": 2},
        snapshot=world.training_set.pk,
    )
    assert answer.status_code == 202
    training = TrainingJob.objects.get(pk=answer.json()["training_job"]["id"])
    assert (training.seed, training.overrides, training.base) == (11, {"mixed_epochs": 2}, world.model)
    assert (training.snapshot, training.created_by) == (world.training_set, world.people["admin"])


@pytest.mark.parametrize(
    ("body", "error_id"),
    [
        ({"recipe": "nonsense"}, "training:recipe:unknown"),
        ({"overrides": {"nonsense": 1}}, "training:recipe:unknown-option"),
        ({"snapshot": 999_999}, "api:request:invalid"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_written(
    world: World, body: dict[str, Any], error_id: str
) -> None:
    before = TrainingJob.objects.count()
    answer = post(world, "training-jobs/", **body)
    assert (answer.status_code, answer.json()["error_id"]) == (400, error_id)
    assert TrainingJob.objects.count() == before


def test_the_test_set_is_never_a_training_set(world: World) -> None:
    assert post(world, "training-jobs/", snapshot=world.test_set.pk).status_code == 400


def test_a_training_is_cancelled_once(world: World) -> None:
    client = world.client("admin")
    address = f"/api/v1/training-jobs/{world.training.pk}/cancel/"
    assert client.post(address).json()["job"]["cancel_requested"] is True
    Job.objects.filter(pk=world.training.job_id).update(status=Status.CANCELLED)
    assert client.post(address).json()["error_id"] == "training:job:finished"


def test_a_job_that_has_not_begun_is_cancelled_at_once(world: World) -> None:
    job = post(world, "transcriptions/").json()["job"]
    answer = world.client("manager").post(f"/api/v1/jobs/{job['id']}/cancel/")
    assert answer.json()["status"] == "cancelled"


def test_nobody_can_work_with_what_belongs_to_another_collection(world: World) -> None:
    other = build("scottish")
    model = {"model": other.model.pk}
    assert post(world, "transcriptions/", **model).status_code == 400
    assert post(world, "evaluations/", **model).status_code == 400
    assert post(world, "promotions/", **model).status_code == 400
    assert post(world, "training-jobs/", snapshot=other.training_set.pk).status_code == 400
    assert post(world, "exports/", snapshot=other.training_set.pk, format="jsonl").status_code == 400


def test_an_evaluation_needs_a_frozen_test_set(world: World) -> None:
    bare = create_collection(slug="bare", name="Bare", by=world.people["admin"])
    address = f"/api/v1/collections/{bare.slug}/evaluations/"
    answer = world.client("admin").post(address, {"model": world.model.pk}, format="json")
    assert (answer.status_code, answer.json()["error_id"]) == (409, "evaluation:test-set:missing")


def test_a_promotion_is_judged_or_has_a_reason_and_can_be_taken_back(world: World) -> None:
    unmeasured = post(world, "promotions/", model=world.rival.pk).json()
    assert unmeasured["error_id"] == "loop:promotion:unevaluated"
    for model in (world.model, world.rival):
        heard = [Hypothesis(clip=one, model=model, text="yat yi saam", confidence=0.5) for one in world.clips]
        Hypothesis.objects.bulk_create(heard, ignore_conflicts=True)
    Evaluation.objects.create(
        model=world.rival, snapshot=world.test_set, error_rate=0, low=0, high=1, clips=1, seed=20,
        slices={"language": {}, "dialect": {}},
    )  # fmt: skip
    kept = post(world, "promotions/", "manager", model=world.rival.pk).json()
    assert (kept["outcome"], kept["is_change"], kept["verdict"]["promote"]) == ("kept", False, False)
    assert "may be chance" in kept["why"]
    reason = "It is half the size and as good."
    assert post(world, "promotions/", "manager", model=world.rival.pk, reason=reason).status_code == 403
    made = post(world, "promotions/", model=world.rival.pk, reason=reason).json()
    assert (made["outcome"], made["why"], made["by"]) == ("reason", reason, "admin")
    assert Alias.objects.get(collection=world.collection, name="champion").model == world.rival
    back = post(world, "promotions/roll-back/").json()
    assert back["model"]["id"] == world.model.pk
    listed = world.client("viewer").get(f"/api/v1/collections/{world.collection.slug}/promotions/").json()
    assert [one["outcome"] for one in listed["results"]] == ["rolled-back", "reason", "kept"]


def test_an_export_is_downloaded_when_its_job_is_done(world: World) -> None:
    client = world.client("manager")
    asked = post(world, "exports/", "manager", snapshot=world.training_set.pk, format="jsonl").json()
    assert asked["job"]["download_url"] is None
    early = client.get(f"/api/v1/exports/{asked['export']['id']}/download/")
    assert (early.status_code, early.json()["error_id"]) == (409, "datasets:export:not-ready")
    assert run(asked["job"]["id"]) == Status.SUCCEEDED
    done = client.get(f"/api/v1/jobs/{asked['job']['id']}/").json()
    file = client.get(done["download_url"])
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert {line["text"] for line in lines} == {"yat yi saam"}
    assert {line["id"] for line in lines} == {item.clip_id for item in world.training_set.items.all()}
    assert file.headers["Content-Disposition"].endswith('.jsonl"')
    assert file.headers["Content-Disposition"].startswith('attachment; filename="cantonese-')


def test_uploaded_files_become_recordings_and_clips(world: World) -> None:
    sound = io.BytesIO()
    soundfile.write(sound, np.random.default_rng(1).uniform(-0.3, 0.3, 22_050), 22_050, format="WAV")
    answer = upload(
        world,
        SimpleUploadedFile("he said '你好'.wav", sound.getvalue()),
        SimpleUploadedFile("empty.wav", b""),
        manifest=SimpleUploadedFile(
            "list.csv", "path,speaker,language\nhe said '你好'.wav,mei,yue\nempty.wav,mei,yue\n".encode()
        ),
    )
    told = answer.json()
    assert run(told["job"]["id"]) == Status.SUCCEEDED
    client = world.client("viewer")
    assert client.get(f"/api/v1/imports/{told['import']['id']}/").json()["outcomes"]["ingested"] == 1
    files = client.get(f"/api/v1/imports/{told['import']['id']}/files/").json()["results"]
    assert {each["path"]: each["error_id"] for each in files} == {
        "he said '你好'.wav": "",
        "empty.wav": "corpus:audio:empty",
    }
    (clip,) = client.get(f"{IN}clips/?speaker=mei").json()["results"]
    assert (clip["language"], clip["seconds"], clip["hypothesis"]) == ("yue", 1.0, None)


def test_too_many_files_at_once_are_refused(world: World) -> None:
    answer = upload(world, *(SimpleUploadedFile(f"{number}.wav", b"") for number in range(101)))
    assert (answer.status_code, answer.json()["error_id"]) == (400, "api:request:refused")


def test_files_are_uploaded_and_cleared_away_once_read(world: World, var: Path) -> None:
    manifest = SimpleUploadedFile("list.csv", b"path,speaker\na b.wav,mei\n")
    answer = upload(
        world, SimpleUploadedFile("a b.wav", b"RIFF"), SimpleUploadedFile("空.flac", b""), manifest=manifest
    )
    assert answer.status_code == 202, answer.json()
    folder = Path(Import.objects.get(pk=answer.json()["import"]["id"]).source)
    assert folder.is_relative_to(var / "uploads")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a b.wav": b"RIFF", "空.flac": b""}
    assert (folder.parent / "manifest.csv").read_bytes() == manifest.file.getvalue()

    clearing = Job.objects.get(kind="api.clear_upload")
    assert clear_upload(None, **clearing.arguments) == {"cleared": False}  # type: ignore[arg-type]
    assert folder.exists()
    Job.objects.filter(pk=clearing.arguments["job_id"]).update(status=Status.FAILED)
    assert clear_upload(None, **clearing.arguments) == {"cleared": True}  # type: ignore[arg-type]
    assert clear_upload(None, **clearing.arguments) == {"cleared": True}  # type: ignore[arg-type]
    assert not folder.parent.exists()


def named(name: str) -> SimpleUploadedFile:
    """A file with a name that Django's own parser would have cleaned."""
    file = SimpleUploadedFile("x.wav", b"RIFF")
    file._name = name  # type: ignore[attr-defined]
    return file


@pytest.mark.parametrize("name", ["../../evil.wav", "a/b.wav", "..", "a\\b.wav", "x\0.wav", "x" * 300])
def test_a_path_is_no_file_name(world: World, var: Path, name: str) -> None:
    with pytest.raises(EarmarkError, match="plain file name"), laid_down([named(name)], None):
        raise AssertionError
    assert not list(var.rglob("*.wav"))


def test_paths_sent_over_the_wire_stay_in_the_folder(world: World, var: Path) -> None:
    body = (
        '--b\r\nContent-Disposition: form-data; name="files"; filename="../../../evil.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n"
    )
    answer = world.client("manager").post(
        f"{IN}imports/", body, content_type="multipart/form-data; boundary=b"
    )
    assert answer.status_code == 202
    assert [path.relative_to(var).parts[0] for path in var.rglob("evil.wav")] == ["uploads"]


def test_an_upload_that_is_refused_leaves_nothing(world: World, var: Path) -> None:
    twice = upload(world, SimpleUploadedFile("a.wav", b"1"), SimpleUploadedFile("a.wav", b"2"))
    assert twice.json()["error_id"] == "api:upload:name"
    odd = upload(world, SimpleUploadedFile("a.wav", b"1"), manifest=SimpleUploadedFile("list.xlsx", b"x"))
    assert odd.json()["error_id"] == "api:upload:manifest"
    assert upload(world).status_code == 400
    assert not list(var.rglob("*.wav"))
    assert not Job.objects.filter(kind="api.clear_upload").exists()


def test_a_folder_on_the_server_cannot_be_named(world: World) -> None:
    answer = world.client("superuser").post(f"{IN}imports/", {"source": "/etc"}, format="json")
    assert answer.status_code == 415


def test_a_strategy_is_never_an_import_path_of_the_callers_choice(world: World) -> None:
    answer = post(world, "rounds/", budget_seconds=60, strategy="os.system")
    assert answer.json()["error_id"] == "annotation:strategy:unknown"


def test_a_round_is_asked_for_closed_and_stays_closed(world: World) -> None:
    asked = post(world, "rounds/", "manager", budget_seconds=60, seed=5)
    assert asked.status_code == 202, asked.json()
    assert (asked.json()["round"]["status"], asked.json()["round"]["seed"]) == ("opening", 5)
    address = f"/api/v1/rounds/{world.round.pk}/close/"
    for _ in range(2):
        assert world.client("manager").post(address).json()["status"] == "closed"


def test_the_test_set_is_frozen_once(world: World) -> None:
    answers = [post(world, "snapshots/", purpose="test").json() for _ in range(2)]
    assert [each["id"] for each in answers] == [world.test_set.pk] * 2
    assert not KeptAnswer.objects.exists()
