"""What true, no or none mean as the value of an option: a bool or None, unless it takes text.

On the line of a magic they are written as in every other language, and a text is true in Python,
so that `index=false` would write the index. What an option takes is told by the signature of the
function that it goes to; where there is none, by its name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from typing import Literal

from adls_magic.core.errors import OptionError
from adls_magic.output.forms import Options

_VALUES: Mapping[str, bool | None] = {"true": True, "false": False, "none": None}
_ANSWERS: Mapping[str, bool] = {"yes": True, "no": False, "on": True, "off": False}
# Of what has no signature to be asked, and of parameters without annotation or default.
_FLAGS = frozenset(
    {
        *("index", "header", "include_header", "doublequote", "compress", "fix_imports"),
        *("skipkeys", "ensure_ascii", "check_circular", "allow_nan", "sort_keys"),
        *("use_threads", "allow_64bit", "emit_dictionary_deltas", "unify_dictionaries"),
        *("use_legacy_format", "use_deprecated_int96_timestamps", "transparent"),
        *("optimize", "progressive", "keep_rgb", "interlace", "lossless", "exact"),
    }
)
_TEXTS = frozenset(
    {
        *("delimiter", "quotechar", "escapechar", "lineterminator", "encoding", "eol"),
        *("null_string", "quoting_style", "compression", "facecolor"),
        *("edgecolor", "orientation", "backend", "comment", "description", "software", "artist"),
        *("copyright", "title", "author", "subject", "keywords"),
    }
)

_CHARACTERS = frozenset({"quotechar", "escapechar"})  # one, or None for none

_Kind = Literal["flag", "flag only", "text", "any"]


def settled(options: Options, known: Collection[str]) -> Options:
    """Return the options with the words that stand for a value turned into it.

    Args:
        options: as they were given.
        known: names of options, or a mapping of them to the parameters that take them.

    Raises:
        OptionError: an option that is either true or false is given a text.
    """
    parameters = known if isinstance(known, Mapping) else {}
    return {
        name: _meant(name, value, _kind(name, parameters.get(name)))
        if isinstance(value, str)
        else value
        for name, value in options.items()
    }


def _meant(name: str, text: str, kind: _Kind) -> object:
    word = text.lower()
    if word == "none" and name in _CHARACTERS:
        return None
    if kind != "text" and word in _VALUES:
        return _VALUES[word]
    if kind in ("flag", "flag only") and word in _ANSWERS:
        return _ANSWERS[word]
    if kind == "flag only":
        raise OptionError(f"the option {name} is True or False, no text")
    return text


def _kind(name: str, parameter: inspect.Parameter | None) -> _Kind:
    if parameter is None:
        return "flag only" if name in _FLAGS else "text" if name in _TEXTS else "any"
    types = _types_of(parameter)
    if types & {"bool", "bool_t"}:
        return "flag" if types & {"str", "Literal", "Any"} else "flag only"
    if isinstance(parameter.default, bool) or (not types and name in _FLAGS):
        return "flag"
    if isinstance(parameter.default, str) or types & {"str", "Literal"}:
        return "text"
    return "any"


def _types_of(parameter: inspect.Parameter) -> set[str]:
    """Return the types of a union, without what is in their brackets."""
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return set()
    text = annotation if isinstance(annotation, str) else _text_of(annotation)
    while (outer := re.sub(r"\[[^\[\]]*\]", "", text)) != text:
        text = outer
    return {part.strip().rpartition(".")[2] for part in text.split("|")}


def _text_of(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
