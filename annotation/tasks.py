"""What beat asks for."""

from celery import shared_task
from django.utils import timezone

from annotation import checking, ml_events, refreshing, rerouting, sync


@shared_task(name="annotation.poll_open_rounds")
def poll_open_rounds() -> int:
    return len(sync.poll_open_rounds())


@shared_task(name="annotation.start_checks")
def start_checks() -> int:
    return len(checking.start_checks())


@shared_task(name="annotation.look_after_open_rounds")
def look_after_open_rounds() -> int:
    """Give out anew what waits for people who are away, and show new hypotheses on open tasks."""
    rerouted = rerouting.reroute_where_due(now=timezone.now())
    return len(rerouted) + len(refreshing.refresh_open_rounds())


@shared_task(name="annotation.poll_connected")
def poll_connected() -> int:
    return len(ml_events.poll_connected())
