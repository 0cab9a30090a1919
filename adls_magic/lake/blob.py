"""The blob dialect: the calls that the official SDK makes through the blob endpoint."""

from __future__ import annotations

from collections.abc import Callable

from adls_magic.lake.answers import Answer, Refusal
from adls_magic.lake.context import Context


def find_operation(context: Context) -> Callable[[Context], Answer]:
    """Return the operation that a request of the blob dialect asks for."""
    raise Refusal("FeatureNotSupported")
