# SPDX-License-Identifier: GPL-2.0-only
"""What is kept has an end: exceptions of handlers, and the memory of what was outstanding. And freed memory is found."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import iopf
from iopf import _registry

SANITIZED = "-fsanitize=" in iopf.build_info()["flags"]
KEPT = _registry.KEPT


class Oops(Exception):
    """What these handlers raise."""


@pytest.fixture
def unraisable(monkeypatch):
    """What sys.unraisablehook was told."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(str(args.exc_value)))
    return told


@pytest.fixture
def raising(runtime):
    """A queue, and a device whose works raise their group's number."""

    def oops(group):
        raise Oops(group.last.grpid)

    queue, device = iopf.Queue("q", runtime=runtime), iopf.Device("d", record=False)
    queue.add(device)
    device.attach(iopf.Work(oops), pasid=1)
    device.attach(oops, pasid=2)
    return queue, device


def report(device, count, pasid=1, first=0):
    import struct

    return device.report_many(
        b"".join(struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 3, pasid, first + i, 1, 0, 0, 0) for i in range(count))
    )


def test_of_the_exceptions_of_works_the_first_hundred_are_kept_and_the_others_counted(raising, unraisable):
    """HandlerError says how many there were, and the unraisable hook, which gets the rest at close, too."""
    queue, device = raising
    report(device, 1000)
    while device.statistics().pending:
        pass
    with pytest.raises(iopf.HandlerError) as caught:
        queue.close()
    assert (errno.EIO, Oops, "0") == (caught.value.errno, type(caught.value.__cause__), str(caught.value.__cause__))
    assert f"(after {KEPT} exceptions that were kept {1000 - KEPT} more came and were not)" in str(caught.value)
    assert [str(i) for i in range(1, KEPT)] == unraisable[: KEPT - 1]
    assert [f"after {KEPT} exceptions that were kept {1000 - KEPT} more came and were not"] == unraisable[KEPT - 1 :]
    assert [] == queue._errors


def test_a_flush_says_how_many_were_not_kept(raising):
    """Each flush raises one; with the last one that was kept the count is told a last time."""
    queue, device = raising
    report(device, KEPT + 7)
    texts = []
    for _ in range(KEPT):
        with pytest.raises(iopf.HandlerError) as caught:
            device.flush()
        texts.append(caught.value.strerror)
    assert (
        f"a handler raised Oops in a work of q: 0 (after {KEPT} exceptions that were kept 7 more came and were not)"
        == texts[0]
    )
    assert f": {KEPT - 1} (after" in texts[-1]
    device.flush()
    queue.close()


def test_one_more_than_a_hundred_is_counted_and_a_hundred_are_not(raising, unraisable):
    """The border."""
    queue, device = raising
    report(device, KEPT)
    with pytest.raises(iopf.HandlerError) as caught:
        queue.close()
    assert (KEPT - 1, False) == (len(unraisable), "more came" in str(caught.value))


def test_so_it_is_in_the_thread_that_reports(raising, unraisable):
    """report_many goes through, raises the first, and the hook gets as many as were kept and the number of the others."""
    queue, device = raising
    with pytest.raises(Oops, match=r"^0$"):
        report(device, 300, pasid=2)
    assert (
        [str(i) for i in range(1, KEPT)],
        f"after {KEPT} exceptions that were kept {300 - KEPT} more came and were not",
    ) == (unraisable[: KEPT - 1], unraisable[KEPT - 1])
    queue.close()


#: For a program: the kernel primitives that it calls by themselves.
PRIMITIVES = f"""
    import sys
    sys.path.append({str(Path(__file__).parent)!r})
    import semantics
    ffi, lib = semantics.load("native")
    _runtime.get("native")  # iopf.warnings() is of those that are in use, and the primitives alone are used here
"""


@pytest.fixture(scope="module", autouse=True)
def _compiled(semantics):
    """Once, for all programs."""
    semantics.build("native")


def run(*parts, **env):
    """A program of its own; what it printed."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "\n".join(["import iopf", "from iopf import _runtime", *map(textwrap.dedent, parts)]),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


MEMORY = (
    PRIMITIVES
    + """
    first, queue = iopf.Queue("other"), iopf.Queue("q", workers=0)
    device, kept = iopf.Device("d", record=False), []
    queue.add(device)
    device.attach(kept.append)
    for i in range(20000):
        device.report(addr=0, grpid=i)
    before = lib.iopf_prim_slab_bytes()
    assert before > 20000 * 128, before
"""
)


@pytest.mark.skipif(SANITIZED, reason="there every object is malloc's own")
class TestNativeGivesBack:
    """Memory for what was outstanding goes back to the system with the last queue, and not before."""

    def test_with_the_last_queue(self):
        """By the allocator's own count of what it has. While a queue is there it keeps what it may want again."""
        assert "True True\n" == run(
            MEMORY,
            """
            while kept: kept.pop().respond()
            queue.close()
            kept_it = lib.iopf_prim_slab_bytes() == before
            first.close()
            print(kept_it, lib.iopf_prim_slab_bytes() <= 1 << 18)
        """,
        )

    def test_when_the_groups_are_answered_after_it(self):
        """What was still out when the last queue closed goes back as it is freed."""
        assert "True True\n" == run(
            MEMORY,
            """
            queue.close()
            first.close()
            kept_it = lib.iopf_prim_slab_bytes() >= before - (1 << 18)
            while kept: kept.pop().respond()
            # A part of it waits for so much that looking for it is worth while.
            print(kept_it, lib.iopf_prim_slab_bytes() < before // 2 + (8 << 20))
        """,
        )

    def test_and_is_taken_again(self):
        """Round after round: no more than the first time, and all objects good."""
        assert "20000 True\n" == run(
            PRIMITIVES,
            """
            most = []
            for _ in range(4):
                queue, device, kept = iopf.Queue("q", workers=0), iopf.Device("d", record=False), []
                queue.add(device)
                device.attach(kept.append)
                for i in range(20000):
                    device.report(addr=0, grpid=i)
                most.append(lib.iopf_prim_slab_bytes())
                while kept: kept.pop().respond()
                answered = device.statistics().success
                device.close()
                queue.close()
                assert lib.iopf_prim_slab_bytes() <= 1 << 18, lib.iopf_prim_slab_bytes()
            assert iopf.live_objects() == 0 and not iopf.warnings()
            print(answered, max(most) <= most[0] + (1 << 18))
        """,
        )

    def test_the_pages_are_gone_and_the_addresses_are_not(self):
        """Whoever frees something that went long ago is told that it is no object."""
        assert "kfree of something that is not a live object\n" == run(
            PRIMITIVES,
            """
            objects = [lib.iopf_prim_kmalloc(100, 1) for _ in range(5000)]
            for pointer in objects: lib.iopf_prim_kfree(pointer)
            iopf.Queue("q").close()
            assert lib.iopf_prim_slab_bytes() <= 1 << 18
            lib.iopf_prim_kfree(objects[2500])
            print(*(site.reason for site in iopf.warnings()))
        """,
        )


@pytest.mark.skipif(SANITIZED, reason="a sanitizer does it itself")
class TestPoison:
    """IOPF_POISON=1: native's freed objects are filled, kept for a while, and looked at."""

    def test_a_freed_object_is_full_of_it_and_not_used_again_at_once(self):
        assert "True True\n" == run(
            PRIMITIVES,
            """
            pointer = lib.iopf_prim_kmalloc(100, 1)
            lib.iopf_prim_kfree(pointer)
            again = [lib.iopf_prim_kmalloc(100, 1) for _ in range(100)]
            print(bytes(ffi.buffer(pointer, 100)) == b"\\x6b" * 100, pointer not in again)
            for other in again: lib.iopf_prim_kfree(other)
        """,
            IOPF_POISON="1",
        )

    @pytest.mark.parametrize("poison, reasons", [("1", "an object was written to after kfree()\n"), ("", "\n")])
    def test_a_write_after_the_free_is_a_warning(self, poison, reasons):
        """When as many others were freed; and without the switch nothing is looked at."""
        assert reasons == run(
            PRIMITIVES,
            """
            pointer = lib.iopf_prim_kmalloc(100, 1)
            lib.iopf_prim_kfree(pointer)
            ffi.buffer(pointer, 100)[90:91] = b"x"
            for _ in range(1100): lib.iopf_prim_kfree(lib.iopf_prim_kmalloc(100, 1))
            print(*(site.reason for site in iopf.warnings()))
        """,
            IOPF_POISON=poison,
        )

    def test_a_request_that_is_to_fail_still_does(self):
        """It uses the same switch of the fast path."""
        assert "True False True\n" == run(
            PRIMITIVES,
            """
            got = []
            _runtime.get("native").lib.iopf_fail_nth(2)
            for _ in range(3): got.append(lib.iopf_prim_kmalloc(100, 1))
            print(*(pointer != ffi.NULL for pointer in got))
            for pointer in got: lib.iopf_prim_kfree(pointer)
            other = lib.iopf_prim_kmalloc(100, 1)
            lib.iopf_prim_kfree(other)
            assert bytes(ffi.buffer(other, 100)) == b"\\x6b" * 100
        """,
            IOPF_POISON="1",
        )

    def test_the_suite_s_most_used_path_is_clean_under_it(self):
        """Groups of several pages, held, answered late, from several threads."""
        assert "clean\n" == run(
            """
            import threading
            space = iopf.AddressSpace()
            space.map(0, 1 << 20, "rw")
            with iopf.Queue("q", workers=2) as queue:
                def use(i):
                    device = iopf.Device(f"d{i}", record=False)
                    for _ in range(40):
                        queue.add(device)
                        kept = []
                        device.attach(iopf.SVA(space), pasid=1)
                        device.attach(kept.append, pasid=2)
                        for grpid in range(60):
                            device.report(addr=0, grpid=grpid, pasid=1 + grpid % 2, last=False)
                            device.report(addr=4096, grpid=grpid, pasid=1 + grpid % 2)
                        queue.remove(device)
                        while kept: kept.pop().respond()
                        device.detach(pasid=1)
                        device.detach(pasid=2)
                threads = [threading.Thread(target=use, args=(i,)) for i in range(3)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            assert iopf.live_objects() == 0, iopf.live_objects(True)
            assert not iopf.warnings(), iopf.warnings()
            print("clean")
        """,
            IOPF_POISON="1",
        )
