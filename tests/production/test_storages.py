"""Where EARMARK_MEDIA puts things."""

import pytest

from earmark.config.environment import read
from earmark.config.storages import media_storage
from earmark.speech.errors import EarmarkError

SECRETS = {
    "SECRET_KEY": "a",
    "DATABASE_URL": "postgres://b",
    "CELERY_BROKER_URL": "redis://c",
    "EARMARK_WEBHOOK_SECRET": "d",
}


def test_a_folder_is_a_folder() -> None:
    told = media_storage("/srv/audio")
    assert told["BACKEND"].endswith("FileSystemStorage")
    assert told["OPTIONS"] == {"location": "/srv/audio"}


def test_a_bucket_has_a_prefix_and_may_be_elsewhere() -> None:
    amazon = media_storage("s3://voices/team/one/")["OPTIONS"]
    assert (amazon["bucket_name"], amazon["location"]) == ("voices", "team/one")
    assert "endpoint_url" not in amazon
    told = read({**SECRETS, "EARMARK_MEDIA": "s3://voices", "AWS_ENDPOINT_URL_S3": "http://minio:9000"})
    minio = media_storage(told.media, endpoint=told.s3_endpoint)["OPTIONS"]
    assert (minio["endpoint_url"], minio["addressing_style"]) == ("http://minio:9000", "path")
    assert minio["location"] == ""


@pytest.mark.parametrize(
    "media", ["gs://voices", "s3://", "s3:///prefix", "s3://Voices!", "s3://key:secret@voices", "s3://v?x=1"]
)
def test_what_is_neither_is_refused(media: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        media_storage(media)
    assert caught.value.error_id == "config:media:address"
