"""What beat asks of trainings."""

from celery import shared_task

from training_jobs import folders


@shared_task(name="training_jobs.sweep_folders")
def sweep_folders() -> int:
    return folders.sweep()
