"""Long work of this app: clearing away what was uploaded, once it has been read."""

from typing import Any

from earmark.api.uploads import CLEAR_AFTER_SECONDS, clear
from earmark.jobs.models import Job
from earmark.jobs.registry import Context, handler
from earmark.jobs.services import submit


@handler("api.clear_upload", queue="cpu")
def clear_upload(context: Context, *, upload: str, job_id: int) -> dict[str, Any]:
    """Remove the folder of the upload that job `job_id` reads, or look again later while it is not done."""
    if Job.objects.unfinished().filter(pk=job_id).exists():
        submit("api.clear_upload", delay_seconds=CLEAR_AFTER_SECONDS, upload=upload, job_id=job_id)
        return {"cleared": False}
    clear(upload)
    return {"cleared": True}
