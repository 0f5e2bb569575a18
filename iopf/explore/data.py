# SPDX-License-Identifier: GPL-2.0-only
"""Values of a result as JSON-able data: each a dict of its fields, but for those that say in another way what the others
say.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["NOT_IN_JSON", "Data", "as_data", "as_json"]

#: What json.dumps() takes, by field.
Data = dict[str, object]

#: The metadata of a field that is left out.
NOT_IN_JSON = {"json": False}


def as_data(value: DataclassInstance) -> Data:
    """Everything, as JSON-able data."""
    return {
        item.name: _plain(getattr(value, item.name))
        for item in dataclasses.fields(value)
        if item.metadata.get("json", True)
    }


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_data(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def as_json(value: DataclassInstance) -> str:
    """The same, as text."""
    import json

    return json.dumps(as_data(value), indent=1)
