"""What the OpenAPI schema says beyond what can be read off the views."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from earmark.api.errors import CONTENT_TYPE

ONCE = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="A random UUID. The same key with the same request within 24 hours gives the first answer again "
    "and does nothing; with another request it gives 409.",
)

PROBLEM = {
    "type": "object",
    "description": "Why a request was refused. `error_id` is stable: programs may decide by it.",
    "properties": {
        "status": {"type": "integer"},
        "error_id": {"type": "string", "example": "api:permission:denied"},
        "detail": {"type": "string"},
        "hint": {"type": "string", "description": "who must do what"},
        "fields": {
            "type": "object",
            "additionalProperties": {},
            "description": "what is wrong with each field",
        },
    },
    "required": ["status", "error_id", "detail", "hint"],
}


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A drf-spectacular hook: every operation may answer with a Problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    refused = {
        "description": "Refused",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = refused
    return result
