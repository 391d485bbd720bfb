"""What beat asks for."""

from celery import shared_task

from annotation import sync


@shared_task(name="annotation.poll_open_rounds")
def poll_open_rounds() -> int:
    return len(sync.poll_open_rounds())
