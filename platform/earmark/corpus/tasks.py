"""What beat asks of this floor."""

from celery import shared_task

from earmark.corpus import tallies, uploads


@shared_task(name="earmark.corpus.sweep_uploads")
def sweep_uploads() -> int:
    return uploads.sweep()


@shared_task(name="earmark.corpus.fold_tallies")
def fold_tallies() -> int:
    return tallies.fold()
