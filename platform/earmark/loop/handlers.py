"""What jobs of this floor do."""

from typing import Any

from earmark.jobs.registry import Context, handler
from earmark.loop import retention


@handler(retention.KIND)
def thin(context: Context) -> dict[str, Any]:
    """Thin the details of models that nobody looks at any more."""
    return retention.run_thinning(context)
