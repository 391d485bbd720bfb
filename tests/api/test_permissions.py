"""Every address and method of the interface against every role: who gets in, who is refused, who sees nothing there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from earmark.accounts.roles import Role
from earmark.corpus.models import Upload, UploadBatch
from tests.api.world import PASSWORD, World, build

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One address and method: the least role, what is sent, what who may is answered."""

    path: str
    needs: Role
    method: str = "GET"
    status: int = 200
    body: Callable[[World], dict[str, Any]] = lambda world: {}
    format: str = "json"


def audio(world: World) -> dict[str, Any]:
    return {"files": [SimpleUploadedFile("a.wav", b"RIFF")]}


def heard(world: World) -> dict[str, Any]:
    return {"audio": SimpleUploadedFile("a.wav", b"RIFF")}


IN = "collections/{slug}/"
READ = [
    Row(path=path, needs=Role.VIEWER)
    for path in (
        IN,
        *(
            f"{IN}{each}/"
            for each in (
                "status", "imports", "recordings", "clips", "hypotheses", "references", "rounds", "annotations",
                "snapshots", "exports", "training-jobs", "evaluations", "comparisons", "aliases", "jobs",
                "calibrations",
                "transcriptions",
            )
        ),
        "imports/{pk}/", "imports/{pk}/files/", "recordings/{pk}/", "clips/{pk}/", "models/{pk}/", "rounds/{pk}/",
        "rounds/{pk}/clips/", "rounds/{pk}/annotations/", "snapshots/{pk}/", "snapshots/{pk}/items/", "exports/{pk}/",
        "transcriptions/{pk}/", "training-jobs/{pk}/", "training-jobs/{pk}/metrics/", "jobs/{pk}/",
        "comparisons/{pk}/", "comparisons/{pk}/markdown/",
    )
]  # fmt: skip
WRITE = [
    Row(path=f"{IN}quality/", needs=Role.ANNOTATOR),
    Row(method="POST", path=f"{IN}quality/", needs=Role.REVIEWER, status=202),
    Row(path=f"{IN}effort/", needs=Role.REVIEWER),
    Row(method="POST", path=f"{IN}imports/", needs=Role.MANAGER, status=202, body=audio, format="multipart"),
    Row(method="POST", path=f"{IN}imports/server/", needs=Role.ADMIN, status=400),
    Row(method="POST", path="imports/{pk}/retry/", needs=Role.MANAGER, status=202),
    Row(method="POST", path="imports/{pk}/undo/", needs=Role.MANAGER, status=409),
    Row(path=f"{IN}gate/", needs=Role.VIEWER),
    Row(
        method="PUT",
        path=f"{IN}gate/",
        needs=Role.MANAGER,
        status=202,
        body=lambda world: {"least_snr_db": 3},
    ),
    Row(
        method="POST", path=f"{IN}recut/", needs=Role.MANAGER, status=202, body=lambda world: {"longest": 20}
    ),
    Row(
        method="POST",
        path="clips/{pk}/fitness/",
        needs=Role.REVIEWER,
        status=200,
        body=lambda world: {"is_fit": False, "why": "music"},
    ),
    Row(path=f"{IN}uploads/", needs=Role.MANAGER),
    Row(method="POST", path=f"{IN}uploads/", needs=Role.MANAGER, status=412),
    Row(method="DELETE", path=f"{IN}uploads/", needs=Role.MANAGER, status=204),
    Row(method="POST", path=f"{IN}uploads/import/", needs=Role.MANAGER, status=409),
    Row(method="PATCH", path="uploads/{pk}/", needs=Role.MANAGER, status=412),
    Row(method="DELETE", path="uploads/{pk}/", needs=Role.MANAGER, status=412),
    Row(
        method="POST", path=f"{IN}listenings/", needs=Role.VIEWER, status=202, body=heard, format="multipart"
    ),
    Row(method="POST", path=f"{IN}calibrations/", needs=Role.MANAGER, status=400),
    Row(path=f"{IN}calibration/", needs=Role.VIEWER, status=409),
    Row(method="POST", path=f"{IN}transcriptions/", needs=Role.MANAGER, status=202),
    Row(method="POST", path="transcriptions/{pk}/cancel/", needs=Role.MANAGER, status=202),
    Row(
        method="POST",
        path=f"{IN}rounds/",
        needs=Role.MANAGER,
        status=202,
        body=lambda world: {"budget_seconds": 30},
    ),
    Row(method="POST", path="rounds/{pk}/sync/", needs=Role.MANAGER, status=202),
    Row(method="POST", path="rounds/{pk}/repair/", needs=Role.MANAGER, status=202),
    Row(path="rounds/{pk}/passes/", needs=Role.MANAGER),
    Row(path=f"{IN}annotators/", needs=Role.VIEWER),
    Row(
        method="POST",
        path=f"{IN}annotators/",
        needs=Role.MANAGER,
        body=lambda world: {"username": world.people["annotator"].username, "languages": ["yue"]},
    ),
    Row(path=f"{IN}routing/", needs=Role.VIEWER),
    Row(method="PUT", path=f"{IN}routing/", needs=Role.ADMIN, status=400),
    Row(path=f"{IN}incidents/", needs=Role.MANAGER),
    Row(method="POST", path="rounds/{pk}/close/", needs=Role.MANAGER, status=200),
    Row(method="POST", path=f"{IN}snapshots/", needs=Role.MANAGER, status=201),
    Row(
        method="POST",
        path=f"{IN}snapshots/",
        needs=Role.ADMIN,
        status=201,
        body=lambda world: {"purpose": "test"},
    ),
    Row(method="POST", path=f"{IN}training-jobs/", needs=Role.ADMIN, status=202),
    Row(method="POST", path=f"{IN}training-jobs/dry-run/", needs=Role.ADMIN),
    Row(method="POST", path="training-jobs/{pk}/cancel/", needs=Role.ADMIN, status=202),
    Row(
        method="POST",
        path="training-jobs/{pk}/retry/",
        needs=Role.ADMIN,
        status=409,
        body=lambda world: {"reason": "the disk was full"},
    ),
    Row(path="training-jobs/{pk}/log/", needs=Role.MANAGER),
    Row(method="POST", path="jobs/{pk}/cancel/", needs=Role.ADMIN, status=202),
    Row(
        method="POST",
        path=f"{IN}evaluations/",
        needs=Role.MANAGER,
        status=202,
        body=lambda world: {"model": world.model.pk},
    ),
    Row(
        method="POST",
        path=f"{IN}comparisons/",
        needs=Role.MANAGER,
        status=202,
        body=lambda world: {"a": world.model.pk, "b": world.rival.pk},
    ),
    Row(
        method="POST",
        path=f"{IN}promotions/",
        needs=Role.MANAGER,
        status=409,
        body=lambda world: {"model": world.model.pk},
    ),
    Row(
        method="POST",
        path=f"{IN}promotions/",
        needs=Role.ADMIN,
        status=200,
        body=lambda world: {"model": world.rival.pk, "reason": "it is quicker by far"},
    ),
    Row(path=f"{IN}promotions/", needs=Role.VIEWER),
    Row(method="POST", path=f"{IN}promotions/roll-back/", needs=Role.MANAGER, status=409),
    Row(path=f"{IN}policy/", needs=Role.VIEWER),
    Row(method="PUT", path=f"{IN}policy/", needs=Role.ADMIN, status=200),
    Row(path=f"{IN}policy/acts/", needs=Role.VIEWER),
    Row(path=f"{IN}labelling-plan/", needs=Role.VIEWER),
    Row(method="PUT", path=f"{IN}labelling-plan/", needs=Role.MANAGER),
    Row(path=f"{IN}label-studio-accounts/", needs=Role.MANAGER),
    Row(method="PUT", path=f"{IN}label-studio-accounts/", needs=Role.MANAGER, status=400),
    Row(
        method="POST",
        path=f"{IN}invitations/",
        needs=Role.MANAGER,
        status=201,
        body=lambda world: {"username": "annotator"},
    ),
    Row(path=f"{IN}connected-projects/", needs=Role.VIEWER),
    Row(path="models/{pk}/card/", needs=Role.VIEWER),
    Row(method="PUT", path=f"{IN}challenger/", needs=Role.MANAGER, status=400),
    Row(
        method="POST",
        path=f"{IN}exports/",
        needs=Role.MANAGER,
        status=202,
        body=lambda world: {"snapshot": world.training_set.pk, "format": "jsonl"},
    ),
    Row(path="exports/{pk}/download/", needs=Role.MANAGER),
    Row(path=f"{IN}desk/", needs=Role.ANNOTATOR),
    Row(path="passes/{pk}/", needs=Role.ANNOTATOR),
    Row(method="PUT", path="passes/{pk}/draft/", needs=Role.ANNOTATOR, status=428),
    Row(method="POST", path="passes/{pk}/answers/", needs=Role.ANNOTATOR, status=428),
    Row(path=f"{IN}review/", needs=Role.REVIEWER),
    Row(path="review/{pk}/", needs=Role.REVIEWER),
    Row(method="PUT", path="review/{pk}/draft/", needs=Role.REVIEWER, status=428),
    Row(method="POST", path="review/{pk}/decisions/", needs=Role.REVIEWER, status=428),
]
TABLE = READ + WRITE
FOR_EVERYONE_SIGNED_IN = {
    ("me/", "GET"),
    ("collections/", "GET"),
    ("models/", "GET"),
    ("auth/token/", "DELETE"),
}
FOR_WHO_RUNS_IT = {("models/", "POST")}
FOR_ANYONE = {("auth/token/", "POST")}
FOR_WHO_MADE_IT = {("listenings/{key}/", "GET"), ("listenings/{key}/", "DELETE")}
"""Nobody else sees it, whatever their role: see test_listening."""


def addresses(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each, path)
        else:
            yield path, each


def offered() -> set[tuple[str, str]]:
    """Every address below /api/v1/ with every method its view answers."""
    found = set()
    for path, pattern in addresses(get_resolver()):
        if path.startswith("api/v1/"):
            shown = path.removeprefix("api/v1/").replace("<slug:slug>", "{slug}").replace("<int:pk>", "{pk}")
            shown = shown.replace("<uuid:pk>", "{pk}").replace("<uuid:key>", "{key}")
            view = pattern.callback.cls  # type: ignore[union-attr]
            allowed = {name.upper() for name in view.http_method_names}
            found |= {
                (shown, method) for method in METHODS if hasattr(view, method.lower()) and method in allowed
            }
    return found


def test_every_address_is_in_the_table() -> None:
    listed = {(row.path, row.method) for row in TABLE}
    assert offered() == listed | FOR_EVERYONE_SIGNED_IN | FOR_WHO_RUNS_IT | FOR_ANYONE | FOR_WHO_MADE_IT


def ask(world: World, row: Row, name: str) -> int:
    """The status `name` is answered; whatever the request wrote is undone."""
    path = row.path.format(slug=world.collection.slug, pk=world.pks.get(row.path.split("/")[0]))
    with transaction.atomic():
        send = getattr(world.client(name), row.method.lower())
        sent = {"data": row.body(world), "format": row.format} if row.method == "POST" else {}
        answered = send(f"/api/v1/{path}", **sent)
        answered.getvalue()
        transaction.set_rollback(True)
    if answered.status_code >= 400:
        assert answered.headers["Content-Type"] == "application/problem+json"
        assert {"status", "error_id", "detail", "hint"} <= set(answered.json())
    return answered.status_code


def test_who_gets_in(world: World) -> None:
    batch = UploadBatch.objects.create(collection=world.collection, created_by=world.people["viewer"])
    world.pks["uploads"] = Upload.objects.create(batch=batch, path="a.wav", length=3).pk
    wrong = {}
    for row in TABLE:
        expected = {"anonymous": 401, "outsider": 404, "superuser": row.status}
        expected |= {role.value: row.status if role.covers(row.needs) else 403 for role in Role}
        answered = {name: ask(world, row, name) for name in expected}
        if answered != expected:
            wrong[f"{row.method} {row.path} {row.needs}"] = (answered, expected)
    assert wrong == {}


def test_the_signed_in_get_in(world: World) -> None:
    for path, method in FOR_EVERYONE_SIGNED_IN:
        row = Row(path=path, method=method, needs=Role.VIEWER)
        assert ask(world, row, "anonymous") == 401
        assert method != "GET" or ask(world, row, "outsider") == 200


def test_only_who_runs_the_platform_names_its_folders(world: World) -> None:
    for path, method in FOR_WHO_RUNS_IT:
        row = Row(
            path=path, method=method, needs=Role.ADMIN, body=lambda _world: {"name": "w", "source": "/w"}
        )
        answers = {"anonymous": 401, "outsider": 403, "admin": 403, "superuser": 202}
        assert {name: ask(world, row, name) for name in answers} == answers


def test_a_closed_account_gets_nothing(world: World) -> None:
    viewer = world.people["viewer"]
    client = world.client("anonymous")
    sent = {"username": "viewer", "password": PASSWORD}
    token = client.post("/api/v1/auth/token/", sent, format="json").json()["token"]
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert client.get("/api/v1/me/").status_code == 200
    viewer.is_active = False
    viewer.save(update_fields=["is_active"])
    assert client.get("/api/v1/me/").status_code == 401
    assert client.post("/api/v1/auth/token/", sent, format="json").status_code == 401


def test_lists_show_what_the_person_may_see(world: World) -> None:
    build("scottish")
    client = world.client("viewer")
    assert [each["slug"] for each in client.get("/api/v1/collections/").json()["results"]] == ["cantonese"]
    assert [each["name"] for each in client.get("/api/v1/models/").json()["results"]] == [
        "rival-cantonese",
        "base-cantonese",
    ]
    mine = client.get("/api/v1/me/").json()
    assert mine["memberships"] == [{"collection": "cantonese", "role": "viewer"}]
    assert client.get("/api/v1/collections/scottish/clips/").status_code == 404
    assert len(world.client("superuser").get("/api/v1/collections/").json()["results"]) == 2
    assert world.client("outsider").get("/api/v1/models/").json()["results"] == []
