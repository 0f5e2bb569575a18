# SPDX-License-Identifier: GPL-2.0-only
"""Allocation: counted by place, failing on demand, and suspicious of what it is given back."""

import pytest

NOT_LIVE = "kfree of something that is not a live object"
SIZE_MAX = 2**64 - 1
SIZES = [0, 1, 7, 8, 16, 48, 49, 64, 100, 112, 113, 256, 500, 1000, 2000, 4000, 4080, 4096, 5000, 100_000]


@pytest.fixture
def kernel(runtime):
    """GFP_KERNEL."""
    return runtime.GFP_KERNEL


@pytest.fixture(autouse=True)
def no_failure_left(runtime):
    """The thread's fail-nth is off when a test is over."""
    yield
    runtime.slab_fail_nth(0)


def contents(runtime, memory, size):
    """The bytes of an object."""
    return bytes(runtime.ffi.buffer(memory, size))


def fill(runtime, memory, size):
    """Writes every byte of an object."""
    runtime.ffi.memmove(memory, b"\xa5" * size, size)


@pytest.mark.parametrize("size", SIZES)
def test_memory_is_aligned_writable_and_cleared_if_asked(runtime, kernel, size):
    """Of every size; kzalloc() gives zeros also where the memory was used before."""
    for _ in range(3):
        for allocate in (runtime.kmalloc, runtime.kzalloc):
            memory = allocate(size, kernel)
            assert (True, 0) == (memory != runtime.ffi.NULL, int(runtime.ffi.cast("uintptr_t", memory)) % 16)
            if allocate == runtime.kzalloc:
                assert bytes(size) == contents(runtime, memory, size)
            fill(runtime, memory, size)
            runtime.kfree(memory)


def test_objects_do_not_overlap(runtime, kernel):
    """A thousand objects of one size and of different sizes keep what was written into them."""
    objects = []
    for number in range(1000):
        size = 8 + number % 200
        memory = runtime.kmalloc(size, kernel)
        runtime.ffi.memmove(memory, bytes([number % 256]) * size, size)
        objects.append((memory, bytes([number % 256]) * size))
    assert [expected for _, expected in objects] == [contents(runtime, m, len(expected)) for m, expected in objects]
    for memory, _ in objects:
        runtime.kfree(memory)


def test_kcalloc_multiplies_and_clears(runtime, kernel):
    """n objects of a size, all zero."""
    memory = runtime.kcalloc(7, 24, kernel)
    assert bytes(7 * 24) == contents(runtime, memory, 7 * 24)
    runtime.kfree(memory)


@pytest.mark.parametrize(("n", "size"), [(2**32, 2**32), (SIZE_MAX, 2), (3, SIZE_MAX // 2)])
def test_kcalloc_refuses_a_product_that_overflows(runtime, kernel, n, size):
    """NULL, not an object of the size that is left."""
    assert runtime.ffi.NULL == runtime.kcalloc(n, size, kernel)


@pytest.mark.parametrize("size", [SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 15])
def test_a_size_that_leaves_no_room_for_a_header_is_refused(runtime, kernel, size):
    """NULL: adding to it must not wrap around to something small."""
    before = runtime.slab_live()
    assert runtime.ffi.NULL == runtime.kmalloc(size, kernel)
    assert 0 == runtime.slab_live() - before


def test_kmemdup_copies(runtime, kernel):
    """The same bytes elsewhere; NULL where the allocation fails."""
    copy = runtime.kmemdup(b"0123456789", 10, kernel)
    assert b"0123456789" == contents(runtime, copy, 10)
    runtime.kfree(copy)
    runtime.slab_fail_nth(1)
    assert runtime.ffi.NULL == runtime.kmemdup(b"0123456789", 10, kernel)


def test_kzalloc_obj_takes_an_expression_or_a_type(runtime):
    """And gives an object of its size, all zero."""
    assert runtime.kzalloc_obj() > 0


def test_kfree_of_null_is_nothing(runtime):
    """As everywhere."""
    runtime.kfree(runtime.ffi.NULL)


def test_freeing_twice_warns(runtime, kernel):
    """And nothing else happens: the counts stay, and the memory is not given out twice."""
    if runtime.name == "native":
        runtime.skip_under("address", "AddressSanitizer reports the second kfree() itself")
    before = runtime.slab_live()
    memory = runtime.kmalloc(48, kernel)
    runtime.kfree(memory)
    runtime.kfree(memory)
    assert ({NOT_LIVE: 1}, 0) == (runtime.warned(), runtime.slab_live() - before)
    objects = [runtime.kmalloc(48, kernel) for _ in range(100)]
    assert 100 == len(set(objects))
    for memory in objects:
        runtime.kfree(memory)


def test_freeing_what_was_never_allocated_warns(runtime):
    """Somebody else's memory stays as it is."""
    before = runtime.slab_live()
    runtime.kfree_foreign()
    assert ({NOT_LIVE: 1}, 0) == (runtime.warned(), runtime.slab_live() - before)


def test_objects_are_counted(runtime, kernel):
    """One more for each allocation, one less for each kfree()."""
    before = runtime.slab_live()
    objects = [runtime.kmalloc(8, kernel) for _ in range(5)]
    assert 5 == runtime.slab_live() - before
    for memory in objects:
        runtime.kfree(memory)
    assert 0 == runtime.slab_live() - before


def sites(runtime):
    """How many live objects each function allocated."""
    found = runtime.ffi.new("struct iopf_prim_site[512]")
    n = runtime.slab_sites(found, 512)
    live = {}
    for site in found[0:n]:
        function = runtime.text(site.function)
        live[function] = live.get(function, 0) + site.live
    return live


def test_objects_are_counted_by_place(runtime, kernel):
    """A place that has none is not named."""
    objects = [runtime.kmalloc(8, kernel), runtime.kzalloc(8, kernel), runtime.kzalloc(5000, kernel)]
    live = sites(runtime)
    assert (1, 2) == (live["iopf_prim_kmalloc"], live["iopf_prim_kzalloc"])
    for memory in objects:
        runtime.kfree(memory)
    assert set() == {"iopf_prim_kmalloc", "iopf_prim_kzalloc"} & set(sites(runtime))


def test_an_object_is_counted_whatever_its_size(runtime, kernel):
    """Each size class has objects of its own, and what is larger than all of them comes from malloc()."""
    before, held = runtime.slab_live(), []
    for size in SIZES:
        for _ in range(70):  # more than a list of free objects takes
            held.append(runtime.kmalloc(size, kernel))
        assert len(held) == runtime.slab_live() - before == sites(runtime)["iopf_prim_kmalloc"]
    while held:
        runtime.kfree(held.pop(len(held) // 2))
        assert len(held) == runtime.slab_live() - before


def test_an_object_is_counted_wherever_it_is_freed(runtime, kernel, other):
    """Allocated by one thread, freed by another."""
    before = runtime.slab_live()
    memory = other.call(runtime.kmalloc, 8, kernel)
    assert 1 == runtime.slab_live() - before
    runtime.kfree(memory)
    assert 0 == runtime.slab_live() - before


def test_freeing_may_be_the_first_thing_that_a_thread_does(runtime, kernel):
    """Small objects and large ones, and it may be a mistake."""
    before = runtime.slab_live()
    for size in (8, 5000):
        memory = runtime.kmalloc(size, kernel)
        runtime.thread().call(runtime.kfree, memory)
    runtime.thread().call(runtime.kfree, runtime.ffi.NULL)
    assert (0, {}) == (runtime.slab_live() - before, runtime.warned())
    runtime.thread().call(runtime.kfree_foreign)
    assert {NOT_LIVE: 1} == runtime.warned()


@pytest.mark.parametrize("nth", [1, 2, 5])
def test_the_nth_request_fails(runtime, kernel, nth):
    """That one alone, whatever its size, and it is not counted."""
    before = runtime.slab_live()
    runtime.slab_fail_nth(nth)
    assert nth == runtime.slab_fail_nth_left()
    objects = [runtime.kmalloc(8 if n % 2 else 50_000, kernel) for n in range(1, nth + 4)]
    assert [nth] == [n for n, memory in enumerate(objects, 1) if memory == runtime.ffi.NULL]
    assert (0, nth + 2) == (runtime.slab_fail_nth_left(), runtime.slab_live() - before)
    for memory in objects:
        runtime.kfree(memory)


def test_memory_comes_and_goes_as_usual_while_a_request_is_to_fail(runtime, kernel):
    """Objects of a size that the compiler knows, and of one that it does not: none is given out twice, none is lost."""
    before, held, nth = runtime.slab_live(), [], 301
    runtime.slab_fail_nth(nth)
    for n in range(1, nth):
        held.append(
            (runtime.kfree, runtime.kmalloc(48, kernel)) if n % 2 else (runtime.refcount_free, runtime.refcount_new(n))
        )
        assert nth - n == runtime.slab_fail_nth_left()
        if n % 3 == 0:
            free, memory = held.pop(n % len(held))
            free(memory)
    assert runtime.ffi.NULL == runtime.refcount_new(1)
    assert (len(held), len(held)) == (len({memory for _, memory in held}), runtime.slab_live() - before)
    held += [(runtime.refcount_free, runtime.refcount_new(1)) for _ in range(200)]
    assert len(held) == len({memory for _, memory in held})
    for free, memory in held:
        free(memory)
    assert 0 == runtime.slab_live() - before


def test_a_failure_that_did_not_come_ends_with_its_thread(runtime, kernel):
    """The next thread, which may look like the same one to the runtime, gets what it asks for."""
    for allocate in (lambda: runtime.kmalloc(8, kernel), lambda: runtime.refcount_new(1)):
        first = runtime.thread()
        first.call(runtime.slab_fail_nth, 1)
        runtime.end_threads()
        second = runtime.thread()
        assert 0 == second.call(runtime.slab_fail_nth_left)
        memory = second.call(allocate)
        assert runtime.ffi.NULL != memory
        second.call(runtime.kfree, memory)


def test_failing_can_be_called_off(runtime, kernel):
    """0: no request fails."""
    runtime.slab_fail_nth(1)
    runtime.slab_fail_nth(0)
    memory = runtime.kmalloc(8, kernel)
    assert (True, 0) == (memory != runtime.ffi.NULL, runtime.slab_fail_nth_left())
    runtime.kfree(memory)


def test_failing_is_a_threads_own(runtime, kernel, other):
    """A request of another thread neither fails nor counts."""
    runtime.slab_fail_nth(1)
    memory = other.call(runtime.kmalloc, 8, kernel)
    assert (True, 1) == (memory != runtime.ffi.NULL, runtime.slab_fail_nth_left())
    runtime.kfree(memory)
    assert runtime.ffi.NULL == runtime.kmalloc(8, kernel)


def test_a_workqueue_is_an_allocation(runtime):
    """alloc_workqueue() fails where it is told to, and counts where it does not."""
    before = runtime.slab_live()
    runtime.slab_fail_nth(1)
    assert runtime.ffi.NULL == runtime.wq_alloc(b"none")
    wq = runtime.wq_alloc(b"some")
    assert (True, 1) == (wq != runtime.ffi.NULL, runtime.slab_live() - before)
    runtime.wq_destroy(wq)
    assert 0 == runtime.slab_live() - before


@pytest.mark.threads
def test_threads_hand_objects_to_each_other(runtime):
    """Each object arrives as it was sent, and none is left."""
    assert 0 == runtime.slab_race(4, 20_000)
