"""What beat asks for."""

from celery import shared_task

from annotation import checking, sync


@shared_task(name="annotation.poll_open_rounds")
def poll_open_rounds() -> int:
    return len(sync.poll_open_rounds())


@shared_task(name="annotation.start_checks")
def start_checks() -> int:
    return len(checking.start_checks())
