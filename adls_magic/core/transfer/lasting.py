"""Bytes that nobody can change, which therefore need not be copied before they are sent.

CPython keeps ASCII text as the very bytes of its UTF-8 form, so the text itself can be sent.
https://docs.python.org/3/c-api/unicode.html#c.PyUnicode_AsUTF8AndSize
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_LEAST = 128 * 1024  # characters; a copy of less costs as little as doing without
_HOLDS = "text"  # the attribute by which memory keeps the text alive whose memory it is

if sys.implementation.name == "cpython":
    _utf8_of = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
    _utf8_of.restype = ctypes.c_void_p
    _utf8_of.argtypes = (ctypes.py_object, ctypes.c_void_p)


def bytes_of(text: str) -> bytes | memoryview:
    """Return text in UTF-8, lone surrogates as backslash escapes: its own memory where that is it.

    Args:
        text: stays alive as long as what is returned.
    """
    if len(text) < _LEAST or not text.isascii() or sys.implementation.name != "cpython":
        return text.encode("utf-8", "backslashreplace")
    memory = (ctypes.c_char * len(text)).from_address(_utf8_of(text, None))
    setattr(memory, _HOLDS, text)
    return memoryview(memory).toreadonly().cast("B")


def is_lasting(data: Any) -> bool:
    """Return whether the bytes in `data` are as they are for good."""
    owner = data.obj if isinstance(data, memoryview) else data
    return type(owner) is bytes or (isinstance(owner, ctypes.Array) and hasattr(owner, _HOLDS))
