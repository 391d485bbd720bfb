"""The two tasks Celery knows: run a job by id, and sweep."""

from celery import shared_task

from earmark.jobs import running, services


@shared_task(name="earmark.jobs.run")
def run_job(pk: int) -> None:
    running.run(pk)


@shared_task(name="earmark.jobs.sweep")
def sweep() -> int:
    return services.sweep()
