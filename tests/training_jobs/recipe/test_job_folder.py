import json

import pytest

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.job_folder import JobFolder, read_job
from training_jobs.recipe.manifest import ClipEntry, read_manifest
from training_jobs.recipe.prepare import plan, read_job_folder, read_metrics, write_job


def _clips(prefix: str, count: int, text: str = "") -> list[ClipEntry]:
    return [
        ClipEntry(id=f"{prefix}{i}", audio=f"audio/{prefix}{i}.flac", seconds=1.5, text=text)
        for i in range(count)
    ]


def _write(folder, **changes):
    values = {
        "base_model": "models/glm-asr-tiny",
        "labelled": _clips("l", 5, "four"),
        "unlabelled": _clips("u", 20),
        "dev": _clips("d", 2, "四"),
        "recipe": "article",
        "seed": 7,
        "overrides": {"batch_size": 4, "augmentation": {"speed": 0.05}},
        "threads": 1,
    }
    return write_job(folder, **(values | changes))


def test_a_job_folder_reads_back_as_written(tmp_path):
    written = _write(tmp_path)
    data = read_job_folder(tmp_path)
    assert data.plan == written == plan(tmp_path)
    assert written.total_steps > 0
    assert data.labelled == _clips("l", 5, "four")
    assert data.unlabelled == _clips("u", 20)
    assert data.dev == _clips("d", 2, "四")
    assert (data.job.seed, data.job.threads, data.job.recipe_name) == (7, 1, "article")
    assert data.job.recipe.batch_size == 4
    assert data.job.recipe.augmentation.speed == 0.05
    assert read_metrics(tmp_path) == ([], 0)


def test_a_model_name_of_any_characters_survives(tmp_path):
    name = 'C:\\models\\"小\t模型"'
    _write(tmp_path, base_model=name)
    assert read_job(JobFolder(tmp_path).job).base_model == name


def test_a_value_the_file_leaves_out_is_the_presets(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('format = 1\nbase_model = "m"\n[recipe]\nlearning_rate = 1e-3\n')
    job = read_job(path)
    assert (job.recipe.learning_rate, job.recipe.batch_size, job.device) == (1e-3, 16, "cpu")


@pytest.mark.parametrize(
    ("toml", "error_id", "named"),
    [
        ("format = 1\nbase_model = ", "training:job:unreadable", "job.toml"),
        ('format = 9\nbase_model = "m"', "training:job:format", "9"),
        ("format = 1", "training:job:option", "base_model"),
        ('format = 1\nbase_model = "m"\nsede = 1', "training:job:option", "sede"),
        ('format = 1\nbase_model = "m"\nseed = "one"', "training:job:option", "one"),
        ('format = 1\nbase_model = "m"\ndevice = "tpu"', "training:job:option", "tpu"),
        ('format = 1\nbase_model = "m"\nthreads = -1', "training:job:option", "threads"),
        ('format = 1\nbase_model = "m"\nrecipe = 4', "training:job:option", "recipe"),
        ('format = 1\nbase_model = "m"\n[recipe]\nrate = 4', "training:recipe:unknown-option", "rate"),
        ('format = 1\nbase_model = "m"\n[recipe]\npreset = "x"', "training:recipe:unknown", "x"),
    ],
)
def test_a_wrong_job_is_named(tmp_path, toml, error_id, named):
    path = tmp_path / "job.toml"
    path.write_text(toml)
    with pytest.raises(EarmarkError) as caught:
        read_job(path)
    assert caught.value.error_id == error_id
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("line", "error_id"),
    [
        ("{", "training:data:manifest"),
        ("[]", "training:data:manifest"),
        ('{"id": "a", "audio": "a.flac"}', "training:data:manifest"),
        ('{"id": 3, "audio": "a.flac", "seconds": 1, "text": "x"}', "training:data:manifest"),
        ('{"id": "a", "audio": "a.flac", "seconds": 1, "text": "x", "weight": 0}', "training:data:manifest"),
        ('{"id": "a", "audio": "a.flac", "seconds": 1, "text": " "}', "training:data:missing-text"),
        ('{"id": "a", "audio": "a.flac", "seconds": 0.05, "text": "x"}', "training:data:clip-length"),
        ('{"id": "a", "audio": "a.flac", "seconds": 31, "text": "x"}', "training:data:clip-length"),
    ],
)
def test_a_wrong_manifest_line_is_refused_with_its_place(tmp_path, line, error_id):
    path = tmp_path / "labelled.jsonl"
    path.write_text(
        '{"id": "fine", "audio": "f.flac", "seconds": 1, "text": "x", "speaker": "s"}\n' + line + "\n"
    )
    with pytest.raises(EarmarkError, match=r"labelled\.jsonl") as caught:
        read_manifest(path, with_text=True)
    assert caught.value.error_id == error_id


def test_a_clip_may_come_once_and_in_one_manifest(tmp_path):
    twice = [ClipEntry(id="a", audio="a.flac", seconds=1, text="x")] * 2
    with pytest.raises(EarmarkError) as caught:
        _write(tmp_path / "twice", labelled=twice)
    assert caught.value.error_id == "training:data:duplicate"
    with pytest.raises(EarmarkError) as caught:
        _write(tmp_path / "leak", dev=_clips("u", 1, "four"))
    assert caught.value.error_id == "training:data:leak"


def test_no_labelled_clip_and_no_manifest_are_errors(tmp_path):
    with pytest.raises(EarmarkError) as caught:
        _write(tmp_path, labelled=[])
    assert caught.value.error_id == "training:data:unlabelled-only"
    (tmp_path / "dev.jsonl").unlink()
    with pytest.raises(EarmarkError) as caught:
        plan(tmp_path)
    assert caught.value.error_id == "training:data:manifest"


def test_wrong_options_write_nothing(tmp_path):
    with pytest.raises(EarmarkError):
        _write(tmp_path / "job", overrides={"batch_size": 0})
    assert not (tmp_path / "job").exists()


def test_manifest_lines_are_plain_json(tmp_path):
    _write(tmp_path)
    line = json.loads((tmp_path / "dev.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert line["text"] == "四"
    assert line["audio"] == "audio/d0.flac"
