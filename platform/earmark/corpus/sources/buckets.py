"""A prefix of an S3 bucket: only buckets that the settings name, with the worker's own credentials."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from earmark.corpus.listing import HIDDEN, is_hidden
from earmark.corpus.sources.passing import LARGEST_FILE, passing_copy
from earmark.corpus.sources.trees import (
    LARGEST_TEXT,
    OUTSIDE_THE_TREE,
    RefusedFileError,
    normal,
    shown,
    too_large,
    unreadable,
)
from earmark.speech import audio_faults
from earmark.speech.errors import EarmarkError

MOST_OBJECTS = 5_000_000
BLOCK = 1 << 20
RETRIES = {"max_attempts": 5, "mode": "standard"}
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_GONE = ("NoSuchKey", "404", "PreconditionFailed", "412", "InvalidObjectState")


class BucketTree:
    """The objects below a prefix, in the order of their keys."""

    def __init__(self, address: str) -> None:
        self._address = address
        match = _ADDRESS.fullmatch(address)
        self._bucket, prefix = (match[1], match[2] or "") if match else ("", "")
        self._prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        self._objects: dict[str, tuple[int, str]] | None = None

    def check(self) -> None:
        self._check_allowed()
        if not self.glimpse(1):
            message = f"There is nothing below {self._address!r}."
            raise EarmarkError("corpus:bucket:empty", message, "Check the prefix: it names a folder.")

    def _check_allowed(self) -> None:
        """The bucket is one that the settings name: looked at again by the worker, which has settings of its own."""
        if not self._bucket:
            message = f"{self._address!r} is no address of a bucket."
            raise EarmarkError("corpus:bucket:address", message, "Write it as s3://bucket/prefix.")
        if self._bucket not in settings.EARMARK.import_buckets:
            raise EarmarkError(
                "corpus:bucket:not-allowed",
                f"The bucket {self._bucket!r} is not one that audio may be brought in from.",
                "Who runs the platform may add it to EARMARK_IMPORT_BUCKETS, for the site and the workers.",
            )

    def glimpse(self, most: int) -> list[str]:
        if self._objects is not None:
            return list(self._objects)[:most]
        with self._explained():
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
            folders = [one["Prefix"] for one in page.get("CommonPrefixes", [])[:10]]
            below = [self._client.list_objects_v2(Bucket=self._bucket, Prefix=one) for one in folders]
        return [path for page in (page, *below) for path, _, _ in self._entries(page)][:most]

    def files(self, aside: Counter[str]) -> list[str]:
        paths = []
        for path in self._listed():
            if is_hidden(path):
                aside[HIDDEN] += 1
            else:
                paths.append(path)
        return paths

    def relative(self, path: str) -> str:
        if path.startswith("s3://"):
            ours = f"s3://{self._bucket}/{self._prefix}"
            return path[len(ours) :] if path.startswith(ours) else path
        return normal(path)

    def has(self, path: str) -> bool:
        return path in self._listed()

    def read(self, path: str) -> bytes:
        if self._listed().get(path, (0, ""))[0] > LARGEST_TEXT:
            raise too_large(path)
        try:
            with self.opened(path) as local:
                return local.read_bytes()
        except RefusedFileError as error:
            raise unreadable(path, f"cannot be had: {error.message}") from None

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        size, etag = self._object(path)
        with self._explained(path):
            copy = passing_copy(size, lambda target: self._download(path, size, etag, target))
            local = copy.__enter__()
        try:
            yield local
        finally:
            copy.__exit__(None, None, None)

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self._client

    @cached_property
    def _client(self) -> Any:
        """Credentials come from the environment of the process, as boto3 reads it, and from nobody else."""
        self._check_allowed()
        endpoint = settings.EARMARK.s3_endpoint or None
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            retries=RETRIES,
            s3={"addressing_style": "path"} if endpoint else {},
        )
        return boto3.client("s3", endpoint_url=endpoint, config=config)

    def _object(self, path: str) -> tuple[int, str]:
        found = self._listed().get(path)
        if found is None:
            if ".." in path.split("/") or path.startswith(("/", "s3://")):
                hint = "Put the object below the prefix, or import the prefix that holds both."
                raise RefusedFileError(OUTSIDE_THE_TREE, f"{shown(path)!r} leads out of the prefix.", hint)
            raise _missing(path, "is not below the prefix")
        if found[0] > LARGEST_FILE:
            hint = audio_faults.HINTS[audio_faults.TOO_LONG]
            message = f"{shown(path)!r} has {found[0]} bytes; the most is {LARGEST_FILE}."
            raise RefusedFileError(audio_faults.TOO_LONG, message, hint)
        return found

    def _download(self, path: str, size: int, etag: str, target: IO[bytes]) -> None:
        """Exactly the object that was listed: a changed one is refused by the server."""
        answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path, IfMatch=etag)
        done = 0
        with contextlib.closing(answer["Body"]) as body:
            while block := body.read(BLOCK):
                done += len(block)
                if done > size:
                    break
                target.write(block)
        if done != size:
            raise _missing(path, f"came as {done} bytes where {size} were listed")

    def _listed(self) -> dict[str, tuple[int, str]]:
        if self._objects is None:
            objects: dict[str, tuple[int, str]] = {}
            with self._explained():
                pages = self._client.get_paginator("list_objects_v2")
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                    objects |= {path: (size, etag) for path, size, etag in self._entries(page)}
                    if len(objects) > MOST_OBJECTS:
                        message = f"There are more than {MOST_OBJECTS} objects below {self._address!r}."
                        hint = "Import it prefix by prefix."
                        raise EarmarkError("corpus:bucket:too-many", message, hint)
            self._objects = dict(sorted(objects.items(), key=lambda one: one[0].split("/")))
        return self._objects

    def _entries(self, page: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
        for one in page.get("Contents", []):
            path = one["Key"][len(self._prefix) :]
            if path and not path.endswith("/"):
                yield path, one["Size"], one["ETag"]

    @contextlib.contextmanager
    def _explained(self, path: str = "") -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if path and code in _GONE:
                raise _missing(path, f"is not there any more as it was listed ({code})") from None
            raise self._unreachable(f"answers {code}") from None
        except BotoCoreError as error:
            raise self._unreachable(f"cannot be asked ({error})") from None

    def _unreachable(self, why: str) -> EarmarkError:
        return EarmarkError(
            "corpus:bucket:unreachable",
            f"The bucket {self._bucket!r} {why}.",
            "Who runs the platform: check AWS_ENDPOINT_URL_S3 and the credentials of the workers "
            "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then retry the import.",
        )


def _missing(path: str, why: str) -> RefusedFileError:
    return RefusedFileError(
        audio_faults.MISSING, f"{shown(path)!r} {why}.", "Put it there, then retry the files that failed."
    )
