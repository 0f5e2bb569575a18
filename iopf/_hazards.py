# SPDX-License-Identifier: GPL-2.0-only
"""What can break a core on a queue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import _runtime

__all__ = ["HAZARDS"]

#: By name: what happens.
HAZARDS: Mapping[str, str] = MappingProxyType(_runtime.get("native").hazards)
