"""When to try again and how long to wait: a value and arithmetic, no sleeping, no network.

The waits follow the service's advice (exponential, with jitter):
https://learn.microsoft.com/azure/storage/blobs/storage-performance-checklist
"""

from __future__ import annotations

import email.utils
import random
import time
from dataclasses import dataclass

from adls_magic.core.service.answer import Headers

# Any status of 500 and above but 501 (not implemented) and 505 (HTTP version) may pass.
_RETRYABLE = frozenset({408, 429})
_NEVER = frozenset({501, 505})
# These conflicts end by themselves, within half a minute or so.
_PASSING_CODES = frozenset(
    {"FilesystemBeingDeleted", "DestinationPathIsBeingDeleted", "SourcePathIsBeingDeleted"}
)
# A body damaged on the way: the same bytes again will do.
_DAMAGED_CODES = frozenset({"Md5Mismatch", "Crc64Mismatch"})
_LONGEST_RETRY_AFTER = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request is kept trying.

    Attributes:
        tries: the most tries of one request.
        first_wait: seconds; the upper end of the first, random wait.
        longest_wait: seconds; no upper end is larger.
        patience: seconds from the first failure after which no further try begins.
        tries_unconnected: the most tries while the service has never been reached, so that a
            wrong name or a missing network is said at once.
    """

    tries: int = 12
    first_wait: float = 0.2
    longest_wait: float = 15.0
    patience: float = 90.0
    tries_unconnected: int = 3

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures in a row: full jitter, or what was asked for."""
        if retry_after is not None:
            return min(retry_after, _LONGEST_RETRY_AFTER)
        ceiling = min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1))
        return random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing


def is_retryable(status: int, code: str | None) -> bool:
    """True when the same request may succeed later."""
    if status >= 500:
        return status not in _NEVER
    return status in _RETRYABLE or code in _PASSING_CODES or code in _DAMAGED_CODES


def is_throttling(status: int) -> bool:
    """True when the service asks for less load."""
    return status in (429, 503)


def retry_after(headers: Headers) -> float | None:
    """Seconds that a `Retry-After` header asks for, in either of its two forms."""
    text = str(headers.get("Retry-After") or "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
