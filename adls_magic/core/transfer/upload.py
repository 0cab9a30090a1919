"""Uploads: sources to targets, by one engine for a file, many files, bytes and streams."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from adls_magic.core import errors
from adls_magic.core.account import Account
from adls_magic.core.account.address import RemotePath
from adls_magic.core.errors import UploadStopped
from adls_magic.core.service.client import Client
from adls_magic.core.service.filesystem_hint import filesystem_hint
from adls_magic.core.service.response import PathItem, PathProperties
from adls_magic.core.transfer.concurrency import MOST
from adls_magic.core.transfer.existing import SkippedError
from adls_magic.core.transfer.file_transfer import FileTransfer
from adls_magic.core.transfer.job import UploadJob, UploadOptions, UploadResult
from adls_magic.core.transfer.outcome import Outcome
from adls_magic.core.transfer.placement import Placement, make_directories
from adls_magic.core.transfer.plan import DEFAULT_CHUNK, STREAM_CHUNK
from adls_magic.core.transfer.run import Run
from adls_magic.core.transfer.source import open_reader, stream_of
from adls_magic.core.transfer.writer import Writer

__all__ = [
    "UploadJob",
    "UploadOptions",
    "UploadResult",
    "Writer",
    "check_target",
    "open_writer",
    "upload_all",
    "upload_placed",
]

_SMALL = 1024 * 1024  # bytes; files below this on average are a matter of requests, not bytes
_MOST_FOR_PIECES = 32  # each has a buffer and a connection; more have not been faster anywhere
# Every piece of a stream in flight is held in memory.
_MOST_FOR_STREAMS = 16
_FEW = 8  # targets in one directory that are asked about one by one, rather than by a listing


def upload_all(
    account: Account,
    jobs: Sequence[UploadJob],
    options: UploadOptions,
    *,
    progress: bool | None = None,
) -> list[UploadResult]:
    """Upload every job and return the results in the same order.

    A file that fails does not keep the others from arriving; a failure that concerns them all
    (rights, network) ends the command. Targets of failed uploads are as they were.

    Args:
        account: where to.
        jobs: sources and targets; a stream only alone.
        options: how.
        progress: a bar always (True), never (False) or where somebody is looking (None).

    Raises:
        AdlsError: the first failure; its text tells how many files are concerned.
        UploadStopped: Stop or Ctrl-C; nothing runs on.
    """
    try:
        return _upload(account, jobs, options, progress)
    except UploadStopped:
        raise
    except KeyboardInterrupt:  # before anything had begun
        raise UploadStopped("Stopped; the target is unchanged.") from None


def upload_placed(
    account: Account,
    placement: Placement,
    options: UploadOptions,
    *,
    progress: bool | None = None,
) -> list[UploadResult]:
    """Upload the files of a placement as `upload_all` does, then make the folders without any.

    Raises:
        PathError: a file has the name of such a folder.
    """
    results = upload_all(account, placement.jobs, options, progress=progress)
    make_directories(account, placement.empty_directories)
    return results


def _upload(
    account: Account, jobs: Sequence[UploadJob], options: UploadOptions, progress: bool | None
) -> list[UploadResult]:
    if not jobs:
        return []
    total = _check_sources(jobs)
    if total is None:
        return [_upload_stream(account, jobs[0], options, progress)]
    label = jobs[0].target.name if len(jobs) == 1 else f"{len(jobs)} files"
    with (
        filesystem_hint(account, jobs[0].target.filesystem),
        Run(
            account,
            options,
            progress=progress,
            label=label,
            most=MOST if total < len(jobs) * _SMALL else _MOST_FOR_PIECES,
            tasks=max(len(jobs), total // DEFAULT_CHUNK),
        ) as run,
    ):
        if len(jobs) > 1 and options.if_exists == "refuse":
            _refuse_existing(run, jobs)
        transfers = [
            FileTransfer(
                job.source,
                run.target(job.target),
                run.progress.count,
                md5=options.md5,
                stop=run.client.stop,
                chunk_size=options.chunk_size,
            )
            for job in jobs
        ]
        run.progress.expect(total)
        run.send(transfers)
        outcomes = [transfer.outcome for transfer in transfers]
        failure = run.failure()
        if failure is not None:
            raise failure from None
        return [run.result(job.target, done) for job, done in zip(jobs, outcomes, strict=True)]


def _check_sources(jobs: Sequence[UploadJob]) -> int | None:
    """Return the bytes of all sources, None for a single stream; nothing is read.

    Raises:
        SourceError: a source is missing or cannot be read, or a stream is among several.
    """
    total = 0
    for job in jobs:
        reader = open_reader(job.source)
        if reader is not None:
            total += reader.size
            reader.close()
        elif len(jobs) == 1:
            return None
        else:
            raise errors.SourceError("A stream can only be uploaded alone, to a file of its own.")
    return total


def _upload_stream(
    account: Account, job: UploadJob, options: UploadOptions, progress: bool | None
) -> UploadResult:
    with open_writer(account, job.target, options, progress=progress) as writer:
        try:
            for part in () if writer.skipped else stream_of(job.source):
                writer.write(part)
        except KeyboardInterrupt:
            writer.abort()
            raise UploadStopped("Stopped; the target is unchanged.") from None
    if writer.result is None:
        raise errors.AdlsError("The upload ended without a result.")
    return writer.result


def _refuse_existing(run: Run, jobs: Sequence[UploadJob]) -> None:
    """Before anything is sent: one listing a directory tells which targets exist.

    Raises:
        PathExistsError: names the first and the number of them.
        ConflictError: a target is a directory, or another upload is writing it.
    """
    found = _existing(run.client, jobs)
    there = [job.target for job, item in found if item.size and not item.is_directory]
    for job, item in found:
        url = run.client.url(job.target)
        if item.is_directory:
            raise errors.ConflictError(
                f"{url} is a directory, and a file goes there; nothing was sent. Remove it, or "
                "choose another DEST.",
                status=409,
            )
        # What an upload that was cut off has left is empty; it is told apart by a request more,
        # which is spared where another file is in the way already.
        if not item.size and (there or _is_in_the_way(run, job)):
            there.append(job.target)
    if there:
        more = f" and {len(there) - 1} more exist" if len(there) > 1 else " exists"
        raise errors.PathExistsError(
            f"{run.client.url(there[0])}{more}; nothing was sent. Add --overwrite to replace or "
            "--skip-existing to keep what is there.",
            status=409,
            code="PathAlreadyExists",
        )


def _is_in_the_way(run: Run, job: UploadJob) -> bool:
    """Whether an empty file is one, and not what an upload that was cut off has left.

    Raises:
        ConflictError: another upload is writing it, or somebody holds a lease.
    """
    target, reader = run.target(job.target), open_reader(job.source)
    if reader is not None:
        with contextlib.closing(reader):
            target.identify(reader.version())
    try:
        target.look()
    except errors.PathExistsError:
        return True
    return False


def _existing(
    client: Client, jobs: Sequence[UploadJob]
) -> list[tuple[UploadJob, PathItem | PathProperties]]:
    """Return those of `jobs` at whose targets something is, and what."""
    wanted: dict[RemotePath, dict[str, UploadJob]] = {}
    for job in jobs:
        wanted.setdefault(job.target.parent, {})[job.target.path] = job
    there: list[tuple[UploadJob, PathItem | PathProperties]] = []
    for directory, by_path in wanted.items():
        if len(by_path) > _FEW:
            there += [
                (by_path[item.name], item)
                for item in _entries(client, directory)
                if item.name in by_path
            ]
            continue
        for path in sorted(by_path):
            found = client.find(by_path[path].target)
            if found is not None:
                there.append((by_path[path], found))
    return there


def _entries(client: Client, directory: RemotePath) -> Iterator[PathItem]:
    """Yield what is in a directory; nothing when there is none."""
    try:
        yield from client.list(directory)
    except errors.PathNotFoundError as error:
        if error.code == "FilesystemNotFound":
            raise


def check_target(
    account: Account, target: RemotePath, options: UploadOptions
) -> UploadResult | None:
    """Ask the service whether `target` may be written.

    Returns:
        None when it may; the result of having skipped it when it is to be left alone.

    Raises:
        PathExistsError: a file is there and was not to be replaced.
        ConflictError: a directory is there, or somebody holds a lease.
    """
    with (
        filesystem_hint(account, target.filesystem),
        Run(account, options, progress=False, label="") as run,
    ):
        try:
            run.target(target).look()
        except SkippedError as skipped:
            found = skipped.existing
            return run.result(target, Outcome(size=found.size, etag=found.etag, skipped=True))
    return None


def open_writer(
    account: Account,
    target: RemotePath,
    options: UploadOptions,
    *,
    progress: bool | None = None,
    kind: type[Writer] = Writer,
) -> Writer:
    """Return a writer to `target`. Whether it may be written is asked of the service now.

    Raises:
        PathExistsError: a file is there and was not to be replaced.
    """
    run = Run(
        account,
        options,
        progress=progress,
        label=target.name,
        most=_MOST_FOR_STREAMS,
        task_size=STREAM_CHUNK,
    )
    with filesystem_hint(account, target.filesystem), contextlib.ExitStack() as undo:
        undo.enter_context(run)
        writer = kind(run, target)
        undo.pop_all()
        return writer
