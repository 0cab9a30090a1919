"""A value becomes bytes: decided by what it is and by the extension, before anything is sent.

| value | extensions |
|---|---|
| bytes, str, file-like, iterator of bytes or str | any, as they are; text in no binary format |
| DataFrame, Series, LazyFrame, Arrow data | csv tsv json jsonl parquet feather xlsx html md |
| iterator of DataFrames or Arrow batches | the same, piece by piece |
| dict, list, dataclass, number | json jsonl; a list of rows also csv tsv |
| iterator of dicts, rows, dataclasses | jsonl json; rows also csv tsv; streamed |
| numpy array | npy npz csv tsv txt json jsonl; a dict of arrays npz |
| matplotlib figure and its parts, PIL image | png svg jpg pdf … html |
| anything with a rich display | png svg jpg pdf html md tex json, whichever it has |
| anything, as the notebook shows it | txt log md py rst and names without extension |
| anything | pkl |

A further suffix .gz, .bz2, .xz or .zst compresses; bytes that are compressed that way already
are left as they are. Nothing here imports pandas, polars, pyarrow, numpy or matplotlib: their
values can only exist when they are loaded.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, BinaryIO, cast

from adls_magic.core.errors import OptionError, OutputError
from adls_magic.output import (
    arrays,
    arrow_tables,
    compress,
    pandas_frames,
    pictures,
    plain_data,
    polars_frames,
    raw,
    rich,
    shown,
)
from adls_magic.output.encoding import NO_OPTIONS, Encoding, noted
from adls_magic.output.formats import (
    CONTENT_TYPES,
    LINES,
    NOT_TEXT,
    ORDER,
    PLAIN,
    WHOLE,
    charset_of,
    extension_of,
    split_extension,
)
from adls_magic.output.forms import Forms, Missing, Options, Writer, encoding_of, name_of, only
from adls_magic.output.looking import Looked
from adls_magic.output.words import settled

__all__ = [
    "Encoding",
    "check_appendable",
    "check_compression",
    "content_type_of",
    "extension_of",
    "is_plain_text",
    "plan",
    "takes_printed_text",
    "text_of",
]


def plan(
    value: object,
    extension: str,
    *,
    options: Options = NO_OPTIONS,
    as_shown: bool = True,
) -> Encoding:
    """Decide how `value` becomes bytes for a name with this extension.

    An iterator or file-like is looked at, nothing else is touched. A file that can is put back
    where it stood; what was taken from others is kept, and comes first when that very iterator
    or file is planned and written later.

    Args:
        value: anything but None.
        extension: as `extension_of` gives it: `.csv`, `.csv.gz`, "".
        options: passed to what writes the form, such as `index` for a DataFrame.
        as_shown: whether an extension of plain text may hold what a notebook shows for a value
            that has no form of its own there.

    Raises:
        OptionError: the form has no such option.
        OutputError: names what the value is and the extensions that can hold it, or the package
            that is missing, or that the value has to be awaited or opened.
    """
    compress.check(split_extension(extension)[1])
    if value is None:
        raise OutputError("None cannot be written; there is no value")
    forms = _forms_of(value)
    try:
        return _planned(value, forms, extension, options=options, as_shown=as_shown)
    except (OptionError, OutputError) as error:
        raise noted(error, forms.source) from None


def _planned(
    value: object, forms: Forms, extension: str, *, options: Options, as_shown: bool
) -> Encoding:
    plain, compression = split_extension(extension)
    if compression and compress.already(compression, forms.start()):
        compression = ""
    writer = _writer_for(value, forms, plain, as_shown=as_shown, options=options)
    if writer.made:
        options = NO_OPTIONS
    elif options:
        writer.check(options, f"{forms.what.partition(',')[0]} as {plain or 'text'}")
        options = settled(options, writer.takes())
    shape = plain.removeprefix(".") if forms.anything is None else ""
    parts = [forms.what, shape or ("" if forms.anything else "text"), compression[1:]]
    return Encoding(
        content_type=_in_encoding(content_type_of(extension), options),
        description=", ".join(part for part in parts if part),
        _writer=writer,
        _options=dict(options),
        lines=plain if plain in LINES and forms.anything is None else "",
        _compression=compression,
        _forms=forms,
        _cure=partial(_cure, value, forms, plain),
    )


def content_type_of(extension: str) -> str | None:
    """Return the content type of a name with this extension, None when it is not known."""
    plain, compression = split_extension(extension)
    return compress.content_type(compression) if compression else CONTENT_TYPES.get(plain)


def _in_encoding(content_type: str | None, options: Options) -> str | None:
    if content_type is None or "encoding" not in options:
        return content_type
    charset = charset_of(encoding_of(options))
    return content_type.replace("charset=utf-8", f"charset={charset}")


def check_appendable(extension: str) -> None:
    """Raise OutputError when nothing can be added to the end of a file with this extension."""
    plain, _ = split_extension(extension)
    if plain in WHOLE:
        raise OutputError(
            f"a {plain} file is one whole, so nothing can be appended to it; csv, tsv, jsonl, txt, "
            "log, md and other text can be, also compressed (.gz)"
        )


def check_compression(extension: str) -> None:
    """Raise OutputError when the extension asks for a compression that is not installed."""
    compress.check(split_extension(extension)[1])


def takes_printed_text(extension: str) -> bool:
    """Return whether text that a cell prints can be the content of such a file."""
    return split_extension(extension)[0] not in NOT_TEXT


def is_plain_text(extension: str) -> bool:
    """Return whether such a file holds text as it is shown, of whatever kind."""
    return split_extension(extension)[0] in PLAIN


def text_of(value: object, extension: str) -> str | None:
    """Return the whole text that a notebook shows for a value, for a file of plain text.

    None when that text is not the value's content, or when it is long and the name, without
    extension, does not ask for text.
    """
    try:
        return _text_of(value, _forms_of(value), split_extension(extension)[0])
    except OutputError:
        return None


def _forms_of(value: Any) -> Forms:
    modules: list[tuple[str, Callable[[Any, Any], Forms | None]]] = [
        ("pandas", pandas_frames.forms),
        ("polars", polars_frames.forms),
        ("pyarrow", arrow_tables.forms),
        ("numpy", arrays.forms),
    ]
    # A figure first: what plt.hist returns is a tuple of arrays and parts of a figure.
    if (found := pictures.forms(value)) is not None:
        return found
    for name, family in modules:
        module = sys.modules.get(name)
        if module is not None and (found := family(value, module)) is not None:
            return found
    for general in (raw.forms, plain_data.forms, arrow_tables.forms_of_stream):
        if (found := general(value)) is not None:
            return found
    _refuse_unawaited(value)
    return Forms(type(value).__name__)


def _refuse_unawaited(value: object) -> None:
    """Raise OutputError for what only an event loop can get a value out of."""
    if isinstance(value, Coroutine | asyncio.Future):
        raise OutputError(
            f"{name_of(value)} has not been awaited, so there is no value yet; await it in a "
            f"cell of its own (`result = await …`) and write the result"
        )
    if isinstance(value, AsyncIterator) and not isinstance(value, Iterable):
        raise OutputError(
            f"{name_of(value)} gives what it has to `async for` only; gather that in a cell of "
            f"its own (`rows = [row async for row in …]`) and write the list"
        )


def _writer_for(
    value: object, forms: Forms, extension: str, *, as_shown: bool, options: Options
) -> Writer:
    found = forms.writers.get(extension)
    if isinstance(found, Missing):
        raise _missing(value, extension, found)
    if found is not None:
        return found
    if forms.anything is not None and not (forms.text_only and _is_binary(extension)):
        return forms.anything
    if extension == ".pkl":
        return Writer(partial(_write_pickle, value), only("protocol", "fix_imports"))
    if forms.source is None and (data := rich.rendered(value, extension, options)) is not None:
        return _constant(data, made=True)
    if (lacking := rich.missing(value, extension)) is not None:
        raise _missing(value, extension, lacking)
    if as_shown and (text := _text_of(value, forms, extension)) is not None:
        return _constant(f"{text}\n".encode("utf-8", "backslashreplace"), made=False)
    raise _misfit(value, forms, extension)


def _text_of(value: object, forms: Forms, extension: str) -> str | None:
    if extension not in PLAIN or shown.says_nothing(value, forms):
        return None
    if not extension and shown.is_cut_short(value):
        return None
    return shown.whole_text(value)


def _can_be(sample: object, extension: str) -> bool:
    try:
        return plan(sample, extension, as_shown=False).is_writable()
    except OutputError:
        return False


def _is_at_its_end(forms: Forms) -> bool:
    return isinstance(forms.source, Looked) and not forms.source.seen


def _is_binary(extension: str) -> bool:
    return extension in NOT_TEXT and extension != ".svg"


def _constant(data: bytes, *, made: bool) -> Writer:
    """Return a writer of these bytes, which the options have `made` or cannot change."""
    return Writer(lambda stream, _: cast(None, stream.write(data)), made=made)


def _write_pickle(value: object, stream: BinaryIO, options: Mapping[str, Any]) -> None:
    pickle.Pickler(stream, **options).dump(value)


def _missing(value: object, extension: str, missing: Missing) -> OutputError:
    return OutputError(
        f"writing {name_of(value)} as {extension} needs the package "
        f"{' or '.join(missing.packages)}: pip install {missing.packages[0]}"
    )


def _misfit(value: object, forms: Forms, extension: str) -> OutputError:
    name = extension or "a file without extension"
    why = f": {forms.unfit[extension]}" if extension in forms.unfit else ""
    lacks = " without items" if _is_at_its_end(forms) else ""
    text = f"{name_of(value)}{lacks} cannot be written as {name}{why}"
    offers = _offers(value, forms)
    if not offers and forms.source is not None:
        return OutputError(f"{text}, and in no other form: it gives {forms.what}")
    if not offers and raw.is_readable(value):
        return OutputError(
            f"{text}: it is no open file of bytes or text; write what its read() gives"
        )
    return OutputError(f"{text}; it can be {offers or 'pkl'}")


def _offers(value: object, forms: Forms) -> str:
    able = {name for name, writer in forms.writers.items() if not isinstance(writer, Missing)}
    if forms.sample is not None:
        sample = forms.sample()
        able = {name for name in able if _can_be(sample, name)}
    if forms.source is None:
        able.update(rich.offered(value, besides=forms.writers))
    if forms.anything is not None or not shown.says_nothing(value, forms):
        able.add(".txt")
    return ", ".join(name[1:] for name in ORDER if name in able)


def _cure(value: object, forms: Forms, extension: str) -> str:
    """Tell what a value can be that turned out not to fit, as far as its beginning shows that."""
    if forms.sample is None or _can_be(forms.sample(), extension):
        return ""
    offers = _offers(value, forms)
    return f"; it can be {offers}" if offers else ""
