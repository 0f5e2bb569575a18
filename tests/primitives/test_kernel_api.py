# SPDX-License-Identifier: GPL-2.0-only
"""The names that patches use, each doing what it is for: tests/csrc/kernel_api.c, in every runtime that runs on threads.

tests/explore/test_kernel_api.py has the same file under the explorer, and walks the table of all names.
"""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "csrc" / "kernel_api.c").read_text()
CHECKS = re.findall(r"\bC\((\w+)\)", TEXT.partition("kernel_api_checks[]")[2])[1:]


@pytest.mark.parametrize("name", CHECKS)
def test_what_patches_use_does_what_it_is_for(runtime, name):
    """A check gives 0, or the line of what was wrong; it leaves no object and no warning behind."""
    number = CHECKS.index(name)
    assert name == runtime.text(runtime.lib.iopf_kernel_api_name(number))
    line = runtime.lib.iopf_kernel_api_check(number)
    runtime.read_messages()
    assert 0 == line, TEXT.splitlines()[line - 1]


def test_no_check_is_left_out(runtime):
    """The list here is the list there."""
    assert runtime.ffi.NULL == runtime.lib.iopf_kernel_api_name(len(CHECKS))
    assert -1 == runtime.lib.iopf_kernel_api_check(len(CHECKS))
