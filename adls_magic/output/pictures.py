"""matplotlib's figures and PIL's images: the two that save themselves in many formats.

What `plt.plot(…)`, `plt.title(…)`, `df.plot()` or `plt.subplots()` return stands for the figure
that it is part of. A figure is drawn as a notebook shows it, cropped to what is on it; the
options are those of `savefig`.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any, BinaryIO

from adls_magic.output.forms import Forms, Missing, Options, Writer

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
EXTENSIONS = frozenset({*_FIGURE_FORMATS, *_IMAGE_FORMATS, ".html"})
_DEEP = 3  # levels of lists and arrays in which a part of a figure is looked for


def forms(value: Any) -> Forms | None:
    """Return what a figure or an image can be, None when the value is neither."""
    if (figure := figure_of(value)) is not None:
        return Forms("Figure", _figure_writers(figure))
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return Forms(f"Image, {value.width} × {value.height}", _image_writers(value))
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
    supported = figure.canvas.get_supported_filetypes()
    writers: dict[str, Writer | Missing] = {
        extension: _saving(figure, extension.removeprefix("."))
        for extension in _FIGURE_FORMATS
        if extension.removeprefix(".") in supported
    }
    writers[".html"] = lambda stream, options: _figure_html(stream, figure, options)
    return writers


def _drawn(figure: Any, kind: str, options: Options) -> bytes:
    # Into memory first: some of matplotlib's back ends seek in what they write.
    drawn = io.BytesIO()
    figure.savefig(drawn, **{"format": kind, "bbox_inches": "tight", **options})
    return drawn.getvalue()


def _saving(figure: Any, kind: str) -> Writer:
    def write(stream: BinaryIO, options: Options) -> None:
        stream.write(_drawn(figure, kind, options))

    return write


def _figure_html(stream: BinaryIO, figure: Any, options: Options) -> None:
    picture = base64.b64encode(_drawn(figure, "png", options))
    stream.write(b'<img src="data:image/png;base64,' + picture + b'">\n')


def _image_writers(image: Any) -> dict[str, Writer | Missing]:
    writers: dict[str, Writer | Missing] = {}
    for extension, kind in _IMAGE_FORMATS.items():
        # JPEG has no transparency and no palette: saving would fail, so it is not offered.
        if kind in ("JPEG", "PDF") and image.mode not in ("1", "L", "RGB", "CMYK"):
            continue
        writers[extension] = _saving_image(image, kind)
    writers[".html"] = lambda stream, options: _image_html(stream, image, options)
    return writers


def _encoded(image: Any, kind: str, options: Options) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, **{"format": kind, **options})
    return encoded.getvalue()


def _saving_image(image: Any, kind: str) -> Writer:
    def write(stream: BinaryIO, options: Options) -> None:
        stream.write(_encoded(image, kind, options))

    return write


def _image_html(stream: BinaryIO, image: Any, options: Options) -> None:
    picture = base64.b64encode(_encoded(image, "PNG", options))
    stream.write(b'<img src="data:image/png;base64,' + picture + b'">\n')
