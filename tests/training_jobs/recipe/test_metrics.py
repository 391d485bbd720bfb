import json

import pytest

from training_jobs.recipe.metrics import MetricsWriter, read_metrics
from training_jobs.recipe.run import MOST_STEP_LINES, told_every


@pytest.mark.parametrize("steps", [1, MOST_STEP_LINES, MOST_STEP_LINES + 1, 4_500_000])
def test_a_run_of_millions_of_steps_tells_of_no_more_than_a_page_can_draw(steps):
    told = steps // told_every(steps)
    assert 0.5 * min(steps, MOST_STEP_LINES) <= told <= MOST_STEP_LINES
    assert steps > MOST_STEP_LINES or told == steps


def test_lines_are_seen_at_once_and_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path, 0) == ([], 0)
    writer = MetricsWriter(path)
    writer.write(stage="warm-up", step=1, loss=1 / 3)
    metrics, offset = read_metrics(path, 0)
    assert [m.values["step"] for m in metrics] == [1]
    assert metrics[0].values["loss"] == 0.3333333
    assert metrics[0].values["time"] > 1.6e9
    writer.write(stage="混合", step=2)
    writer.write(stage="mixed", step=3)
    later, end = read_metrics(path, offset)
    assert [(m.values["stage"], m.values["step"]) for m in later] == [("混合", 2), ("mixed", 3)]
    assert later[0].position == offset
    data = path.read_bytes()
    assert all(json.loads(data[m.position :].split(b"\n")[0]) == m.values for m in later)
    assert read_metrics(path, end) == ([], end)
    writer.close()


def test_a_line_being_written_waits_for_the_next_call(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"ste', encoding="utf-8")
    metrics, offset = read_metrics(path, 0)
    assert [m.values for m in metrics] == [{"step": 1}]
    with path.open("a") as file:
        file.write('p": 2}\n')
    assert [m.values for m in read_metrics(path, offset)[0]] == [{"step": 2}]


def test_a_line_cut_by_a_kill_does_not_spoil_those_after_it(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo', encoding="utf-8")
    writer = MetricsWriter(path)
    writer.write(step=2)
    writer.close()
    assert [m.values["step"] for m in read_metrics(path, 0)[0]] == [1, 2]
