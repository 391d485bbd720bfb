"""The model registry: which models there are, what each is made of, and which plays which part in a collection."""

import gc
import hashlib
import re
import sys
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
from earmark.recognition.engines import REMOTE, engine_of, known_engine, load_engine, options_of
from earmark.recognition.models import Alias, ModelVersion
from earmark.speech.engine import Engine
from earmark.speech.errors import EarmarkError
from earmark.speech.remote_address import is_address, remote_address

LOADED_SUFFIXES = frozenset({".json", ".jinja", ".safetensors", ".txt", ".model"})
"""The files of a model folder that change what it hears; a README does not make another model."""
ENGINES_KEPT = 2
_HUB_REVISION = re.compile(r"[0-9a-f]{40}")


def register_model(
    *,
    name: str,
    source: str,
    engine: str = "",
    parent: ModelVersion | None = None,
    lineage: dict[str, Any] | None = None,
) -> ModelVersion:
    """Register the model at `source` (a folder, a hub id or an address) under `name`; nothing is copied.

    `engine` names one of the settings; by default the one that reads such a model. Registering the same content
    under the same name again returns the row there is, and follows the model when its folder has moved. Raises
    EarmarkError `recognition:model:unavailable` when there is no such model, `recognition:model:name_taken` when
    the name belongs to other content, `recognition:engine:*`, and `recognition:remote:*` for an address.
    """
    source = _absolute(source)
    engine = known_engine(engine) if engine else engine_of(source, _folder(source))
    digest = content_digest(source)
    model, created = ModelVersion.objects.get_or_create(
        name=name,
        defaults={
            "source": source,
            "engine": engine,
            "parent": parent,
            "lineage": {**(lineage or {}), "content": digest},
        },
    )
    if created:
        return model
    if (model.lineage.get("content"), model.engine) != (digest, engine):
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

    Of a remote one only its address is known: whoever runs it may put another model there. Raises EarmarkError
    `recognition:model:unavailable`, `recognition:remote:address` or `:not-allowed`.
    """
    folder = _folder(source)
    if folder is None:
        return hashlib.sha256(source.encode()).hexdigest()
    if _HUB_REVISION.fullmatch(folder.name):
        return folder.name
    hashes = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in LOADED_SUFFIXES:
            with path.open("rb") as file:
                hashes.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return hashes.hexdigest()


def _folder(source: str) -> Path | None:
    """Where the model's files are; None for one behind an address, which must be one we may talk to."""
    if is_address(source):
        remote_address(source, options_of(REMOTE).get("hosts", ()))
        return None
    from earmark.speech.model_folder import find_folder  # brings torch, which a web process can do without

    return find_folder(source)


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
        name=content_name(label=label_of(source), source=source),
        source=source,
        engine=settings.EARMARK.engine,
        lineage={"origin": "EARMARK_MODEL"},
    )
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        held = holder(collection, Alias.Name.CHAMPION)
        if held:
            return held
        set_alias(collection=collection, name=Alias.Name.CHAMPION, model=base, by=None)
    return base


def label_of(source: str) -> str:
    """What people call the model at `source`: the last word of its folder, hub id or address."""
    return re.split(r"[/#]", source.rstrip("/"))[-1]


def _absolute(source: str) -> str:
    folder = Path(source).expanduser()
    return str(folder.resolve()) if folder.exists() else source


class EngineCache:
    """The engines this process has loaded, the least used put away first; a model is loaded once at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._engines: OrderedDict[tuple[str, str, str], Engine] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, engine: str, source: str, device: str) -> Engine:
        """The engine `engine` with the model at `source` on `device`, loaded if it is not held."""
        with self._lock:
            key = (engine, source, device)
            if key not in self._engines:
                while len(self._engines) >= self._size:
                    self._engines.popitem(last=False)
                self._engines[key] = load_engine(engine, source, device)
            self._engines.move_to_end(key)
            return self._engines[key]

    def clear(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._engines.clear()


_engines = EngineCache(ENGINES_KEPT)


def put_engines_away() -> None:
    """Let go of the models this process holds, for others that need its memory; they are loaded again when wanted."""
    _engines.clear()
    gc.collect()
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()


def engine_for(model: ModelVersion) -> Engine:
    """The engine of `model` on EARMARK_DEVICE, kept for the life of the process.

    Raises EarmarkError `recognition:model:unavailable` when the registered folder or hub id is gone.
    """
    try:
        return _engines.get(model.engine, model.source, settings.EARMARK.device)
    except EarmarkError as error:
        if error.error_id != "recognition:model:unavailable":
            raise
        raise EarmarkError(
            error.error_id,
            f"{model.name} cannot hear. {error.message}",
            f"Put the model back at {model.source}, or register it again under its name from where it is now. "
            "EARMARK_MODEL says only which model a new collection begins with.",
        ) from error
