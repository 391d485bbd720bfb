"""The model registry: which models there are, what each is made of, and which plays which part in a collection."""

import hashlib
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.recognition.champion_shown import submit_following
from earmark.recognition.models import Alias, ModelVersion
from earmark.speech.engine import Engine
from earmark.speech.errors import EarmarkError

LOADED_SUFFIXES = frozenset({".json", ".jinja", ".safetensors", ".txt", ".model"})
"""The files of a model folder that change what it hears; a README does not make another model."""
ENGINES_KEPT = 2
_HUB_REVISION = re.compile(r"[0-9a-f]{40}")


def register_model(
    *, name: str, source: str, parent: ModelVersion | None = None, lineage: dict[str, Any] | None = None
) -> ModelVersion:
    """Register the model at `source` (a folder or a hub id) under `name`; nothing is copied.

    Registering the same content under the same name again returns the row there is, and follows the model
    when its folder has moved. Raises EarmarkError `recognition:model:unavailable` when there is no such
    model, `recognition:model:name_taken` when the name belongs to other content.
    """
    source = _absolute(source)
    digest = content_digest(source)
    model, created = ModelVersion.objects.get_or_create(
        name=name,
        defaults={"source": source, "parent": parent, "lineage": {**(lineage or {}), "content": digest}},
    )
    if created:
        return model
    if model.lineage.get("content") != digest:
        raise EarmarkError(
            "recognition:model:name_taken",
            f"The name {name!r} belongs to a model of other content ({model.source}).",
            "Register this model under another name; a registered model never changes.",
        )
    if model.source != source:
        model.source = source
        model.save(update_fields=["source"])
    return model


def content_digest(source: str) -> str:
    """What the model at `source` is made of: the SHA-256 of its files, or the hub's revision of them.

    Raises EarmarkError `recognition:model:unavailable`.
    """
    from earmark.speech.model_folder import find_folder  # brings torch, which a web process can do without

    folder = find_folder(source)
    if _HUB_REVISION.fullmatch(folder.name):
        return folder.name
    hashes = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in LOADED_SUFFIXES:
            with path.open("rb") as file:
                hashes.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return hashes.hexdigest()


def content_name(*, label: str, source: str) -> str:
    """A name that says what it is and of what: `glm-asr-tiny-3f2a9c01d4e7`."""
    return f"{label}-{content_digest(source)[:12]}"


def holder(collection: Collection, name: str) -> ModelVersion | None:
    """The model that holds the alias `name` in `collection`, if any."""
    alias = Alias.objects.filter(collection=collection, name=name).select_related("model").first()
    return alias.model if alias else None


def set_alias(*, collection: Collection, name: str, model: ModelVersion, by: User | None) -> Alias:
    """Give `model` the part `name` in `collection`; the change, and who held it before, go into the audit log.

    Giving it to the model that holds it already changes nothing. Raises EarmarkError `recognition:alias:unknown`.
    """
    if name not in Alias.Name.values:
        raise EarmarkError(
            "recognition:alias:unknown",
            f"There is no alias {name!r}.",
            f"Choose one of {', '.join(Alias.Name.values)}.",
        )
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        before = holder(collection, name)
        if before == model:
            return Alias.objects.get(collection=collection, name=name)
        alias, _ = Alias.objects.update_or_create(collection=collection, name=name, defaults={"model": model})
        if name == Alias.Name.CHAMPION and collection.clips.exists():
            submit_following(collection=collection, by=by)
        audit(
            by,
            "set alias",
            collection.scope,
            alias=str(name),
            model=model.name,
            before=before.name if before else None,
        )
    return alias


def champion(collection: Collection) -> ModelVersion:
    """The model that transcribes `collection`; the first call registers EARMARK_MODEL as its first champion.

    Raises EarmarkError `recognition:model:unavailable`, which names EARMARK_MODEL, when that model is not there.
    """
    held = holder(collection, Alias.Name.CHAMPION)
    if held:
        return held
    source = settings.EARMARK.model
    base = register_model(
        name=content_name(label=Path(source).name, source=source),
        source=source,
        lineage={"origin": "EARMARK_MODEL"},
    )
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        held = holder(collection, Alias.Name.CHAMPION)
        if held:
            return held
        set_alias(collection=collection, name=Alias.Name.CHAMPION, model=base, by=None)
    return base


def _absolute(source: str) -> str:
    folder = Path(source).expanduser()
    return str(folder.resolve()) if folder.exists() else source


class EngineCache:
    """The engines this process has loaded, the least used put away first; a model is loaded once at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._engines: OrderedDict[tuple[str, str], Engine] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: str, device: str) -> Engine:
        """The engine of the model at `source` on `device`, loaded if it is not held."""
        with self._lock:
            key = (source, device)
            if key not in self._engines:
                while len(self._engines) >= self._size:
                    self._engines.popitem(last=False)
                self._engines[key] = load_engine(source, device)
            self._engines.move_to_end(key)
            return self._engines[key]


def load_engine(source: str, device: str) -> Engine:
    """The engine that hears with the model at `source`; raises EarmarkError `recognition:model:unavailable`."""
    from earmark.speech.glm import GlmAsrEngine  # brings torch, which a web process can do without
    from earmark.speech.model_folder import load_model

    return GlmAsrEngine(load_model(source, device))


_engines = EngineCache(ENGINES_KEPT)


def engine_for(model: ModelVersion) -> Engine:
    """The engine of `model` on EARMARK_DEVICE, kept for the life of the process.

    Raises EarmarkError `recognition:model:unavailable` when the registered folder or hub id is gone.
    """
    try:
        return _engines.get(model.source, settings.EARMARK.device)
    except EarmarkError as error:
        if error.error_id != "recognition:model:unavailable":
            raise
        raise EarmarkError(
            error.error_id,
            f"{model.name} cannot hear. {error.message}",
            f"Put the model back at {model.source}, or register it again under its name from where it is now. "
            "EARMARK_MODEL says only which model a new collection begins with.",
        ) from error
