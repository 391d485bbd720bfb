"""The OpenAPI description: free of warnings, valid, and the one in the repository."""

import pytest
import yaml
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from earmark.api.access import InCollection, OfCollection, PartsOf
from tests.rules.tree import ROOT


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    with GENERATOR_STATS.silence():
        GENERATOR_STATS.reset()
        drawn: dict[str, object] = SchemaGenerator().get_schema(request=None, public=True)
        assert not GENERATOR_STATS
    return drawn


def test_it_is_valid_openapi(schema: dict[str, object]) -> None:
    validate_schema(schema)


def test_the_committed_one_is_this_one(schema: dict[str, object]) -> None:
    drawn = OpenApiYamlRenderer().render(schema, renderer_context={})
    assert (ROOT / "docs" / "openapi.yaml").read_bytes() == drawn, "`make check` writes it anew"


def test_every_operation_says_what_it_does_and_how_it_refuses(schema: dict[str, object]) -> None:
    silent = []
    borrowed = {str(base.__doc__).split(".")[0] for base in (InCollection, OfCollection, PartsOf)}
    for path, operations in schema["paths"].items():  # type: ignore[attr-defined]
        for method, operation in operations.items():
            told = operation.get("description", "")
            if not told or told.split(".")[0] in borrowed or "default" not in operation["responses"]:
                silent.append(f"{method} {path}")
    assert silent == []


def test_anyone_may_read_it() -> None:
    answer = APIClient().get("/api/schema/")
    assert answer.status_code == 200
    assert "/api/v1/auth/token/" in yaml.safe_load(answer.content)["paths"]
