"""Models are known by their content, and who plays which part is on record."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings

from earmark.accounts.models import AuditEntry, User
from earmark.recognition import registry
from earmark.recognition.models import Alias, ModelVersion
from earmark.speech.errors import EarmarkError
from tests.recognition.world import Listener, make_collection, make_model

pytestmark = pytest.mark.django_db


def folder(path: Path, weights: str = "w") -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_text(weights)
    return path


def test_the_same_model_registered_twice_is_one_row(tmp_path: Path) -> None:
    source = str(folder(tmp_path / "a"))
    first = registry.register_model(name="one", source=source, lineage={"seed": 3})
    again = registry.register_model(name="one", source=source, lineage={"seed": 3})
    assert first == again
    assert first.lineage == {"seed": 3, "content": registry.content_digest(source)}
    assert ModelVersion.objects.count() == 1


def test_a_registered_name_follows_its_content_and_takes_no_other(tmp_path: Path) -> None:
    model = registry.register_model(name="one", source=str(folder(tmp_path / "a")))
    moved = folder(tmp_path / "b")
    assert registry.register_model(name="one", source=str(moved)).source == str(moved)
    model.refresh_from_db()
    assert model.source == str(moved)
    with pytest.raises(EarmarkError) as caught:
        registry.register_model(name="one", source=str(folder(tmp_path / "c", weights="other")))
    assert caught.value.error_id == "recognition:model:name_taken"


def test_a_model_is_what_its_loaded_files_hold(tmp_path: Path) -> None:
    source = folder(tmp_path / "a")
    before = registry.content_digest(str(source))
    (source / "README.md").write_text("about")
    assert registry.content_digest(str(source)) == before
    (source / "earmark.json").write_text("{}")
    assert registry.content_digest(str(source)) != before
    name = registry.content_name(label="tiny", source=str(source))
    assert name == f"tiny-{registry.content_digest(str(source))[:12]}"


def test_the_first_champion_is_the_model_of_the_settings(tmp_path: Path, settings: Settings) -> None:
    source = folder(tmp_path / "tiny")
    settings.EARMARK = replace(django_settings.EARMARK, model=str(source))
    here, there = make_collection(), make_collection()
    model = registry.champion(here)
    assert (model.source, model.name.split("-")[0]) == (str(source), "tiny")
    assert registry.champion(here) == registry.champion(there) == model
    assert Alias.objects.count() == 2
    assert AuditEntry.objects.filter(subject=here.scope).get().details == {
        "alias": "champion",
        "model": model.name,
        "before": None,
    }


def test_a_missing_model_names_the_setting(settings: Settings) -> None:
    settings.EARMARK = replace(django_settings.EARMARK, model="/no/such/model")
    with pytest.raises(EarmarkError, match="EARMARK_MODEL") as caught:
        registry.champion(make_collection())
    assert caught.value.error_id == "recognition:model:unavailable"
    assert not Alias.objects.exists()


def test_an_alias_changes_hands_on_record_and_only_when_it_does() -> None:
    collection, old, new = make_collection(), make_model("old"), make_model("new")
    by = User.objects.create(username="mary", email="m@example.org")
    for model in (old, new, new):
        registry.set_alias(collection=collection, name="champion", model=model, by=by)
    assert registry.holder(collection, "champion") == new
    assert [(entry.actor, entry.details["before"]) for entry in AuditEntry.objects.order_by("pk")] == [
        (by, None),
        (by, "old"),
    ]


def test_no_alias_of_another_name_can_be_given() -> None:
    with pytest.raises(EarmarkError) as caught:
        registry.set_alias(collection=make_collection(), name="king", model=make_model(), by=None)
    assert caught.value.error_id == "recognition:alias:unknown"


def test_engines_are_kept_and_the_least_used_is_put_away(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def load(engine: str, source: str, device: str) -> Listener:
        time.sleep(0.01)
        loads.append(f"{engine} {source}")
        return Listener()

    monkeypatch.setattr(registry, "load_engine", load)
    cache = registry.EngineCache(2)
    threads = [threading.Thread(target=cache.get, args=("e", "a", "cpu")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["e a"]
    for source in ("b", "a", "c", "a", "b"):
        cache.get("e", source, "cpu")
    cache.get("f", "b", "cpu")
    assert loads == ["e a", "e b", "e c", "e b", "f b"]


def test_a_registered_model_that_is_gone_says_where_it_was() -> None:
    model = ModelVersion.objects.create(name="lost", source="/gone/model")
    with pytest.raises(EarmarkError, match=r"lost cannot hear.*Put the model back at /gone/model") as caught:
        registry.engine_for(model)
    assert caught.value.error_id == "recognition:model:unavailable"
