# SPDX-License-Identifier: GPL-2.0-only
"""fork(): in the child everything older is dead, and the runtime is new."""

import pytest


@pytest.mark.threads
def test_a_child_uses_every_primitive(runtime):
    """Fork while one thread reads, one waits for it and one runs an item: none of them holds up the child."""
    runtime.skip_under("thread", "ThreadSanitizer refuses threads after a fork with threads")
    runtime.skip_under("address", "another thread may have been inside AddressSanitizer's allocator")
    assert 0 == runtime.fork()
