# SPDX-License-Identifier: GPL-2.0-only
"""What a closed device lets go of: its place on the queue, and its group's attachments with the last one of the group."""

import gc

import pytest

import iopf
from iopf import ResponseCode


def handles():
    """Attach handles that are in use."""
    return sum(n for site, n in iopf.live_objects(detail=True).items() if site.function == "attach_or_replace")


def closed_with_a_group_out(queue):
    """A device that was closed while its handler kept a group; both."""
    kept = []
    device = iopf.Device("d")
    queue.add(device)
    device.attach(kept.append, pasid=1)
    device.report(addr=0, grpid=1, pasid=1)
    device.close()
    assert 1 == handles()
    return device, kept.pop()


def test_nothing_of_a_closed_device_is_left(runtime):
    """Also while Python still has it, and what it recorded."""
    space = iopf.AddressSpace()
    space.map(0x1000, 0x1000, "r")
    with iopf.Queue("q", runtime=runtime) as queue, iopf.Device("d") as device:
        queue.add(device)
        device.attach(iopf.SVA(space), pasid=1)
        device.attach(lambda group: group.respond(), pasid=2)
        device.report(addr=0x1000, grpid=1, pasid=1)
        device.report(addr=0x1000, grpid=2, pasid=2)
        device.flush()
        assert 2 == handles()
    assert 0 == iopf.live_objects()
    assert [1, 2] == sorted(response.grpid for response in device.responses)


def test_attachments_of_a_group_go_with_its_last_device(runtime):
    """They belong to all of them: the one that is left still has its faults resolved."""
    with iopf.Queue("q", runtime=runtime) as queue:
        first = iopf.Device("first")
        second = iopf.Device("second", group=first)
        queue.add(first)
        queue.add(second)
        first.attach(iopf.Inline(ResponseCode.SUCCESS), pasid=1)
        first.close()
        second.report(addr=0, grpid=1, pasid=1)
        assert [ResponseCode.SUCCESS] == [response.code for response in second.responses]
        assert 1 == handles()
        second.close()
        assert 0 == handles()


def test_a_group_in_flight_keeps_its_handler(runtime):
    """Removal has answered it; its owner comes later and is told so, and then the handle goes, too."""
    with iopf.Queue("q", runtime=runtime) as queue:
        device, group = closed_with_a_group_out(queue)
        assert group.respond(ResponseCode.SUCCESS) is False
        assert 0 == handles()
    assert [ResponseCode.INVALID] == [response.code for response in device.responses]


def test_a_device_that_was_on_no_queue_lets_go_as_well():
    device = iopf.Device("d")
    device.attach(iopf.Refuse())
    assert 1 == handles()
    device.close()
    device.close()
    assert 0 == handles()
    with pytest.raises(iopf.Closed):
        device.attach(iopf.Refuse())


@pytest.mark.parametrize("core", ["v6.9", "v6.12", "v7.2"])
def test_a_form_that_does_not_count_its_handles_keeps_them_until_collection(core, runtime):
    """There a detach would free them under a group that is out."""
    with iopf.Queue("q", core=core, runtime=runtime) as queue:
        device, group = closed_with_a_group_out(queue)
        group.respond(ResponseCode.SUCCESS)
    del device, group
    gc.collect()
    assert 0 == handles()
