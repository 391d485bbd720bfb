"""The tus protocol as clients speak it, over our addresses."""

import base64
import os
from dataclasses import replace
from typing import Any

import pytest
from rest_framework.test import APIClient

from earmark.corpus.models import Import, Upload
from earmark.corpus.uploads import part_of
from tests.api.world import World


@pytest.fixture
def client(world: World) -> APIClient:
    return world.client("manager")


def tus(**headers: Any) -> dict[str, str]:
    return {
        "Tus-Resumable": "1.0.0",
        **{name.replace("_", "-"): str(value) for name, value in headers.items()},
    }


def metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def begin(world: World, client: APIClient, path: str, length: int, data: bytes = b"") -> Any:
    return client.post(
        f"/api/v1/collections/{world.collection.slug}/uploads/",
        data,
        content_type="application/offset+octet-stream" if data else "application/json",
        headers=tus(Upload_Length=length, Upload_Metadata=metadata(path=path, modified="1700000000000")),
    )


def patch(client: APIClient, url: str, offset: int, data: bytes, **more: str) -> Any:
    kind = more.pop("content_type", "application/offset+octet-stream")
    return client.patch(url, data, content_type=kind, headers=tus(Upload_Offset=offset, **more))


def test_a_file_comes_in_pieces_and_is_asked_after(world: World, client: APIClient) -> None:
    data = os.urandom(3000)
    made = begin(world, client, "通话/a.wav", len(data), data[:1000])
    assert made.status_code == 201
    assert (made["Upload-Offset"], made["Tus-Resumable"]) == ("1000", "1.0.0")
    assert made["Upload-Expires"].endswith("GMT")
    url = made["Location"]
    assert patch(client, url, 1000, data[1000:1500]).status_code == 204
    there = client.head(url, headers=tus())
    assert (there["Upload-Offset"], there["Upload-Length"]) == ("1500", "3000")
    assert there["Cache-Control"] == "no-store"
    again = patch(client, url, 1000, data[1000:])
    assert (again.status_code, again.json()["error_id"]) == (409, "corpus:upload:offset")
    last = patch(client, url, 1500, data[1500:])
    assert (last["Upload-Offset"], "Upload-Expires" in last) == ("3000", False)
    upload = Upload.objects.get()
    assert part_of(upload).read_bytes() == data
    listed = client.get(f"/api/v1/collections/{world.collection.slug}/uploads/").json()
    assert [(one["path"], one["offset"], one["modified"]) for one in listed] == [
        ("通话/a.wav", 3000, 1700000000000)
    ]


def test_what_the_server_speaks_is_told(world: World, client: APIClient) -> None:
    told = client.options(f"/api/v1/collections/{world.collection.slug}/uploads/")
    assert told.status_code == 204
    assert told["Tus-Version"] == "1.0.0"
    assert set(told["Tus-Extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "termination",
        "expiration",
    }


def test_another_version_is_refused_with_ours(world: World, client: APIClient) -> None:
    url = begin(world, client, "a.wav", 3)["Location"]
    for method, address in (
        ("post", f"/api/v1/collections/{world.collection.slug}/uploads/"),
        ("patch", url),
    ):
        answer = getattr(client, method)(address, headers={"Tus-Resumable": "0.2.2"})
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")
        assert answer.json()["error_id"] == "api:upload:version"


@pytest.mark.parametrize(
    ("headers", "status", "error_id"),
    [
        ({"Upload-Length": "-1"}, 400, "api:upload:header"),
        ({"Upload-Length": "٣"}, 400, "api:upload:header"),
        ({"Upload-Length": "9" * 19}, 400, "api:upload:header"),
        ({"Upload-Length": str(1 << 50)}, 413, "corpus:upload:too-large"),
        ({"Upload-Metadata": "path ???"}, 400, "api:upload:header"),
        ({"Upload-Metadata": ""}, 400, "corpus:upload:path"),
        ({"Upload-Metadata": metadata(path="../../etc/cron.d/x")}, 400, "corpus:upload:path"),
    ],
)
def test_what_cannot_be_is_refused(
    world: World, client: APIClient, headers: dict[str, str], status: int, error_id: str
) -> None:
    sent = {**tus(Upload_Length=3, Upload_Metadata=metadata(path="a.wav")), **headers}
    if "٣" in sent["Upload-Length"]:
        sent["Upload-Length"] = sent["Upload-Length"].encode().decode("latin-1")
    answer = client.post(f"/api/v1/collections/{world.collection.slug}/uploads/", headers=sent)
    assert (answer.status_code, answer.json()["error_id"]) == (status, error_id)
    assert not Upload.objects.exists()


def test_more_than_was_promised_is_refused_and_so_is_another_kind_of_body(
    world: World, client: APIClient
) -> None:
    url = begin(world, client, "a.wav", 3)["Location"]
    assert patch(client, url, 0, b"1234").status_code == 413
    assert patch(client, url, 0, b"{}", content_type="application/json").status_code == 415
    assert Upload.objects.get().offset == 0


def test_no_room_is_507(world: World, client: APIClient, settings: Any) -> None:
    settings.EARMARK = replace(settings.EARMARK, upload_quota_bytes=2)
    answer = begin(world, client, "a.wav", 3)
    assert (answer.status_code, answer.json()["error_id"]) == (507, "corpus:upload:quota")


def test_a_file_or_all_may_be_given_up(world: World, client: APIClient) -> None:
    one, two = (begin(world, client, path, 3)["Location"] for path in ("a.wav", "b.wav"))
    assert client.delete(one, headers=tus()).status_code == 204
    assert client.head(one, headers=tus()).status_code == 404
    assert client.delete(f"/api/v1/collections/{world.collection.slug}/uploads/").status_code == 204
    assert client.head(two, headers=tus()).status_code == 404


def test_each_person_has_an_upload_of_their_own(world: World, client: APIClient) -> None:
    begin(world, client, "a.wav", 3)
    others = world.client("admin").get(f"/api/v1/collections/{world.collection.slug}/uploads/")
    assert others.json() == []


def test_a_complete_upload_is_imported_once(world: World, client: APIClient) -> None:
    address = f"/api/v1/collections/{world.collection.slug}/uploads/import/"
    begin(world, client, "calls/a.wav", 6, b"abc")
    early = client.post(address, {}, format="json")
    assert (early.status_code, early.json()["error_id"]) == (409, "corpus:upload:unfinished")
    patch(client, client.get(address.removesuffix("import/")).json()[0]["url"], 3, b"def")
    before = Import.objects.count()
    key = {"Idempotency-Key": "7b5c1e0e-5c55-4c0f-9a6e-1f4ce4ddac11"}
    first, second = (
        client.post(address, {"channels": "split"}, format="json", headers=key) for _ in range(2)
    )
    assert (first.status_code, first.json()) == (202, second.json())
    assert Import.objects.count() == before + 1
    assert Import.objects.get(pk=first.json()["import"]["id"]).options["channels"] == "split"
    assert client.post(address, {"channels": "five"}, format="json").status_code == 400
