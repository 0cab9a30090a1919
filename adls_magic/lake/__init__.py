"""The local lake: a server for the dfs REST API over a folder, for work and tests without Azure."""

from __future__ import annotations

from adls_magic.lake.local import FoundLake, LakeInUseError, LocalLake, find_or_start, stop_all

__all__ = ["FoundLake", "LakeInUseError", "LocalLake", "find_or_start", "stop_all"]
