# SPDX-License-Identifier: GPL-2.0-only
"""A user's program over most of the public surface. mypy --strict and pyright accept it, and it runs; what the checkers
see of each value is stated by assert_type. tests/test_types.py does both."""

from __future__ import annotations

import array
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import iopf
from iopf.exceptions import AlreadyOnQueue
from iopf.explore import (
    DidNotReproduce,
    ExplorationFailed,
    Failure,
    Progress,
    Result,
    Scenario,
    Step,
    Task,
    explore,
    find_scenario,
    replay,
    scenario_names,
)
from iopf.explore.programs import Address, Layout, Program, ProgramTask, rcget
from iopf.explore.scenario import BaseScenario, Section
from iopf.run import TraceRun

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value, _kind):
        return value


def live() -> Sequence[iopf.PageResponse]:
    space = iopf.AddressSpace()
    space.map(0x1000, 0x4000, "rw")
    space.protect(0x1000, 0x1000, iopf.Perm.READ)
    assert_type(space.areas, list[iopf.Area])
    heard: list[iopf.PageResponse] = []
    groups: list[iopf.Group] = []
    with iopf.Queue("dmar0", core=iopf.cores()["iopf"], workers=0) as queue:
        device = iopf.Device("0000:3a:00.0", on_response=heard.append)
        queue.add(device)
        try:
            queue.add(device)
        except AlreadyOnQueue as error:
            assert_type(error.errno, int | None)
        device.attach(iopf.SVA(space), pasid=7)
        device.attach(iopf.Work(lambda group: groups.append(group)), pasid=8)
        device.attach(iopf.Inline(iopf.ResponseCode.INVALID), pasid=9)
        device.attach(iopf.Refuse(), pasid=10)
        device.attach(lambda group: group.respond(), pasid=11)
        for pasid in range(7, 12):
            device.report(addr=0x2000, perm="rw", grpid=pasid, pasid=pasid)
        device.report_many(bytes(48), array.array("i", [0]))
        device.flush()
        for group in groups:
            assert_type(group.faults, list[iopf.PageRequest])
            assert_type(group.last.perm, iopf.Perm)
            assert_type(group.respond(iopf.ResponseCode.FAILURE), bool)
        assert_type(queue.statistics(), iopf.QueueStatistics)
        assert_type(queue.statistics().answered, int)
        assert_type(queue.devices, list[iopf.Device])
        assert_type(device.queue, iopf.Queue | None)
        assert_type(device.statistics(), iopf.DeviceStatistics)
        assert_type(device.responses, iopf.Responses)
        assert_type(device.responses[0].code, iopf.ResponseCode)
        assert_type(device.responses[1:], iopf.Responses)
    assert heard == device.responses
    return device.responses


def about() -> None:
    assert_type(iopf.cores(), dict[str, iopf.Core])
    assert_type(iopf.cores()["v7.2"].hazards, tuple[str, ...])
    assert_type(iopf.HAZARDS, Mapping[str, str])
    assert_type(iopf.warnings(), dict[iopf.Site, int])
    assert_type(iopf.live_objects(), int)
    assert_type(iopf.live_objects(detail=True), dict[iopf.Site, int])
    assert_type(iopf.build_info()["cores"], list[str])
    assert_type(struct.calcsize(iopf.PAGE_REQUEST_FORMAT), int)
    iopf.clear_warnings()


def trace() -> int:
    space = iopf.AddressSpace()
    space.map(0, 1 << 20, "rwx")
    with TraceRun(space, group=4) as run:
        run.feed(b"I  00001000,4\n L 00002000,8\n")
        result = run.finish()
    assert_type(result.latency.p50, int)
    assert_type(result.as_dict(), dict[str, object])
    return result.accesses


def race() -> Scenario:
    s = Scenario("remove races the work")
    queue = s.queue(workers=1)
    dev = s.device(queue, handler="held", pasid=1)
    assert_type(s.task("irq").report(dev, grpid=1, pasid=1), Task)
    answers = s.task("owner").respond(dev, grpid=1, pasid=1, code="invalid")
    answers.lock("driver").unlock("driver").fail_next_alloc().repeat(1)
    s.task("teardown").remove(queue, dev)
    s.setup.report_partial(dev, grpid=2, pasid=1)
    s.teardown.flush(dev)
    assert_type(s.copy(), Scenario)
    assert_type(s.expect("data-race").alloc_may_fail(False), Scenario)
    assert_type(Scenario.from_json(s.to_json()), Scenario | Program)
    assert_type(s.sections, tuple[Task, ...])
    return s


def search(scenario: BaseScenario, core: iopf.Core | str = "iopf") -> Result:
    seen: list[Progress] = []
    result = explore(scenario, core=core, budget=30, all_failures=True, progress=seen.append)
    assert_type(result.failure, Failure | None)
    assert_type([part for outcome in result.outcomes for part in outcome.parts], list[str])
    if result.failure is not None:
        assert_type(result.failure.steps, tuple[Step, ...])
        try:
            assert_type(replay(result.failure.token), Result)
        except DidNotReproduce as error:
            assert_type(error.result, Result | None)
    try:
        return result.check("bounded")
    except ExplorationFailed as error:
        return error.result


def low_level() -> Program:
    node = Layout(count="refcount", payload="u64")
    program = Program("counter", count="u32", lock="mutex")
    task = program.task("adds").mutex_lock(program.at["lock"]).load(0, program.at["count"])
    assert_type(task, ProgramTask)
    with task.when(0):
        task.sum(0, 1)
    task.store(program.at["count"], register=0).mutex_unlock(program.at["lock"])
    program.setup.mutex_init(program.at["lock"]).kzalloc(1, node).kfree(1)
    assert_type(node.count(1), Address)
    assert_type(program.setup, ProgramTask)
    sections: list[Section] = [*program.sections, *race().sections]
    assert sections
    return program


def main() -> None:
    assert {response.grpid for response in live()} == {7, 8, 9, 10, 11}
    about()
    assert trace() == 2
    assert search(race()).executions
    assert search(low_level()).verdict == "pass"
    assert search(rcget(2)).verdict == "pass"
    assert search(find_scenario(next(iter(scenario_names()))), core="v7.2").executions
    assert Path(iopf.__file__).is_file()


if __name__ == "__main__":
    main()
