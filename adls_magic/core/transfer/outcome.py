"""What became of one file's transfer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What became of a transfer; complete when the transfer is done."""

    size: int = 0  # bytes
    etag: str = ""
    md5: str | None = None  # base64
    error: BaseException | None = None
    skipped: bool = False
    appended_at: int | None = None  # length of the file before, when bytes were added to it
    resumed_from: int = 0  # bytes that were there from an earlier run
    staged: int = 0  # bytes that a rerun need not send again, after a failure
    began: float = field(default_factory=time.monotonic)  # seconds, monotonic
    ended: float = 0.0  # seconds, monotonic; 0.0 until it is over
