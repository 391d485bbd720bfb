"""What beat asks of this floor."""

from celery import shared_task

from earmark.recognition import live


@shared_task(name="earmark.recognition.sweep_listenings")
def sweep_listenings() -> int:
    return live.sweep()
