"""Whole uploads in small chunks, as several tests make them."""

from __future__ import annotations

import random
from typing import Any

from adls_magic.core.account.address import RemotePath
from adls_magic.core.service.client import Client
from adls_magic.core.transfer.body import PieceBody
from adls_magic.core.transfer.reader import MemoryReader
from adls_magic.core.transfer.upload import UploadJob, UploadOptions, UploadResult, upload_all

CHUNK = 1000


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def send(account, source, target: RemotePath, **options: Any) -> UploadResult:
    options.setdefault("chunk_size", CHUNK)
    job = UploadJob(source, target)
    return upload_all(account, [job], UploadOptions(**options), progress=False)[0]


def put(client: Client, remote: RemotePath, data: bytes) -> str:
    client.create(remote)
    if data:
        body = PieceBody(MemoryReader(data), 0, len(data), lambda count: None)
        client.append(remote, 0, body, flush=True)
    return client.properties(remote).etag
