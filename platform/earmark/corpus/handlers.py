"""The long work of this floor."""

from typing import Any

from earmark.corpus.gate import judge_again
from earmark.corpus.imports import run_undo
from earmark.corpus.ingest import run_ingest
from earmark.corpus.resegmenting import run_resegment
from earmark.jobs.registry import Context, handler


@handler("corpus.ingest", queue="cpu")
def ingest(context: Context, *, import_id: int, failed_too: bool = False) -> dict[str, Any]:
    return run_ingest(context, import_id=import_id, failed_too=failed_too)


@handler("corpus.undo", queue="cpu")
def undo(context: Context, *, import_id: int) -> dict[str, Any]:
    return run_undo(context, import_id=import_id)


@handler("corpus.judge", queue="cpu")
def judge(context: Context, *, collection_id: int) -> dict[str, Any]:
    return judge_again(context, collection_id=collection_id)


@handler("corpus.resegment", queue="cpu")
def resegment(context: Context, *, segmentation_id: int) -> dict[str, Any]:
    return run_resegment(context, segmentation_id=segmentation_id)
