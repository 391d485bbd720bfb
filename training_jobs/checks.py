"""`manage.py check`: the launcher of the settings is there and takes its options."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from earmark.speech.errors import EarmarkError
from training_jobs import launching


@register("earmark")
def launcher_is_there(app_configs: object = None, **more: Any) -> list[CheckMessage]:
    """EARMARK_LAUNCHER and EARMARK_LAUNCHER_OPTIONS."""
    try:
        launching.launcher()
    except EarmarkError as error:
        return [Error(f"{error.message} ({error.error_id})", hint=error.hint, id="training_jobs.E001")]
    return []
