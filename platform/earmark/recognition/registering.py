"""Bring a model in by its name and source: a job, as a hub may have to be asked and gigabytes read."""

from typing import Any

from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.jobs.models import Job
from earmark.jobs.services import submit
from earmark.recognition.engines import REMOTE, known_engine, options_of
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import register_model
from earmark.speech.errors import EarmarkError
from earmark.speech.remote_address import is_address, remote_address

KIND = "recognition.register"
LONGEST_NAME = ModelVersion._meta.get_field("name").max_length or 0
LONGEST_SOURCE = ModelVersion._meta.get_field("source").max_length or 0


def submit_registration(
    *, name: str, source: str, engine: str = "", scope: str = "", by: User | None = None
) -> Job:
    """Queue the registering of the model at `source` under `name`; see `registry.register_model`.

    `engine`: by its name in the settings, found out when empty. Only who runs the platform may ask: any folder of the
    workers can be named. Raises EarmarkError `recognition:model:name`, `recognition:model:source`,
    `recognition:engine:unknown`, `recognition:remote:*` before anything is queued.
    """
    name, source = name.strip(), source.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise EarmarkError(
            "recognition:model:name",
            _("{name} cannot name a model.").format(name=repr(name[:LONGEST_NAME])),
            _("Give 1 to {most} printable characters.").format(most=LONGEST_NAME),
        )
    if not source or len(source) > LONGEST_SOURCE or not source.isprintable():
        raise EarmarkError(
            "recognition:model:source",
            _("{source} is no source of a model.").format(source=repr(source[:LONGEST_SOURCE])),
            _("Give a folder that the workers see, a hub id, or http://host:port/v1#model."),
        )
    if engine:
        known_engine(engine)
    if is_address(source):
        remote_address(source, options_of(REMOTE).get("hosts", ()))
    job = submit(KIND, scope=scope, key=f"register:{name}", by=by, name=name, source=source, engine=engine)
    audit(by, "register model", scope or "models", name=name, source=source, engine=engine)
    return job


def register(*, name: str, source: str, engine: str) -> dict[str, Any]:
    """What the job does: register, and say what it has become."""
    model = register_model(name=name, source=source, engine=engine, lineage={"origin": "registered"})
    return {"model": model.pk, "name": model.name, "engine": model.engine}
