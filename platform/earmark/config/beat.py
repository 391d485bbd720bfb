"""Beat's scheduler: the entries of the settings in memory, and a file that shows it is alive."""

from typing import Any

from celery import beat
from django.conf import settings

from earmark.local.health import BEAT_FILE, BEAT_SECONDS


class Scheduler(beat.Scheduler):
    """Keeps no file of its own between starts: every entry of ours may run again at once."""

    max_interval = int(BEAT_SECONDS / 4)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due and return the seconds until the next look."""
        seconds: float = super().tick(*args, **kwargs)
        (settings.EARMARK.var / BEAT_FILE).touch()
        return seconds
