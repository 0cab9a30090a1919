"""matplotlib's figures and PIL's images: the two that save themselves in many formats.

What `plt.plot(…)`, `plt.title(…)`, `df.plot()` or `plt.subplots()` return stands for the figure
that it is part of. A figure is drawn as a notebook shows it, cropped to what is on it; the
options are those of `savefig`.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from adls_magic.core.errors import OptionError
from adls_magic.output.forms import Forms, Missing, Options, Writer, only

_FIGURE_FORMATS = (".png", ".svg", ".jpg", ".pdf", ".eps", ".tiff", ".webp")
_IMAGE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".pdf": "PDF",
}
# What `savefig` takes besides the format, which the extension says.
_FIGURE_OPTIONS = (
    *("dpi", "facecolor", "edgecolor", "orientation", "transparent", "bbox_inches", "pad_inches"),
    "backend",
)
_MORE_FIGURE_OPTIONS = {
    ".png": ("metadata", "pil_kwargs"),
    ".svg": ("metadata",),
    ".pdf": ("metadata",),
    ".eps": ("metadata",),
    ".jpg": ("pil_kwargs",),
    ".tiff": ("pil_kwargs",),
    ".webp": ("pil_kwargs",),
}
# Pillow takes any name and passes over those that it does not know.
_IMAGE_OPTIONS = {
    ".png": ("optimize", "compress_level", "bits", "dpi", "transparency"),
    ".jpg": ("quality", "optimize", "progressive", "subsampling", "dpi", "comment", "keep_rgb"),
    ".gif": ("optimize", "interlace", "transparency", "comment"),
    ".bmp": ("dpi",),
    ".tiff": ("compression", "quality", "dpi", "description", "software", "artist", "copyright"),
    ".webp": ("quality", "lossless", "method", "exact", "alpha_quality"),
    ".pdf": ("resolution", "title", "author", "subject", "keywords", "quality"),
}
EXTENSIONS = frozenset({*_FIGURE_FORMATS, *_IMAGE_FORMATS, ".html"})
_DEEP = 3  # levels of lists and arrays in which a part of a figure is looked for


def forms(value: Any) -> Forms | None:
    """Return what a figure or an image can be, None when the value is neither."""
    if (figure := figure_of(value)) is not None:
        return Forms("Figure", _figure_writers(figure))
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        what, kind = f"Image, {value.width} × {value.height}", (value.mode, (1, 1))
        return Forms(what, _image_writers(value, pillow), sample=lambda: pillow.new(*kind))
    return None


def figure_of(value: Any) -> Any | None:
    """Return the matplotlib figure that `value` is, is part of, or holds parts of."""
    artists = sys.modules.get("matplotlib.artist")
    figures = sys.modules.get("matplotlib.figure")
    if artists is None or figures is None:
        return None
    return _figure_of(value, artists.Artist, figures.FigureBase, _DEEP)


def _figure_of(value: Any, artist: type, figure: type, depth: int) -> Any | None:
    if isinstance(value, figure) and hasattr(value, "savefig"):
        return value
    if isinstance(value, artist):
        return _root(value)
    if depth and isinstance(value, list | tuple | sys.modules["numpy"].ndarray):
        if isinstance(value, sys.modules["numpy"].ndarray):
            value = value.ravel()[:1] if value.dtype.hasobject else ()
        for item in value:
            if (found := _figure_of(item, artist, figure, depth - 1)) is not None:
                return found
    return None


def _root(artist: Any) -> Any | None:
    found = getattr(artist, "figure", None)
    while found is not None and not hasattr(found, "savefig"):
        found = found.figure  # a sub-figure is part of its figure
    return found


def _figure_writers(figure: Any) -> dict[str, Writer | Missing]:
    def draw(kind: str, options: Options) -> bytes:
        drawn = io.BytesIO()
        _check_pillow(options.get("pil_kwargs"), kind)
        figure.savefig(drawn, **{"bbox_inches": "tight", **options, "format": kind})
        return drawn.getvalue()

    supported = figure.canvas.get_supported_filetypes()
    names = {extension: extension.removeprefix(".") for extension in _FIGURE_FORMATS}
    kinds = {extension: name for extension, name in names.items() if name in supported}
    options = {name: (*_FIGURE_OPTIONS, *_MORE_FIGURE_OPTIONS[name]) for name in kinds}
    return _writers(draw, kinds, options)


def _check_pillow(given: object, kind: str) -> None:
    """Refuse what Pillow, which draws the pixels of some figures, would pass over in silence."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise OptionError("pil_kwargs is a dict of options of Pillow, such as {'quality': 90}")
    known = _IMAGE_OPTIONS[f".{kind}"]
    for name in given:
        if name not in known:
            raise OptionError(f"pil_kwargs of .{kind} has no {name!r}; it has {', '.join(known)}")


def _image_writers(image: Any, pillow: Any) -> dict[str, Writer | Missing]:
    def draw(kind: str, options: Options) -> bytes:
        encoded = io.BytesIO()
        image.save(encoded, **{**options, "format": kind})
        return encoded.getvalue()

    # Pillow refuses some modes in some formats, as transparency in JPEG: these are not offered.
    pixel = pillow.new(image.mode, (1, 1))
    kinds = {
        extension: kind for extension, kind in _IMAGE_FORMATS.items() if _can_save(pixel, kind)
    }
    return _writers(draw, kinds, _IMAGE_OPTIONS)


def _can_save(pixel: Any, kind: str) -> bool:
    try:
        pixel.save(io.BytesIO(), format=kind)
    except Exception:  # noqa: BLE001 - whatever it is: not this format
        return False
    return True


def _writers(
    draw: Callable[[str, Options], bytes],
    kinds: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
) -> dict[str, Writer | Missing]:
    """Return a writer for each kind, and an HTML with the PNG in it.

    Args:
        draw: gives a kind's bytes. They are made in memory, as most back ends of both libraries
            seek in what they write.
        kinds: extension → what the library calls it.
        names: extension → names of its options.
    """

    def saving(kind: str) -> Callable[[BinaryIO, Options], None]:
        def write(stream: BinaryIO, options: Options) -> None:
            stream.write(draw(kind, options))

        return write

    def html(stream: BinaryIO, options: Options) -> None:
        picture = base64.b64encode(draw(kinds[".png"], options))
        stream.write(b'<img src="data:image/png;base64,' + picture + b'">\n')

    writers: dict[str, Writer | Missing] = {
        extension: Writer(saving(kind), only(*names[extension]))
        for extension, kind in kinds.items()
    }
    if ".png" in kinds:
        writers[".html"] = Writer(html, only(*names[".png"]))
    return writers
