"""Front: `upload`, files and folders, and in a notebook the values of variables."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from adls_magic.arguments import UploadArguments
from adls_magic.commands import (
    Defaults,
    Done,
    committed,
    done,
    locate,
    progress_of,
    upload_options,
)
from adls_magic.core.errors import OutputError, UploadStopped
from adls_magic.core.text import count, format_age, format_size, table

if TYPE_CHECKING:
    from adls_magic.core.account import Account
    from adls_magic.core.account.address import RemotePath
    from adls_magic.core.service.response import PathProperties
    from adls_magic.core.transfer.placement import Placement
    from adls_magic.core.transfer.upload import UploadOptions, UploadResult
    from adls_magic.output import Encoding


def upload(arguments: UploadArguments, defaults: Defaults) -> Done:
    """Upload files and folders.

    Raises:
        AdlsError: a source, the account, DEST or the upload failed; see `errors`.
        UploadStopped: Stop or Ctrl-C, also while DEST was looked at.
    """
    try:
        return _upload(arguments, defaults)
    except UploadStopped:
        raise
    except KeyboardInterrupt:
        raise UploadStopped("Stopped; every target is old or new, and whole.") from None


def _upload(arguments: UploadArguments, defaults: Defaults) -> Done:
    from adls_magic.core.transfer.placement import placed_in_lake, url_of
    from adls_magic.core.transfer.tree import expand
    from adls_magic.core.transfer.upload import upload_placed

    sources = expand(arguments.source, recursive=arguments.recursive)
    account, dest = locate(arguments.dest, profile=arguments.profile, defaults=defaults)
    placement = placed_in_lake(account, dest, sources)
    options = upload_options(arguments, defaults)
    if arguments.dry_run:
        return Done(_plan(account, dest, placement, options))
    began = time.monotonic()
    progress = progress_of(arguments, defaults)
    results = upload_placed(account, placement, options, progress=progress)
    if not results:
        made = count(len(placement.empty_directories), "empty folder")
        return Done(f"Made {made} in {url_of(account, dest)}; there are no files", results)
    single = len(sources) == 1 and not sources[0].is_directory and not sources[0].from_glob
    return done(account, dest, results, time.monotonic() - began, single=single)


def upload_values(
    arguments: UploadArguments, defaults: Defaults, values: Mapping[str, object]
) -> Done:
    """Upload the values of variables, each in the form that its target's extension asks for.

    Args:
        arguments: a parsed line with `--var`.
        defaults: where the line says nothing.
        values: by name of the variable.
    """
    from adls_magic.core.transfer.placement import check_directory, target_of

    account, dest = locate(arguments.dest, profile=arguments.profile, defaults=defaults)
    into = dest.is_directory or len(values) > 1
    if into:
        check_directory(account, dest)
    targets = [target_of(dest, name if into else "") for name in values]
    encodings = [
        _encoding(value, target, dict(arguments.opt or ()))
        for value, target in zip(values.values(), targets, strict=True)
    ]
    planned = list(zip(values.items(), targets, encodings, strict=True))
    for (name, value), _, encoding in planned:
        _refuse_spent(name, value, encoding)
    if arguments.dry_run:
        return Done(_plan_of_values(account, values, targets, encodings))
    began = time.monotonic()
    results = []
    for (name, value), target, encoding in planned:
        _refuse_spent(name, value, encoding)  # one before it may have been the same iterator
        results.append(_write_value(account, target, encoding, arguments, defaults))
    what = encodings[0].description
    took = time.monotonic() - began
    return done(account, dest, results, took, single=len(values) == 1, what=what)


def _encoding(value: object, target: RemotePath, options: Mapping[str, object]) -> Encoding:
    from adls_magic.output import extension_of, plan
    from adls_magic.output.formats import split_extension

    extension = extension_of(target.name)
    # A name without extension asks for no text, as a variable was given and nothing printed.
    asks_for_text = bool(split_extension(extension)[0])
    return plan(value, extension, options=options, as_shown=asks_for_text)


def _refuse_spent(name: str, value: object, encoding: Encoding) -> None:
    """Raise OutputError for an iterator at its end, whose file would replace a good one.

    One that never had anything cannot be told from one that was read before. A file that is
    empty is not refused.
    """
    from adls_magic.output.forms import name_of
    from adls_magic.output.raw import is_readable

    if encoding.is_spent and not is_readable(value):
        raise OutputError(
            f"{name} is {name_of(value)} without items, or one that was read already; nothing was "
            f"written for it: make it anew (a list may be empty)"
        )


def _write_value(
    account: Account,
    target: RemotePath,
    encoding: Encoding,
    arguments: UploadArguments,
    defaults: Defaults,
) -> UploadResult:
    from adls_magic.core.transfer.upload import open_writer

    options = upload_options(arguments, defaults, content_type=encoding.content_type)
    progress = progress_of(arguments, defaults)
    with open_writer(account, target, options, progress=progress) as writer:
        encoding.write(cast(BinaryIO, writer))
    return committed(writer)


def _plan_of_values(
    account: Account,
    names: Collection[str],
    targets: Sequence[RemotePath],
    encodings: Sequence[Encoding],
) -> str:
    from adls_magic.core.transfer.placement import url_of

    rows = [
        (f"{name} ({encoding.description})", f"→ {url_of(account, target)}")
        for name, target, encoding in zip(names, targets, encodings, strict=True)
    ]
    notes = [
        f"{name}: {encoding.note}\n"
        for name, encoding in zip(names, encodings, strict=True)
        if encoding.note
    ]
    end = f"Would write {count(len(rows), 'file')}; nothing was sent."
    return f"{table(rows)}\n{''.join(notes)}{end}"


def _plan(account: Account, dest: RemotePath, placement: Placement, options: UploadOptions) -> str:
    """Return what `--dry-run` says: each file, its target, and what is there."""
    from adls_magic.core.service.client import Client
    from adls_magic.core.service.filesystem_hint import filesystem_hint

    rows = []
    total = 0
    with filesystem_hint(account, dest.filesystem), Client(account) as client:
        for job in placement.jobs:
            path = cast(Path, job.source)
            size = path.stat().st_size
            total += size
            fate = _fate(client.find(job.target), options)
            rows.append((format_size(size), f"{path} → {client.url(job.target)}", fate))
        rows += [("folder", client.url(one), "") for one in placement.empty_directories]
    end = f"Would write {count(len(placement.jobs), 'file')} ({format_size(total)})"
    return f"{table(rows, right=(0,))}\n{end}; nothing was sent.".lstrip()


def _fate(found: PathProperties | None, options: UploadOptions) -> str:
    from adls_magic.core.transfer.existing import is_stale, is_unfinished

    if found is None:
        return ""
    if found.is_directory:
        return "a directory: would be refused"
    if is_unfinished(found):
        is_left = is_stale(found)
        return f"an unfinished upload: would be {'replaced' if is_left else 'refused for a minute'}"
    fate = {"refuse": "would be refused", "skip": "would be skipped"}
    age = f"{format_size(found.size)}, changed {format_age(found.modified)}"
    return f"exists ({age}): {fate.get(options.if_exists, 'would be replaced')}"
