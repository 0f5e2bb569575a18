# SPDX-License-Identifier: GPL-2.0-only
"""Programs that are wrong: a type checker that knows the surface reports exactly the lines that say so. The control of
program.py: were a name Any, its line here would pass."""

from __future__ import annotations

import iopf
from iopf.explore import Scenario, explore, find_scenario, replay
from iopf.explore.programs import Layout, Program


def live(queue: iopf.Queue, device: iopf.Device, space: iopf.AddressSpace, group: iopf.Group) -> None:
    iopf.coers()  # wrong: no such name
    iopf.cores().name  # wrong: a dict
    iopf.cores()["iopf"].hazard  # wrong: hazards
    iopf.Queue("dmar0", workers="1")  # wrong: a number
    iopf.Queue("dmar0", core=7)  # wrong: a Core or a name
    iopf.Device(device)  # wrong: a name
    iopf.Device("dev", on_response=lambda: None)  # wrong: takes the response
    queue.add("0000:3a:00.0")  # wrong: a Device
    queue.statistics().dropt  # wrong: dropped
    device.report(addr="0x1000")  # wrong: a number
    device.report(0x1000)  # wrong: by name
    device.report(addr=0, pasdi=1)  # wrong: pasid
    device.report_many([1, 2])  # wrong: a buffer
    device.attach(space, pasid=1)  # wrong: SVA(space)
    device.attach(lambda: None)  # wrong: takes the group
    device.attach(iopf.SVA(queue))  # wrong: an AddressSpace
    device.attach(iopf.Inline("success"))  # wrong: a code is no str
    device.responses.count  # right
    device.responses[0].codes  # wrong: code
    device.responses()  # wrong: a property
    group.respond("success")  # wrong: a code is no str
    group.last.perm.lower()  # wrong: no str
    space.map(0, 4096)  # wrong: perm
    space.areas[0].length  # wrong: start and end
    iopf.live_objects().items()  # wrong: an int without detail
    iopf.build_info()["compilers"]  # wrong: compiler


def scenarios(s: Scenario, device: iopf.Device) -> None:
    queue = s.queue()
    dev = s.device(queue, pasid=1)
    s.device(dev)  # wrong: a queue
    s.device(queue, pasid="1")  # wrong: a number
    s.task("irq").reprot(dev)  # wrong: report
    s.task("irq").report(dev)  # wrong: grpid
    s.task("irq").report(device, grpid=1)  # wrong: a device of the scenario
    s.task("irq").report(dev, grpid="1")  # wrong: a number
    s.task("irq").report(dev, grpid=1).remov(queue, dev)  # wrong: remove
    s.task("owner").respond(dev, grpid=1, code=iopf.ResponseCode.SUCCESS)  # wrong: a name here
    s.task("teardown").remove(dev, queue)  # wrong: the other way round
    s.tasks("irq")  # wrong: how many
    s.setup.mutex_lock(dev)  # wrong: of low-level programs
    s.teardown.flush(queue)  # wrong: a device
    s.expect(1)  # wrong: a kind
    s.copy().taks("irq")  # wrong: task
    explore(dev)  # wrong: a scenario
    explore(s, core=1)  # wrong: a Core or a name
    explore(s, budgets=1)  # wrong: budget
    explore(s).failure.kind  # wrong: there may be none
    explore(s).verdicts  # wrong: verdict
    replay(explore(s))  # wrong: a token
    find_scenario("partial").task("irq").report(dev, grpid=1)  # wrong: it may be a low-level program


def low_level(program: Program, layout: Layout) -> None:
    program.task("adds").laod(0, program.at["count"])  # wrong: load
    program.task("adds").load(program.at["count"], 0)  # wrong: the other way round
    program.task("adds").load(0, layout.count)  # wrong: of which register
    program.setup.report(layout.count(1))  # wrong: of scenarios
