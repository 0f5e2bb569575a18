# SPDX-License-Identifier: GPL-2.0-only
"""fork(): in the child everything older is dead, and the runtime is new."""

import os

import pytest

THREAD_SANITIZER = "thread" in os.environ.get("IOPF_SANITIZE", "")


@pytest.mark.threads
@pytest.mark.skipif(THREAD_SANITIZER, reason="ThreadSanitizer refuses threads after a fork with threads")
def test_a_child_uses_every_primitive(runtime):
    """Fork while one thread reads, one waits for it and one runs an item: none of them holds up the child."""
    assert 0 == runtime.fork()
