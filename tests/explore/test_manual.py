# SPDX-License-Identifier: GPL-2.0-only
"""The scenario manual's tables are those of the code."""

from pathlib import Path

from iopf.explore import manual
from iopf.explore.bytecode import FRAMEWORK
from iopf.explore.scenario import Task

README = Path(manual.__file__).resolve().parent / "README.md"


def test_the_tables_in_the_manual_are_those_of_the_code():
    """``python -m iopf.explore.manual`` prints them; they stand between two comments."""
    inside = README.read_text().partition("<!-- manual -->\n")[2].partition("<!-- /manual -->")[0]
    assert inside.strip() == manual.markdown(), "python -m iopf.explore.manual prints what it should be"


def test_every_operation_and_every_argument_is_in_the_tables():
    """Those that a task has, and those that a token or a JSON file may have."""
    text = manual.markdown()
    operations = {name for name in vars(Task) if not name.startswith("_")} | set(FRAMEWORK)
    assert operations and all(f"| `{name}(" in text for name in operations)
    for words in ("grpid | 0 to ", "n of repeat | 1 to 1000", "name | of a task or a lock: 1 to 200 printable"):
        assert words in text


def test_the_ranges_are_found_by_trying():
    """The largest number that is accepted, and the smallest, wherever the limit is."""

    def up_to(limit, least=0):
        def accepts(number):
            if not least <= number <= limit:
                raise ValueError

        return accepts

    assert ["17", "2**32 - 1", "2**64 - 1", "0"] == [manual._largest(up_to(n)) for n in (17, 2**32 - 1, 2**64 - 1, 0)]
    assert [0, 1, -1] == [manual._smallest(up_to(9, least)) for least in (0, 1, -1)]
