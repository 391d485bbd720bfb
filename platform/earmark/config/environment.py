"""The environment, parsed once and loudly: every variable the platform reads, with its reason."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.local.environment import load as load_embedded
from earmark.speech.errors import EarmarkError

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the process was told. Secrets have no default; the embedded stack writes its own to `var/local.json`."""

    var: Path
    secret_key: str
    database_url: str
    broker_url: str
    media: str
    s3_endpoint: str
    import_buckets: tuple[str, ...]
    site_url: str
    allowed_hosts: tuple[str, ...]
    label_studio_url: str
    label_studio_public_url: str
    label_studio_api_key: str
    webhook_secret: str
    audio_hosts: tuple[str, ...]
    model: str
    engine: str
    remote_hosts: tuple[str, ...]
    remote_key: str
    device: str
    debug: bool
    job_lease_seconds: float
    transcription_queue: str
    details_days: float
    agreement_share: float
    upload_quota_bytes: int
    keep_free_bytes: int
    import_roots: tuple[str, ...]
    launcher: str
    launcher_options: dict[str, Any]
    training_devices: tuple[str, ...]
    training_keep_days: float
    mlflow_url: str
    tensorboard: str


REQUIRED = {
    "SECRET_KEY": "a long random string that signs sessions and audio links",
    "DATABASE_URL": "PostgreSQL, as postgres://user:password@host:5432/name",
    "CELERY_BROKER_URL": "Redis or RabbitMQ, as redis://host:6379/0",
    "EARMARK_WEBHOOK_SECRET": "a random string that Label Studio sends back with each webhook",
}


def read(variables: Mapping[str, str]) -> Environment:
    """Parse `variables`; raises EarmarkError `config:environment:missing` naming each absent setting."""
    missing = [f"{name} ({why})" for name, why in REQUIRED.items() if not variables.get(name)]
    if missing:
        raise EarmarkError(
            "config:environment:missing",
            f"These settings are not set: {'; '.join(missing)}.",
            "Set them in the environment, or start the embedded services with `make run`.",
        )
    site_url = variables.get("EARMARK_SITE_URL", "http://127.0.0.1:8000").rstrip("/")
    label_studio_url = variables.get("LABEL_STUDIO_URL", "http://127.0.0.1:8080").rstrip("/")
    return Environment(
        var=Path(variables.get("EARMARK_VAR", str(PROJECT / "var"))),
        secret_key=variables["SECRET_KEY"],
        database_url=variables["DATABASE_URL"],
        broker_url=variables["CELERY_BROKER_URL"],
        media=variables.get("EARMARK_MEDIA", str(PROJECT / "var" / "media")),
        s3_endpoint=variables.get("AWS_ENDPOINT_URL_S3", variables.get("AWS_ENDPOINT_URL", "")),
        import_buckets=tuple(
            name for name in variables.get("EARMARK_IMPORT_BUCKETS", "").replace(" ", "").split(",") if name
        ),
        site_url=site_url,
        allowed_hosts=tuple(
            host for host in variables.get("EARMARK_ALLOWED_HOSTS", "127.0.0.1,localhost").split(",") if host
        ),
        label_studio_url=label_studio_url,
        label_studio_public_url=variables.get("LABEL_STUDIO_PUBLIC_URL", label_studio_url).rstrip("/"),
        label_studio_api_key=variables.get("LABEL_STUDIO_API_KEY", ""),
        webhook_secret=variables["EARMARK_WEBHOOK_SECRET"],
        audio_hosts=tuple(
            host for host in variables.get("EARMARK_AUDIO_HOSTS", "").replace(" ", "").split(",") if host
        ),
        model=variables.get("EARMARK_MODEL", str(PROJECT / "models" / "glm-asr-tiny")),
        engine=variables.get("EARMARK_ENGINE", ""),
        remote_hosts=tuple(
            host for host in variables.get("EARMARK_REMOTE_HOSTS", "").replace(" ", "").split(",") if host
        ),
        remote_key=variables.get("EARMARK_REMOTE_KEY", ""),
        device=variables.get("EARMARK_DEVICE", "cpu"),
        debug=variables.get("EARMARK_DEBUG", "") == "1",
        job_lease_seconds=float(variables.get("EARMARK_JOB_LEASE_SECONDS", "30")),
        transcription_queue=variables.get("EARMARK_TRANSCRIPTION_QUEUE", "gpu"),
        details_days=float(variables.get("EARMARK_DETAILS_DAYS", "30")),
        agreement_share=_share(variables, "EARMARK_AGREEMENT_SHARE"),
        upload_quota_bytes=int(float(variables.get("EARMARK_UPLOAD_QUOTA_GB", "200")) * 1e9),
        keep_free_bytes=int(float(variables.get("EARMARK_KEEP_FREE_GB", "2")) * 1e9),
        import_roots=tuple(
            root.strip() for root in variables.get("EARMARK_IMPORT_ROOTS", "").split(",") if root.strip()
        ),
        launcher=variables.get("EARMARK_LAUNCHER", "local"),
        launcher_options=_table(variables, "EARMARK_LAUNCHER_OPTIONS"),
        training_devices=_training_devices(variables),
        training_keep_days=float(variables.get("EARMARK_TRAINING_KEEP_DAYS", "7")),
        mlflow_url=variables.get("EARMARK_MLFLOW_URL", "").rstrip("/"),
        tensorboard=variables.get("EARMARK_TENSORBOARD", ""),
    )


def _share(variables: Mapping[str, str], name: str) -> float:
    """A number from 0 to 1, 0 unless set. Raises EarmarkError `config:environment:value`."""
    given = variables.get(name, "0")
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise EarmarkError(
            "config:environment:value", f"{name} is {given!r}, no number from 0 to 1.", "Correct the setting."
        )
    return share


def _table(variables: Mapping[str, str], name: str) -> dict[str, Any]:
    """A JSON object, empty unless set. Raises EarmarkError `config:environment:value`."""
    given = variables.get(name, "") or "{}"
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EarmarkError(
            "config:environment:value",
            f"{name} is {given!r}, no JSON object.",
            'Correct the setting, for example {"partition": "gpu"}.',
        )
    return found


def _training_devices(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Each device, or place, that one training at a time may have; where models hear unless set."""
    named = variables.get("EARMARK_TRAINING_DEVICES", "").replace(" ", "").split(",")
    device = variables.get("EARMARK_DEVICE", "cpu")
    return tuple(dict.fromkeys(filter(None, named))) or ("cuda:0" if device == "cuda" else device,)


def from_process() -> Environment:
    """The process environment, over what the embedded stack has written for other terminals."""
    var = Path(os.environ.get("EARMARK_VAR", str(PROJECT / "var")))
    return read({**load_embedded(var), **os.environ})
