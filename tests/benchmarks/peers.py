"""The peers: each uploads once, at its own defaults or tuned.

A function a peer: it imports the peer, makes its client, and returns what uploads. The defaults
are what a user gets who follows the peer's own examples. Tuned means `--workers` requests in
flight and pieces of `--chunk-size`, in the way that was fastest of those the peer offers.
Trust in the benchmark's certificate comes by the environment, and by an option where a peer
does not look there.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from measure import ACCOUNT, FILESYSTEM, FOLDER, KEY, MIB, Prepare, Task, main

DISTRIBUTIONS = {
    "sdk": "azure-storage-file-datalake",
    "blob_sdk": "azure-storage-blob",
    "adlfs": "adlfs",
    "obstore": "obstore",
    "opendal": "opendal",
    "pyarrow": "pyarrow",
    "smart_open": "smart_open",
}


def each(task: Task, one: Callable[[Path], object]) -> Callable[[], None]:
    """Upload every file: one after another, or tuned by a pool of threads."""

    def upload() -> None:
        if task.is_directory and task.workers:
            with ThreadPoolExecutor(task.workers) as pool:
                list(pool.map(one, task.files))
        else:
            for file in task.files:
                one(file)

    return upload


def connection_string(task: Task) -> str:
    scheme = urlsplit(task.endpoint).scheme
    return (
        f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={task.endpoint}"
    )


def azure_transport(task: Task) -> dict[str, object]:
    """azure-core keeps 10 connections; tuned, as many as are used."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport

    if not task.workers:
        return {}
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=task.workers))
    return {"transport": RequestsTransport(session=session, session_owner=False)}


def sdk(task: Task) -> Callable[[], None]:
    """The official SDK for Data Lake Storage."""
    from azure.storage.filedatalake import DataLakeServiceClient

    credential = {"account_name": ACCOUNT, "account_key": KEY}
    service = DataLakeServiceClient(task.endpoint, credential, **azure_transport(task))
    filesystem = service.get_file_system_client(FILESYSTEM)
    tuned: dict[str, int] = {}
    if task.workers and not task.is_directory:
        tuned = {"max_concurrency": task.workers, "chunk_size": task.chunk_size or 8 * MIB}

    def one(file: Path) -> None:
        client = filesystem.get_file_client(task.name(file))
        with file.open("rb") as source:
            client.upload_data(source, length=file.stat().st_size, overwrite=True, **tuned)

    return each(task, one)


def blob_sdk(task: Task) -> Callable[[], None]:
    """The official SDK for Blob Storage."""
    from azure.storage.blob import BlobServiceClient

    credential = {"account_name": ACCOUNT, "account_key": KEY}
    sizes: dict[str, int] = {}
    tuned: dict[str, int] = {}
    if task.workers and not task.is_directory:
        chunk_size = task.chunk_size or 8 * MIB
        sizes = {"max_block_size": chunk_size, "max_single_put_size": chunk_size}
        tuned = {"max_concurrency": task.workers}
    service = BlobServiceClient(task.endpoint, credential, **sizes, **azure_transport(task))
    container = service.get_container_client(FILESYSTEM)

    def one(file: Path) -> None:
        with file.open("rb") as source:
            container.upload_blob(task.name(file), source, overwrite=True, **tuned)

    return each(task, one)


def adlfs(task: Task) -> Callable[[], None]:
    """adlfs, the fsspec filesystem. Its blocks are the SDK's 4 MiB and cannot be chosen."""
    from adlfs import AzureBlobFileSystem

    filesystem = AzureBlobFileSystem(
        connection_string=connection_string(task), max_concurrency=task.workers
    )
    if not task.is_directory:
        target = f"{FILESYSTEM}/{task.name(task.file)}"
        return lambda: filesystem.put_file(str(task.file), target)
    batch = {"batch_size": task.workers} if task.workers else {}
    sources = [str(file) for file in task.files]
    targets = [f"{FILESYSTEM}/{task.name(file)}" for file in task.files]
    return lambda: filesystem.put(sources, targets, **batch)


def copy_through(task: Task, open_writer: Callable[[str], object], block: int) -> None:
    """Copy the file into a writer of the peer."""
    with task.file.open("rb") as source, open_writer(task.name(task.file)) as target:  # type: ignore[attr-defined]
        shutil.copyfileobj(source, target, block)


def obstore(task: Task) -> Callable[[], None]:
    """obstore, the Python front of the Rust crate object_store."""
    import obstore as library
    from obstore.store import AzureStore

    options: dict[str, object] = {"allow_http": True}
    if authority := os.environ.get("SSL_CERT_FILE"):
        options["root_certificate"] = Path(authority).read_bytes()
    store = AzureStore(
        FILESYSTEM,
        account_name=ACCOUNT,
        account_key=KEY,
        endpoint=task.endpoint,
        client_options=options,
    )
    if task.is_directory and task.workers:
        return functools.partial(asyncio.run, _obstore_at_once(library, store, task, task.workers))
    tuned: dict[str, int] = {}
    if task.workers:
        tuned = {"max_concurrency": task.workers, "chunk_size": task.chunk_size or 8 * MIB}
    return each(task, lambda file: library.put(store, task.name(file), file, **tuned))


async def _obstore_at_once(library, store, task: Task, workers: int) -> None:  # type: ignore[no-untyped-def]
    places = asyncio.Semaphore(workers)

    async def one(file: Path) -> None:
        async with places:
            await library.put_async(store, task.name(file), file.read_bytes())

    await asyncio.gather(*map(one, task.files))


def opendal(task: Task) -> Callable[[], None]:
    """Apache OpenDAL; its default takes the whole file as bytes."""
    import opendal as library

    operator = library.Operator(
        "azblob",
        root="/",
        container=FILESYSTEM,
        endpoint=task.endpoint,
        account_name=ACCOUNT,
        account_key=KEY,
    )
    if task.tuned and not task.is_directory:
        chunk = task.chunk_size or 8 * MIB
        return lambda: copy_through(
            task,
            lambda name: operator.open(name, "wb", chunk=chunk, concurrent=task.workers),
            chunk,
        )
    return each(task, lambda file: operator.write(task.name(file), file.read_bytes()))


def pyarrow(task: Task) -> Callable[[], None]:
    """pyarrow's filesystem for Azure."""
    import pyarrow as library
    from pyarrow import fs

    url = urlsplit(task.endpoint)
    azure = fs.AzureFileSystem(
        ACCOUNT,
        account_key=KEY,
        blob_storage_authority=url.netloc,
        blob_storage_scheme=url.scheme,
        dfs_storage_authority=url.netloc,
        dfs_storage_scheme=url.scheme,
    )
    tuned = {}
    if task.workers:
        library.set_io_thread_count(task.workers)
        tuned = {"chunk_size": task.chunk_size or 8 * MIB}
    source = str(task.files[0].parent if task.is_directory else task.file)
    target = f"{FILESYSTEM}/{FOLDER}" + ("" if task.is_directory else f"/{task.file.name}")
    local = fs.LocalFileSystem()
    return lambda: fs.copy_files(source, target, local, azure, **tuned)


def smart_open(task: Task) -> Callable[[], None]:
    """smart_open over the Blob SDK."""
    import smart_open as library
    from azure.storage.blob import BlobServiceClient

    credential = {"account_name": ACCOUNT, "account_key": KEY}
    params: dict[str, object] = {
        "client": BlobServiceClient(task.endpoint, credential, **azure_transport(task))
    }
    block = MIB
    if task.workers and not task.is_directory:
        block = task.chunk_size or 8 * MIB
        params["min_part_size"] = block

    def one(file: Path) -> None:
        url = f"azure://{FILESYSTEM}/{task.name(file)}"
        with file.open("rb") as source, library.open(url, "wb", transport_params=params) as target:
            shutil.copyfileobj(source, target, block)

    return each(task, one)


PEERS: dict[str, Prepare] = {
    "sdk": sdk,
    "blob_sdk": blob_sdk,
    "adlfs": adlfs,
    "obstore": obstore,
    "opendal": opendal,
    "pyarrow": pyarrow,
    "smart_open": smart_open,
}

if __name__ == "__main__":
    if sys.argv[1:] == ["versions"]:
        print(json.dumps({peer: version(name) for peer, name in DISTRIBUTIONS.items()}))
    else:
        main(PEERS)
