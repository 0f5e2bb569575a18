# SPDX-License-Identifier: GPL-2.0-only
"""Tokens: one line, versioned, data only, and refused when they are damaged or another version's."""

import base64
import json
import zlib

import pytest

from iopf.explore import Run, VersionMismatch
from iopf.explore.programs import rcget
from iopf.explore.token import MAX_BYTES, decode, encode

RUNS = (Run(1, 7, "mutex_lock", "memory[0]"), Run(2, 1, "rcu_read_lock", None), Run(1, 2, "mutex_lock", "memory[0]"))


def token(**changes):
    data = {
        "scenario": rcget(2), "core": "v6.14", "runs": RUNS, "dropped": (3, 4), "kind": "leak", "signature": "leak x",
        "hash": 2**63 + 1, "flags": 512, "max_steps": 99, **changes,
    }
    return encode(**data)


def packed(data):
    return "iopf1." + base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip("=")


def unpacked(text):
    body = text.partition(".")[2]
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def test_a_token_says_everything_again():
    """Scenario, core, schedule, what is dropped, and what it has to come to."""
    found = decode(token())
    assert (rcget(2), "v6.14", RUNS, (3, 4)) == (found.scenario, found.core, found.runs, found.dropped)
    assert ("leak", "leak x", 2**63 + 1, 512, 99) == (
        found.kind, found.signature, found.hash, found.flags, found.max_steps)


def test_a_token_is_one_line_of_plain_letters_and_survives_a_line_break():
    """It can be pasted into a shell, and back from a mail that wrapped it."""
    text = token()
    assert text.startswith("iopf1.")
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert len(text) < 2000
    assert decode(text[:50] + "\n  " + text[50:]) == decode(text)


@pytest.mark.parametrize("damage", [
    lambda text: text[:-9],
    lambda text: text[:20] + text[21:],
    lambda text: text[:30] + "!" + text[31:],
    lambda text: "iopf1.",
    lambda text: "",
    lambda text: "hello",
    lambda text: packed(b"[]"),
    lambda text: packed(b"\xff\xff"),
    lambda text: packed(json.dumps({**unpacked(text), "runs": [[1, 1, 99, -1]]}).encode()),
    lambda text: packed(json.dumps({**unpacked(text), "runs": [["a"]]}).encode()),
    lambda text: packed(json.dumps({**unpacked(text), "scenario": {}}).encode()),
    lambda text: packed(json.dumps({**unpacked(text), "hash": "zz"}).encode()),
    lambda text: packed(b" " * (MAX_BYTES + 1)),
])
def test_a_damaged_token_is_a_value_error(damage):
    """Whatever is wrong with it: never another exception, and never a huge allocation."""
    with pytest.raises(ValueError) as caught:
        decode(damage(token()))
    assert not isinstance(caught.value, VersionMismatch)


def test_another_version_is_refused():
    """Both the format and the version that wrote it are compared; the message says what to do."""
    with pytest.raises(VersionMismatch, match="format 2.*reads format 1"):
        decode("iopf2." + token().partition(".")[2])
    other = packed(json.dumps({**unpacked(token()), "iopf": "0.0.7"}).encode())
    with pytest.raises(VersionMismatch, match="written by iopf 0.0.7.*run explore again"):
        decode(other)
    with pytest.raises(TypeError):
        decode(b"iopf1.")
