# SPDX-License-Identifier: GPL-2.0-only
"""The names that patches use, under the explorer: each does what it is for (tests/csrc/kernel_api.c, whose checks run on
threads in tests/primitives/test_kernel_api.py).
"""

import re
from pathlib import Path

import kernel_code
import pytest
from test_golden import quiet

from iopf.explore import explore

TEXT = (Path(__file__).parents[1] / "csrc" / "kernel_api.c").read_text()
CHECKS = re.findall(r"\bC\((\w+)\)", TEXT.partition("kernel_api_checks[]")[2])[1:]
RUN = "static int run(struct device *dev, unsigned int n)\n{\n\treturn iopf_kernel_api_check(n);\n}\n"


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The checks in a kernel file."""
    return kernel_code.core(tmp_path_factory.mktemp("kernel api"), TEXT + RUN)


@pytest.mark.parametrize("name", CHECKS)
def test_what_patches_use_does_what_it_is_for_under_the_explorer(core, name):
    """A check gives 0, or the line of what was wrong. In a task of its own, alone."""
    s = kernel_code.scenario(name, {"task": [CHECKS.index(name)]})
    result = explore(s, core=core, strategy="dpor", **quiet())
    assert ("pass", True) == (result.verdict, result.exhausted), result.failure or result


def test_a_check_that_fails_is_seen(tmp_path):
    """The control."""
    broken = TEXT.replace("return n < ARRAY_SIZE", "return n == 1 ? __LINE__ : n < ARRAY_SIZE")
    core = kernel_code.core(tmp_path, broken + RUN)
    kinds = [
        explore(kernel_code.scenario("control", {"task": [n]}), core=core, strategy="dpor", **quiet()).verdict
        for n in (0, 1)
    ]
    assert ["pass", "fail"] == kinds
