# SPDX-License-Identifier: GPL-2.0-only
"""The names that patches use, each doing what it is for: tests/csrc/kernel_api.c, in every runtime that runs on threads.

tests/explore/test_kernel_api.py has the same file under the explorer, and walks the table of all names.
"""

import os
import re
import signal
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


@pytest.mark.parametrize(
    ("how", "warning"),
    [(0, "kmem_cache_free of another cache's object"), (1, "kmem_cache_destroy while objects are live"), (2, None)],
)
def test_a_cache_knows_its_objects(runtime, how, warning):
    """Another one's is not taken; one that goes before they do is told. In order there is nothing to tell."""
    runtime.kmem_cache_misuse(how)
    assert ({warning: 1} if warning else {}) == runtime.warned()


def test_messages_have_the_level_that_they_are_called_by(runtime):
    """Of those that are said each time; each once where once is said."""
    runtime.read_messages()
    for _ in range(2):
        assert 0 == runtime.lib.iopf_kernel_api_check(CHECKS.index("messages"))
    text = runtime.ffi.new("char[]", runtime.TEXT)
    said = []
    while (level := runtime.message(text)) >= 0:
        said.append((level, runtime.text(text)))
    for each in (
        (3, "0000:00:1f.2: error 1"), (4, "0000:00:1f.2: warning"), (5, "0000:00:1f.2: notice"), (6, "0000:00:1f.2: info"),
        (7, "0000:00:1f.2: debug"), (3, "error x"), (7, "debug"), (3, "with a level"), (4, "without"),
    ):  # fmt: skip
        assert 2 == said.count(each), each
    assert {level for level, said_once in said if said_once == "once"} <= {3, 4, 6, 7}
    assert all(said.count((level, "once")) <= 1 for level in range(8))
    assert not any("never" in line for _, line in said)


def test_bug_on_ends_the_process_and_says_where(runtime):
    """In a child: it aborts, with a line. What is not so, is nothing."""
    runtime.bug_on(False)
    source, sink = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(sink, 2)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        runtime.bug_on(True)
        os._exit(0)
    os.close(sink)
    with open(source) as lines:
        said = lines.read()
    assert signal.SIGABRT == os.WTERMSIG(os.waitpid(pid, 0)[1])
    assert "waiting.c" in said
    assert "BUG_ON condition: the kernel would stop here" in said
