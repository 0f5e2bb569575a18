# SPDX-License-Identifier: GPL-2.0-only
"""Every allocation of every call fails once.

The n-th allocation of a call fails, for n = 1, 2, ... until a run in which none does: so the sweep covers them all, and
says so when a call has none. After each run the call's promise is checked, then everything is taken down, and no object
is left and no answer is missing.
"""

import errno

import pytest

import iopf
from iopf import ResponseCode

SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE


@pytest.fixture(params=[0, 1], ids=["no-workers", "one-worker"])
def workers(request):
    return request.param


class Stand:
    """A queue, a device on it, a handler of each kind by PASID; and what a run has left to account for."""

    def __init__(self, runtime, workers=0):
        self.queue = iopf.Queue("q", runtime=runtime, workers=workers)
        self.dev = iopf.Device("d")
        self.queue.add(self.dev)
        self.space = iopf.AddressSpace()
        self.space.map(0, 0x1000, "rw")
        self.groups = []
        self.dev.attach(self.groups.append)
        self.dev.attach(iopf.Inline(), pasid=1)
        self.dev.attach(iopf.SVA(self.space), pasid=2)
        self.dev.attach(iopf.Work(lambda group: group.respond()), pasid=3)
        self.dev.attach(iopf.Refuse(), pasid=4)

    def take_down(self):
        """Closes everything; gives the device's answers."""
        self.queue.close()
        while self.groups:
            self.groups.pop().respond()
        answers = [(response.pasid, response.grpid, response.code) for response in self.dev.responses]
        statistics = self.dev.statistics()
        assert (0, 0) == (statistics.partials, statistics.pending)
        del self.dev, self.queue
        return answers


def sweep(lib, prepare, call, check):
    """Runs ``call`` with its n-th allocation failing until none fails. Gives the errno of each failing run.

    None is one that did without what it could not have.
    """
    outcomes = []
    failed = True
    while failed:
        assert len(outcomes) < 100
        state = prepare()
        error = None
        lib.iopf_fail_nth(len(outcomes) + 1)
        try:
            call(state)
        except iopf.IopfError as caught:
            error = caught.errno
        failed = lib.iopf_fail_nth_left() == 0
        lib.iopf_fail_nth(0)
        check(state, failed, error)
        del state
        assert 0 == iopf.live_objects(), iopf.live_objects(detail=True)
        if failed:
            outcomes.append(error)
    return outcomes


def test_a_queue(runtime, lib, workers):
    """Two objects; without one of them there is no queue."""
    made = []

    def check(state, failed, error):
        assert (errno.ENOMEM if failed else None) == error
        while made:
            made.pop().close()

    def act(state):
        made.append(iopf.Queue("q", runtime=runtime, workers=workers))

    assert [errno.ENOMEM] * 2 == sweep(lib, lambda: None, act, check)


def test_add(runtime, lib):
    """One fault param; without it the device is on no queue and may be added again."""

    def prepare():
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        dev.attach(iopf.Inline())
        queue.add(dev)
        queue.remove(dev)
        return queue, dev

    def check(state, failed, error):
        queue, dev = state
        assert (errno.ENOMEM if failed else None, failed) == (error, dev.queue is None)
        if failed:
            queue.add(dev)
        dev.report(addr=0)
        assert [SUCCESS] == [response.code for response in dev.responses]
        queue.close()

    assert [errno.ENOMEM] == sweep(lib, prepare, lambda state: state[0].add(state[1]), check)


def test_the_first_add_which_moves_the_attachments_to_the_queues_runtime(lib, runtime):
    """All or nothing: what was attached before is attached after, here or there, whichever allocation fails."""

    def prepare():
        queue, dev = iopf.Queue("q", runtime=runtime), iopf.Device("d")
        for pasid in range(1, 20):
            dev.attach(iopf.Inline(ResponseCode(pasid % 3)), pasid=pasid)
        second = iopf.Device("second", group=dev)
        return queue, dev, second

    def check(state, failed, error):
        queue, dev, second = state
        if error:
            queue.add(second)
        queue.add(dev)
        for pasid in range(1, 20):
            dev.report(addr=0, pasid=pasid)
            second.report(addr=0, pasid=pasid)
        expected = [ResponseCode(pasid % 3) for pasid in range(1, 20)]
        assert (expected, expected) == tuple([r.code for r in d.responses] for d in (dev, second))
        queue.close()

    outcomes = sweep(lib, prepare, lambda state: state[0].add(state[2]), check)
    # On plain: 19 handles, then the fault param; and larger indices, which it does without. On native it is all there.
    assert ({"native": 1, "plain": 20}[runtime], runtime == "plain") == (outcomes.count(errno.ENOMEM), None in outcomes)


@pytest.mark.parametrize("call", ["attach", "replace"])
def test_attach_and_replace(runtime, lib, call):
    """One handle; without it the attachment is what it was."""

    def check(stand, failed, error):
        assert (errno.ENOMEM if failed else None) == error
        if call == "attach" and failed:
            stand.dev.attach(iopf.Inline(INVALID), pasid=9)
        pasid, before = (9, INVALID) if call == "attach" else (1, SUCCESS)
        stand.dev.report(addr=0, pasid=pasid)
        assert [(pasid, 0, before if failed else FAILURE)] == stand.take_down()

    def act(stand):
        if call == "attach":
            stand.dev.attach(iopf.Inline(FAILURE), pasid=9)
        else:
            stand.dev.replace(iopf.Inline(FAILURE), pasid=1)

    assert [errno.ENOMEM] == sweep(lib, lambda: Stand(runtime), act, check)


def test_an_attachment_whose_larger_index_cannot_be_had_is_found_all_the_same(runtime, lib):
    """Growing the index of the attachments is for speed alone: attach succeeds without it."""
    count = 200
    failures = 0
    with iopf.Queue("q", runtime=runtime) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        for pasid in range(1, count):
            lib.iopf_fail_nth(2)  # the first is the handle
            dev.attach(iopf.Inline(), pasid=pasid)
            failures += lib.iopf_fail_nth_left() == 0
            lib.iopf_fail_nth(0)
        assert failures > 100
        for pasid in range(1, count):
            dev.report(addr=0, grpid=pasid, pasid=pasid)
        assert [(pasid, SUCCESS) for pasid in range(1, count)] == [(r.grpid, r.code) for r in dev.responses]
        dev.attach(iopf.Inline(), pasid=count)  # and now it grows
        for pasid in range(1, count + 1):
            dev.detach(pasid=pasid)


def test_a_partial_request(runtime, lib):
    """One object; without it -ENOMEM, no answer, and the group comes without that page."""

    def check(stand, failed, error):
        assert (errno.ENOMEM if failed else None, [], 0 if failed else 1) == (
            error,
            stand.dev.responses,
            stand.dev.statistics().partials,
        )
        stand.dev.report(addr=0x2000)
        assert ([0x2000] if failed else [0x1000, 0x2000]) == [fault.addr for fault in stand.groups[0].faults]
        assert [(None, 0, INVALID)] == stand.take_down()

    def act(stand):
        stand.dev.report(addr=0x1000, last=False)

    assert [errno.ENOMEM] == sweep(lib, lambda: Stand(runtime), act, check)


def test_partial_requests_whose_larger_index_cannot_be_had_are_found_all_the_same(runtime, lib):
    """Growing the index of the stored partials is for speed alone: report succeeds without it, for 300 keys."""
    stand = Stand(runtime)
    failures = 0
    for grpid in range(300):
        for page in range(2):
            lib.iopf_fail_nth(2)
            stand.dev.report(addr=page << 12, grpid=grpid, last=False)
            failures += lib.iopf_fail_nth_left() == 0
            lib.iopf_fail_nth(0)
    assert failures > 200
    assert 600 == stand.dev.statistics().partials
    for grpid in range(299, -1, -1):
        stand.dev.report(addr=2 << 12, grpid=grpid)
    assert [3] * 300 == [len(group.faults) for group in stand.groups]
    assert [(None, grpid, INVALID) for grpid in range(299, -1, -1)] == stand.take_down()


@pytest.mark.parametrize("pasid", [None, 1, 2, 3, 4], ids=["python", "inline", "sva", "work", "refuse"])
@pytest.mark.parametrize("partials", [0, 1, 40])
def test_a_last_request(runtime, lib, workers, pasid, partials):
    """One group; without it FAILURE is answered, 0 returned, and the partials of the key go. Exactly one answer."""

    def prepare():
        stand = Stand(runtime, workers)
        for _page in range(partials):
            stand.dev.report(addr=0x100, grpid=7, pasid=pasid, last=False)
        return stand

    def check(stand, failed, error):
        stand.dev.flush()
        assert (None, 0) == (error, stand.dev.statistics().partials)
        code = {None: INVALID, 4: FAILURE}.get(pasid, SUCCESS)
        assert [(pasid, 7, FAILURE if failed else code)] == stand.take_down()

    assert [None] == sweep(lib, prepare, lambda stand: stand.dev.report(addr=0x100, grpid=7, pasid=pasid), check)


@pytest.mark.parametrize("call", ["flush", "discard_partial", "remove", "detach", "respond", "close"])
def test_what_ends_things_allocates_nothing(runtime, lib, workers, call):
    """flush, discard, remove, detach, the answer and the end cannot fail for want of memory."""

    def prepare():
        stand = Stand(runtime, workers)
        stand.dev.report(addr=0)
        stand.dev.report(addr=0, grpid=1, last=False)
        stand.dev.report(addr=0, grpid=2, pasid=2)
        stand.dev.flush()
        return stand

    def act(stand):
        if call == "flush":
            stand.dev.flush()
        elif call == "discard_partial":
            stand.queue.discard_partial()
        elif call == "remove":
            stand.queue.remove(stand.dev)
        elif call == "detach":
            stand.dev.detach()
        elif call == "respond":
            stand.groups.pop().respond(INVALID)
        else:
            stand.queue.close()

    def check(stand, failed, error):
        assert (False, None) == (failed, error)
        assert [(2, 2, SUCCESS), (None, 0, INVALID)] == stand.take_down()

    assert [] == sweep(lib, prepare, act, check)


def test_a_bad_setup_allocates_nothing(runtime, lib):
    """Its answer is a matter of course."""

    def check(stand, failed, error):
        assert (False, errno.EINVAL) == (failed, error)
        assert [(99, 3, INVALID)] == stand.take_down()

    assert [] == sweep(lib, lambda: Stand(runtime), lambda stand: stand.dev.report(addr=0, grpid=3, pasid=99), check)


def test_a_failure_is_this_threads_alone(runtime, lib, start):
    """The injection counts the allocations of one thread; another one's go on."""
    stand = Stand(runtime)
    lib.iopf_fail_nth(1)
    start(stand.dev.report, addr=0, grpid=1, pasid=1).result(30)
    assert 1 == lib.iopf_fail_nth_left()
    stand.dev.report(addr=0, grpid=2, pasid=1)
    assert [(1, 1, SUCCESS), (1, 2, FAILURE)] == stand.take_down()
