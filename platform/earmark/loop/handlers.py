"""What jobs of this floor do."""

from typing import Any

from earmark.corpus.models import Collection
from earmark.jobs.registry import Context, handler
from earmark.loop import retention, turning


@handler(retention.KIND)
def thin(context: Context) -> dict[str, Any]:
    """Thin the details of models that nobody looks at any more."""
    return retention.run_thinning(context)


@handler(turning.KIND)
def turn(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Do the one thing that a collection's policy says is next."""
    done = turning.turn(Collection.objects.get(pk=collection_id))
    return {"act": str(done.act), **done.details} if done else {"act": None}
