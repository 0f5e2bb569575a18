# SPDX-License-Identifier: GPL-2.0-only
"""What a token is packed in: base64url of zlib of JSON, behind ``iopf2.``. What it says is token.py's matter."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

__all__ = ["DAMAGED", "FORMAT", "PREFIX", "unpack"]

PREFIX = "iopf"
FORMAT = 2
#: A token is for a small program: what unpacks to more than this is not a token.
MAX_BYTES = 4 << 20
DAMAGED = "the token is damaged: was it pasted whole?"


def unpack(body: str) -> object:
    """The JSON of a token's body. ValueError: there is none."""
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        unpack = zlib.decompressobj()
        text = unpack.decompress(packed, MAX_BYTES)
        if not unpack.eof or unpack.unused_data:
            raise ValueError(DAMAGED)
        found: object = json.loads(text)
        return found
    # A ValueError is also what a number of too many digits gives.
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise ValueError(DAMAGED) from error
