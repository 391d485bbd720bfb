"""What beat asks of this floor."""

from celery import shared_task

from earmark.corpus import tallies


@shared_task(name="earmark.corpus.fold_tallies")
def fold_tallies() -> int:
    return tallies.fold()
