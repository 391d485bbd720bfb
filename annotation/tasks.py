"""What beat asks for."""

from celery import shared_task

from annotation import ml_events, sync


@shared_task(name="annotation.poll_open_rounds")
def poll_open_rounds() -> int:
    return len(sync.poll_open_rounds())


@shared_task(name="annotation.poll_connected")
def poll_connected() -> int:
    return len(ml_events.poll_connected())
