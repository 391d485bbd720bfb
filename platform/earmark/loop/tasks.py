"""What beat asks of this floor."""

from celery import shared_task

from earmark.loop import retention, turning


@shared_task(name="earmark.loop.thin_details")
def thin_details() -> bool:
    return retention.submit_thinning() is not None


@shared_task(name="earmark.loop.turn")
def turn() -> int:
    return len(turning.submit_turns())
