# SPDX-License-Identifier: GPL-2.0-only
"""Documents that leave a process: a line that says what it is, and JSON, compressed. Never a pickle: reading one runs nothing.

``iopf KIND FORMAT CRC BYTES``, a newline, and so many bytes of zlib. Whatever is not that, is of another format, was cut
off or damaged, is a ValueError with one sentence.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

__all__ = ["pack", "unpack"]

#: Goes up when an older iopf could not read what a newer one wrote, or would read something else out of it.
FORMAT = 1
#: What unpacks to more was not written by us.
MAX_BYTES = 1 << 30

_HEAD = re.compile(rb"iopf ([a-z]+) ([0-9]{1,9}) ([0-9a-f]{8}) ([0-9]{1,12})\n")


def pack(kind: str, data: object) -> bytes:
    """The document of JSON-able data."""
    body = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 6)
    return f"iopf {kind} {FORMAT} {zlib.crc32(body):08x} {len(body)}\n".encode() + body


def unpack(kind: str, content: bytes) -> Any:
    """The data of a document. ValueError: in a few words, what is wrong with it."""
    head = _HEAD.match(content[:64])
    if head is None or head[1].decode() != kind:
        raise ValueError(f"it is no {kind} of iopf")
    if int(head[2]) != FORMAT:
        raise ValueError(f"it is a {kind} of format {int(head[2])}, and this iopf reads format {FORMAT}")
    body = content[head.end() :]
    if len(body) < int(head[4]):
        raise ValueError(f"it is cut off after {len(content)} of {head.end() + int(head[4])} bytes")
    if len(body) > int(head[4]) or zlib.crc32(body) != int(head[3], 16):
        raise ValueError("it is damaged: its checksum is another one")
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(body, MAX_BYTES)
        if not unpacker.eof:
            raise ValueError("it is too large")
        return json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        raise ValueError("it is damaged") from error
