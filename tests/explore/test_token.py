# SPDX-License-Identifier: GPL-2.0-only
"""Tokens: one line, versioned, data only, and refused when they are damaged or another version's."""

import base64
import json
import zlib

import pytest

from iopf.explore import DidNotReproduce, Run, VersionMismatch, replay
from iopf.explore.corefile import CoreFile
from iopf.explore.packed import MAX_BYTES
from iopf.explore.programs import rcget
from iopf.explore.token import decode, encode

TASKS = ((0, 0), (0, 1), (1, 0))
FILE = CoreFile("/tree of mine/io-pgfault.c", "ab" * 32, {"removal": "frees", "dequeue": True})
RUNS = (Run(1, 7, "mutex_lock", "memory[0]"), Run(2, 1, "rcu_read_lock", None), Run(1, 2, "mutex_lock", "memory[0]"))


def token(**changes):
    data = {
        "scenario": rcget(2), "core": "v6.14", "runs": RUNS, "dropped": (3, 4), "kind": "leak", "signature": "leak x",
        "hash": 2**63 + 1, "flags": 512, "max_steps": 99, "tasks": TASKS, "file": FILE, **changes,
    }  # fmt: skip
    return encode(**data)


def packed(data):
    return "iopf2." + base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip("=")


def unpacked(text):
    body = text.partition(".")[2]
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def test_a_token_says_everything_again():
    """Scenario, core with its file, schedule, what is dropped, and what it has to come to."""
    found = decode(token())
    assert (rcget(2), "v6.14", RUNS, (3, 4)) == (found.scenario, found.core, found.runs, found.dropped)
    assert (TASKS, FILE, None) == (found.tasks, found.file, decode(token(file=None)).file)
    assert ("leak", "leak x", 2**63 + 1, 512, 99) == (
        found.kind,
        found.signature,
        found.hash,
        found.flags,
        found.max_steps,
    )


def test_a_token_is_one_line_of_plain_letters_and_survives_a_line_break():
    """It can be pasted into a shell, and back from a mail that wrapped it."""
    text = token()
    assert text.startswith("iopf2.")
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert len(text) < 2000
    assert decode(text[:50] + "\n  " + text[50:]) == decode(text)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: text[:20] + text[21:],
        lambda text: text[:30] + "!" + text[31:],
        lambda text: "iopf2.",
        lambda text: "",
        lambda text: "hello",
        lambda text: packed(b"[]"),
        lambda text: packed(b"\xff\xff"),
        lambda text: packed(json.dumps({**unpacked(text), "runs": [[1, 1, 99, -1]]}).encode()),
        lambda text: packed(json.dumps({**unpacked(text), "runs": [["a"]]}).encode()),
        lambda text: packed(json.dumps({**unpacked(text), "scenario": {}}).encode()),
        lambda text: packed(json.dumps({**unpacked(text), "hash": "zz"}).encode()),
        lambda text: packed(b" " * (MAX_BYTES + 1)),
    ],
)
def test_a_damaged_token_is_a_value_error(damage):
    """Whatever is wrong with it: never another exception, and never a huge allocation."""
    with pytest.raises(ValueError) as caught:
        decode(damage(token()))
    assert not isinstance(caught.value, VersionMismatch)


def test_another_version_is_refused():
    """Both the format and the version that wrote it are compared; the message says what to do."""
    for other in ("1", "3"):
        with pytest.raises(VersionMismatch, match=f"format {other}.*reads format 2"):
            decode(f"iopf{other}." + token().partition(".")[2])
    other = packed(json.dumps({**unpacked(token()), "iopf": "0.0.7"}).encode())
    with pytest.raises(VersionMismatch, match=r"written by iopf 0.0.7.*run explore again"):
        decode(other)
    with pytest.raises(TypeError):
        decode(b"iopf2.")


#: Values that a field of a token cannot have, whatever the field is.
NONSENSE = (
    None, True, -1, 2**31, 2**40, -(2**70), 10**30, 1.5, float("nan"), "", "x", "\0", [], [[]], [[1]], [[1, 2, 3, 4, 5]], {},
    {"a": []}, [2**40], [[2**40, 2**40, 2**40, 2**40]], [[0, 0], [0, 0]], [[5, 0]], [["a", "b"]],
)  # fmt: skip


def damaged_everywhere(data, path=()):
    """Each field of the JSON with each nonsense in its place, and without it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(items):
        if path[:1] == ("scenario",) and len(path) > 4:
            continue
        for nonsense in NONSENSE:
            data[key] = nonsense
            yield (*path, key), nonsense
        data[key] = value
        yield from damaged_everywhere(value, (*path, key))


def test_no_field_out_of_range_gets_past_the_reader():
    """Every number, list and string of a token replaced by what it cannot be: a ValueError, or a token that can be
    replayed without harm (a ValueError, or another word of the explorer's, for what is none). Never another exception."""
    data = unpacked(token(core="iopf", file=None))
    tried = refused = 0
    for path, _ in damaged_everywhere(data):
        text = packed(json.dumps(data).encode())
        tried += 1
        try:
            decode(text)
        except ValueError:
            refused += 1
            continue
        try:
            replay(text)
        except (DidNotReproduce, ValueError):
            continue
        pytest.fail(f"{path}: replayed as if nothing were wrong")
    assert tried > 500 and refused > tried / 2


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"iopf":' * 50_000, b'{"iopf": ' + b"9" * 5000 + b"}", b'{"iopf": NaN}', b"1", b"null", b'""'],
    ids=["lists", "objects", "digits", "nan", "number", "null", "text"],
)
def test_json_that_is_no_token_is_damaged(data, run):
    """Nested too deep, too many digits, another thing altogether: the same sentence, in Python and on the command line."""
    with pytest.raises(ValueError, match="damaged: was it pasted whole"):
        decode(packed(data))
    code, out, err = run("replay", packed(data))
    assert (2, "") == (code, out) and 1 == err.count("\n") and "damaged" in err


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": 2**40},
        {"max_steps": 2**40},
        {"hash": "f" * 40},
        {"runs": [[2**40, 1, 0, -1]]},
        {"tasks": [[0, 2**40]]},
        {"dropped": [2**40]},
        {"tasks": [[0, 0], [0, 0]]},
        {"tasks": [[7, 0]]},
    ],
    ids=lambda changes: f"{next(iter(changes))}",
)
def test_a_field_out_of_range_is_one_line_on_the_command_line(changes, run):
    """Exit code 2 and a sentence."""
    data = {**unpacked(token(core="iopf", file=None)), **changes}
    code, out, err = run("replay", packed(json.dumps(data).encode()))
    assert (2, "") == (code, out) and 1 == err.count("\n") and err.startswith("iopf: ")
