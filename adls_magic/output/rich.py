"""Anything with a rich display, through IPython's own display formatter.

So Altair, plotly, sympy, folium and whatever comes next work without being known. Where an
object says itself how it becomes a whole file (`to_html`, `to_json`, `to_image`), that is
preferred to the fragment that a notebook would show.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import inspect
import io
import json
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from adls_magic.core.errors import OptionError, OutputError
from adls_magic.output.formats import ORDER
from adls_magic.output.forms import Missing, Options, name_of, refuse_options
from adls_magic.output.words import settled

MIME = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".gif": "image/gif",
    ".html": "text/html",
    ".md": "text/markdown",
    ".tex": "text/latex",
    ".json": "application/json",
}
_DRAWN = (".png", ".svg", ".jpg", ".pdf")
_MOST_SAID = 300  # characters of another package's message
_BINARY = frozenset({".png", ".jpg", ".pdf", ".gif"})


def rendered(value: Any, extension: str, options: Options = MappingProxyType({})) -> bytes | None:
    """Return `value` in the form of `extension`, None when it has no such form.

    Raises:
        OptionError: the value does not draw itself in this form by a method that has options.
    """
    if extension not in MIME or isinstance(value, type):
        return None
    data = _by_own_method(value, extension, options)
    if data is None:
        data = _by_formatter(value, extension)
        if data is not None:
            refuse_options(options, extension)
    return None if data is None else _as_bytes(data, extension)


def offered(value: Any, *, besides: Container[str]) -> list[str]:
    """Return the extensions that `rendered` has something for, besides those known already.

    It renders the others to see.
    """
    asked = (extension for extension in ORDER if extension not in besides)
    with _in_silence():
        return [extension for extension in asked if _is_rendered(value, extension)]


def _is_rendered(value: Any, extension: str) -> bool:
    try:
        return rendered(value, extension) is not None
    except Exception:  # noqa: BLE001 - of the value's own method; it is asked for its offers only
        return False


def text_of(value: Any, *, whole: bool = False) -> str:
    """Return the text that a notebook shows for `value` (`text/plain`), a str as it is.

    Args:
        value: what is shown.
        whole: show all items of a list or dict; IPython leaves out those after the 1,000th.
    """
    if isinstance(value, str):
        return value
    plain = _formatter().formatters["text/plain"]
    before = plain.max_seq_length
    plain.max_seq_length = 0 if whole else before
    try:
        data = plain(value)
    finally:
        plain.max_seq_length = before
    return data if isinstance(data, str) else repr(value)


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keep IPython from showing the traceback of a display method that fails."""
    from IPython.core.interactiveshell import InteractiveShell

    if not InteractiveShell.initialized():
        with redirect_stderr(io.StringIO()):
            yield
        return
    own = vars(InteractiveShell.instance())
    before = own.get("showtraceback")
    own["showtraceback"] = lambda *args, **options: None
    try:
        yield
    finally:
        del own["showtraceback"]
        if before is not None:
            own["showtraceback"] = before


def _formatter() -> Any:
    from IPython.core.formatters import DisplayFormatter
    from IPython.core.interactiveshell import InteractiveShell

    if InteractiveShell.initialized():
        return InteractiveShell.instance().display_formatter
    return DisplayFormatter()


def _by_own_method(value: Any, extension: str, options: Options) -> Any | None:
    if extension in (".html", ".json"):
        method = getattr(value, f"to_{extension[1:]}", None)
        if not callable(method) or not _has_display(value):
            return None
        made = _called(method, extension, options)
        return made if isinstance(made, str) else None
    drawing = _drawing(value, extension)
    if drawing is None or not importlib.util.find_spec(drawing.module):
        return None
    try:
        return _called(drawing.draw, extension, options)
    except OptionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong in a browser
        raise OutputError(
            f"drawing {name_of(value)} as {extension} with {drawing.package} failed: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:_MOST_SAID]}"
        ) from None


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How a chart that a browser shows becomes a picture: by another package."""

    package: str
    module: str
    draw: Callable[..., Any]


def _drawing(value: Any, extension: str) -> _Drawing | None:
    if extension not in _DRAWN:
        return None
    kind = extension[1:]
    if callable(method := getattr(value, "to_image", None)):  # plotly
        return _Drawing("kaleido", "kaleido", partial(method, format=kind))
    of_altair = type(value).__module__.partition(".")[0] == "altair" and kind != "jpg"
    if of_altair and callable(method := getattr(value, "save", None)):
        return _Drawing("vl-convert-python", "vl_convert", partial(_saved, method, kind))
    return None


def _saved(save: Callable[..., None], kind: str, /, **options: object) -> str | bytes:
    stream = io.StringIO() if kind == "svg" else io.BytesIO()
    save(stream, format=kind, **options)
    return stream.getvalue()


def missing(value: Any, extension: str) -> Missing | None:
    """Return the package without which `value` cannot be drawn, None when that is not why."""
    drawing = _drawing(value, extension)
    if drawing is None or importlib.util.find_spec(drawing.module):
        return None
    return Missing((drawing.package,))


def _called(method: Callable[..., Any], extension: str, options: Options) -> Any:
    if options:
        options = settled(options, _parameters(method))
    try:
        return method(**options)
    except TypeError as error:
        if not options:
            raise
        raise OptionError(f"writing {extension} with these options failed: {error}") from None


def _parameters(method: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(method).parameters
    except ValueError:  # of a function that is not Python's
        return {}


def _has_display(value: Any) -> bool:
    names = ("_repr_html_", "_repr_mimebundle_", "_ipython_display_")
    return any(hasattr(type(value), name) for name in names)


def _by_formatter(value: Any, extension: str) -> Any | None:
    mime = MIME[extension]
    formatter = _formatter()
    if (data := _from_bundle(value, formatter, mime, extension)) is not None:
        return data
    if mime not in formatter.formatters:
        return None
    single = formatter.formatters[mime]
    enabled, single.enabled = single.enabled, True  # a terminal has all but text/plain off
    try:
        data = single(value)
    finally:
        single.enabled = enabled
    return data[0] if isinstance(data, tuple) else data


def _from_bundle(value: Any, formatter: Any, mime: str, extension: str) -> Any | None:
    made = formatter.mimebundle_formatter(value)
    bundle = made[0] if isinstance(made, tuple) else made
    if not isinstance(bundle, dict):
        return None
    if extension == ".json":
        # Vega, plotly and others call their JSON application/vnd.….v5+json.
        # But a widget's says only which widget it is.
        return next(
            (
                data
                for key, data in bundle.items()
                if key == mime or ("+json" in key and "vnd.jupyter.widget" not in key)
            ),
            None,
        )
    return bundle.get(mime)


def _as_bytes(data: Any, extension: str) -> bytes | None:
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    if extension == ".json" and not isinstance(data, str):
        return json.dumps(data, ensure_ascii=False, default=str).encode() + b"\n"
    if not isinstance(data, str):
        return None
    if extension in _BINARY:
        try:
            return base64.b64decode(data, validate=False)
        except binascii.Error:
            return None
    return (data if data.endswith("\n") else f"{data}\n").encode()
