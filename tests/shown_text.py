"""What a notebook shows, without what differs from run to run."""

from __future__ import annotations

import re
from typing import Any

_RATE = re.compile(r" \([\d.]+ [KMG]?i?B/s\)")  # left out of very short uploads
_SIZE = re.compile(r"[\d.]+ [KMG]iB")  # of what is compressed: it depends on the packages
_TIME = re.compile(r"[\d.]+ s\b|\d{4}-\d\d-\d\d \d\d:\d\d|(?<=:)\d{4,5}(?=/)|(?<=, changed ).*?ago")


def text_of(outputs: list[Any]) -> list[str]:
    """Return the lines that outputs show; of rich ones only what kinds there are."""
    texts = []
    for output in outputs:
        if output.output_type == "stream":
            texts.append(output.text)  # one print may arrive in several
        elif output.output_type == "error":
            texts.append(f"{output.ename}: {output.evalue}\n")
        else:
            texts.append(" ".join([*sorted(output.data), "\n"]))
    return steady("".join(texts))


def steady(text: str) -> list[str]:
    """Return the lines of a text without ports, times, rates, large sizes and alignment."""
    for pattern, instead in ((_RATE, ""), (_SIZE, "#"), (_TIME, "#"), (re.compile(r" +"), " ")):
        text = pattern.sub(instead, text)
    return text.splitlines()
