"""The S3 server that holds the bucket: the only place that speaks boto3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

from bucket.place import Fault
from errors import BadInput, Locked, PartMissing, StoreFailed

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 28
BLOCK = 1 << 20
PART = 16 << 20
_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.=+-]+)*)/?", re.ASCII)
_GONE = {"NoSuchKey", "404", "NotFound"}
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName"}
_REFUSED = {
    *("AccessDenied", "403", "401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"),
    *("InvalidToken", "AllAccessDisabled", "AccountProblem"),
}
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
_UNKNOWN = {"NotImplemented", "501"}


@dataclass(frozen=True)
class Access:
    """Where the bucket is and who asks; without keys boto3 looks where it always does."""

    uri: str | None
    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class Source(Protocol):
    """What is sent: bytes as they are asked for."""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""


class Bucket:
    """The objects below one prefix; every error is one sentence."""

    def __init__(self, client: Any, name: str, prefix: str) -> None:
        self._client, self._name, self._prefix = client, name, prefix
        self.uri = f"s3://{name}/{prefix}".rstrip("/")

    @classmethod
    def at(cls, access: Access) -> Self:
        """The bucket of an s3://bucket/prefix; nothing is asked yet.

        Raises:
            BadInput: no such address, or half of a pair of keys.
        """
        if not access.uri:
            raise BadInput("There is no bucket yet: set S3_URI, as s3://bucket/prefix.")
        parts = _URI.fullmatch(access.uri)
        if not parts or {".", ".."} & set(parts[2].split("/")):
            raise BadInput(
                f"S3_URI={access.uri} is not an address of a bucket: write it as s3://bucket/prefix."
            )
        if bool(access.key_id) != bool(access.secret):
            raise BadInput("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: set both or neither.")
        return cls(_client(access), parts[1], f"{parts[2][1:]}/" if parts[2] else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def manifest(self) -> tuple[bytes, str] | None:
        """The manifest's bytes and its ETag; None before the first push."""
        try:
            with self._told():
                answer = self._client.get_object(Bucket=self._name, Key=self._prefix + MANIFEST)
                with answer["Body"] as body:
                    if answer["ContentLength"] > LARGEST_MANIFEST:
                        raise StoreFailed(f"manifest.json in {self.uri} is too large to be one of ours.")
                    return body.read(), answer["ETag"]
        except Fault:
            return None

    def publish(self, raw: bytes, before: str | None) -> None:
        """Put a new manifest in the place of the one of that ETag, or of none.

        Raises:
            Locked: another push was faster; nothing of its work is lost.
        """
        place = {"Bucket": self._name, "Key": self._prefix + MANIFEST, "Body": raw}
        only = {"IfMatch": before} if before else {"IfNoneMatch": "*"}
        from botocore.exceptions import ClientError

        with self._told():
            try:
                self._client.put_object(**place, **only, ContentType="application/json")
            except ClientError as error:
                if _code(error) not in _UNKNOWN:
                    raise
                # A server without conditions: the look just before leaves a gap of one request.
                now = self.manifest()
                if (now[1] if now else None) != before:
                    raise Locked(self._busy()) from error
                self._client.put_object(**place, ContentType="application/json")

    def send(self, key: str, source: Source) -> None:
        """Store a content; it is there when it is whole."""
        from boto3.s3.transfer import TransferConfig

        # One thread: the source is read in order, once.
        settings = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)
        with self._told():
            self._client.upload_fileobj(source, self._name, self._prefix + key, Config=settings)

    def chunks(self, key: str, size: int) -> Iterator[bytes]:
        """The first `size` bytes of a content, as they come; never more.

        Raises:
            Fault: it is not there.
        """
        if not size:
            return
        with self._told():
            part = f"bytes=0-{size - 1}"
            answer = self._client.get_object(Bucket=self._name, Key=self._prefix + key, Range=part)
            with answer["Body"] as body:
                left = size
                while left and (block := body.read(min(BLOCK, left))):
                    left -= len(block)
                    yield block

    def stored(self) -> Iterator[tuple[str, int, datetime]]:
        """The key of every content, its size, and when it was written."""
        with self._told():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._name, Prefix=f"{self._prefix}objects/"):
                for row in page.get("Contents", ()):
                    yield row["Key"].removeprefix(self._prefix), row["Size"], row["LastModified"]

    def remove(self, key: str) -> None:
        """Delete a content."""
        with self._told():
            self._client.delete_object(Bucket=self._name, Key=self._prefix + key)

    def _busy(self) -> str:
        return f"Another push to {self.uri} was done meanwhile: run it again."

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the server or the line to it answered, in one sentence."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise BadInput(
                f"There are no credentials for {self.uri}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from error
        except ClientError as error:
            raise self._answered(error) from error
        except BotoCoreError as error:
            raise PartMissing(
                f"{self.uri} cannot be reached ({type(error).__name__}): "
                "look at the network and AWS_ENDPOINT_URL, then run it again; what was done is kept."
            ) from error

    def _answered(self, error: Any) -> Exception:
        code = _code(error)
        if code in _GONE:
            return Fault("it is not in the bucket any more: run it again")
        if code == "InvalidRange":
            return Fault("its content in the bucket is cut off: push from the machine that has it")
        if code in _NO_BUCKET:
            return BadInput(f"There is no bucket {self._name}: make it first, or set S3_URI to another.")
        if code in _REFUSED:
            return BadInput(
                f"{self.uri} refuses these credentials ({code}): they must read, write and list it."
            )
        if code in _TAKEN:
            return Locked(self._busy())
        return PartMissing(f"{self.uri} failed ({code}): run it again; what was done is kept.")


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _client(access: Access) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    settings = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        # Every content is named by its sha256 and checked when it comes; many servers know no other sums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if access.endpoint else "auto"},
    )
    try:
        return boto3.session.Session().client(
            "s3",
            region_name=access.region,
            endpoint_url=access.endpoint,
            aws_access_key_id=access.key_id,
            aws_secret_access_key=access.secret,
            aws_session_token=access.token,
            config=settings,
        )
    except (BotoCoreError, ValueError) as error:
        raise BadInput(f"The bucket's settings cannot be used: {error}.") from error
