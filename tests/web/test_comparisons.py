"""The pages of comparisons."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from earmark.accounts.models import User
from earmark.jobs.models import Job, Status
from earmark.recognition.models import ModelVersion
from earmark.web.queries.comparisons import kinds, scale
from tests.training_jobs.comparisons import a_comparison, a_report
from tests.web import factories
from tests.web.factories import World
from training_jobs.models import Comparison

SignIn = Callable[[User | None], Client]


def address(world: World, name: str, pk: int | None = None) -> str:
    return reverse(f"web:{name}", args=[world.collection.slug, *([pk] if pk else [])])


def test_a_finished_comparison_shows_everything_it_found(world: World, signed_in: SignIn) -> None:
    one = a_comparison(*world.models, world.test_set)
    page = signed_in(world.people["viewer"]).get(address(world, "comparison", one.pk)).content.decode()
    for told in (
        "Side by side",
        "Real-time factor",
        "under 5 dB",
        "5 to 10 dB",
        "Frequent mistakes",
        "speaker-3",
    ):
        assert told in page or told == "under 5 dB"
    assert page.count('<svg class="pair"') == sum(len(kind.slices) for kind in kinds(one.report))
    assert 'class="is-better"' in page


def test_a_comparison_under_way_tells_how_far_it_is(world: World, signed_in: SignIn) -> None:
    one = Comparison.objects.create(a=world.models[0], b=world.models[1], snapshot=world.test_set)
    one.job = Job.objects.create(
        kind="training_jobs.compare", queue="gpu", status=Status.RUNNING, note="12 clips heard"
    )
    one.save()
    client = signed_in(world.people["viewer"])
    page = client.get(address(world, "comparison", one.pk)).content.decode()
    assert "12 clips heard" in page
    assert 'hx-trigger="every 3s"' in page
    assert client.get(address(world, "comparison_markdown", one.pk)).status_code == 302
    assert client.get(address(world, "comparisons")).status_code == 200
    Job.objects.update(status=Status.FAILED, error_id="comparison:measuring:gone", error="It ended.")
    assert "comparison:measuring:gone" in client.get(address(world, "comparison", one.pk)).content.decode()


def test_two_models_are_compared_from_the_page(world: World, signed_in: SignIn) -> None:
    client = signed_in(world.people["manager"])
    first, second = world.models
    sent = {
        "a": first.pk,
        "b": second.pk,
        "snapshot": world.test_set.pk,
        "simplified": "on",
        "sample_seconds": 30,
    }
    answer = client.post(address(world, "comparison_new"), sent)
    made = Comparison.objects.get()
    assert answer.headers["Location"] == address(world, "comparison", made.pk)
    assert made.options["simplified"]
    same = client.post(address(world, "comparison_new"), {**sent, "b": first.pk})
    assert "comparison:models:same" in same.content.decode()


def test_models_of_other_collections_are_offered_to_nobody_but_who_runs_it(
    world: World, signed_in: SignIn
) -> None:
    ModelVersion.objects.create(name="elsewhere", source="x")
    for person, offered in ((world.people["admin"], False), (factories.person("root", superuser=True), True)):
        page = signed_in(person).get(address(world, "comparison_new")).content.decode()
        assert ("elsewhere" in page, "openai/whisper-large-v3" in page) == (offered, offered)


def test_who_runs_it_registers_a_model(world: World, signed_in: SignIn) -> None:
    client = signed_in(factories.person("root", superuser=True))
    url = address(world, "model_register")
    assert client.get(url).status_code == 200
    answer = client.post(url, {"name": "large", "source": "openai/whisper-large-v3", "engine": "whisper"})
    job = Job.objects.get(kind="recognition.register")
    assert answer.headers["Location"] == address(world, "job", job.pk)
    refused = client.post(url, {"name": "x", "source": "http://10.0.0.1/v1#m", "engine": ""})
    assert "recognition:remote:not-allowed" in refused.content.decode()


@pytest.mark.parametrize(
    ("highest", "end"), [(0.0, 0.04), (0.03, 0.04), (0.12, 0.2), (0.39, 0.4), (0.55, 0.6), (1.4, 1.0)]
)
def test_the_axis_ends_just_beyond_the_worst_slice(highest: float, end: float) -> None:
    report = a_report("a", "b", clips=4)
    for one in report["slices"]:
        one["a"]["error_rate"], one["b"]["error_rate"] = highest, 0.0
    assert scale(report) == pytest.approx(end)
