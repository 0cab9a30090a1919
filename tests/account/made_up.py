"""Keys and SAS that open nothing."""

from __future__ import annotations

import base64
import urllib.parse


def key(seed: int) -> str:
    """An account key; different for each seed, with + and / in it."""
    return base64.b64encode(bytes((seed * 7 + 251 * i) % 256 for i in range(64))).decode()


def sas(*, sp: str = "rwl", se: str = "2199-01-01T00:00:00Z", sr: str = "c", seed: int = 1) -> str:
    signature = urllib.parse.quote(key(seed)[:43] + "=", safe="")
    return f"sv=2023-11-03&sr={sr}&sp={sp}&se={urllib.parse.quote(se)}&sig={signature}"


KEY = key(1)
OTHER_KEY = key(2)
SAS = sas()
OTHER_SAS = sas(seed=2)
