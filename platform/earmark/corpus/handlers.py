"""The long work of this floor."""

from typing import Any

from earmark.corpus.ingest import run_ingest
from earmark.jobs.registry import Context, handler


@handler("corpus.ingest", queue="cpu")
def ingest(context: Context, *, import_id: int) -> dict[str, Any]:
    return run_ingest(context, import_id=import_id)
