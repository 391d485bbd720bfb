"""What jobs of this app do."""

from typing import Any

from earmark.datasets import exports
from earmark.datasets.models import Export
from earmark.jobs.registry import Context, handler


@handler("datasets.export")
def export(context: Context, *, export_id: int) -> dict[str, Any]:
    """Write the file of one export, unless it is written."""
    row = exports.write_export(context, Export.objects.select_related("snapshot").get(pk=export_id))
    return {"export": row.pk, "file": row.file.name, "bytes": row.file.size}
