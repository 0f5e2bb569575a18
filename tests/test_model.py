# SPDX-License-Identifier: GPL-2.0-only
"""Random sequences of calls, on the core and on a small model of it: the same answers, returns and warnings.

A failure shows the seed, the number of the sequence and its last calls; ``--seed`` repeats it.
"""

import random
from collections import Counter

import pytest

import iopf

from .model import Device, Queue

SEQUENCES = 500  # in all, over the runtimes
OPERATIONS = 220
PASIDS = (None, 1, 2, 3)
GRPIDS = 6
PAGES = 8
HANDLERS = ("keep", "work keep", "sva", "inline", "refuse", "work", "raise in work")


class Pair:
    """The real thing and the model, step by step."""

    def __init__(self, runtime, rng):
        self.rng = rng
        self.runtime = runtime
        self.space = iopf.AddressSpace()
        mapped = {page for page in range(PAGES) if rng.random() < 0.7}
        for page in mapped:
            self.space.map(page << 12, 0x1000, "rwx")
        self.queues = [self.new_queue(i) for i in range(2)]
        shared, alone = {}, {}
        self.devices = [(iopf.Device("d0"), Device(shared, mapped))]
        self.devices.append((iopf.Device("d1", group=self.devices[0][0]), Device(shared, mapped)))
        self.devices.append((iopf.Device("d2"), Device(alone, mapped)))
        self.kept = {id(model): [] for _, model in self.devices}
        self.real_of = {id(model): real for real, model in self.devices}
        self.failed_works = 0
        self.calls = []
        for (real, model), (queue, model_queue) in zip(self.devices, [self.queues[0], self.queues[0], self.queues[1]]):
            queue.add(real)
            model_queue.add(model)

    def new_queue(self, i):
        return iopf.Queue(f"q{i}", runtime=self.runtime, workers=0), Queue()

    def handler(self, name):
        if name == "sva":
            return iopf.SVA(self.space)
        if name == "inline":
            return iopf.Inline()
        if name == "refuse":
            return iopf.Refuse()
        if name == "work":
            return iopf.Work(lambda group: group.respond(1))
        if name == "raise in work":
            return iopf.Work(self.raising)
        return iopf.Work(self.keep) if name == "work keep" else self.keep

    def keep(self, group):
        self.reporting.append(group)

    def raising(self, group):
        self.failed_works += 1
        raise LookupError

    def errno(self, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except iopf.HandlerError:
            raise
        except iopf.IopfError as error:
            return error.errno
        return None

    def step(self, warnings):
        """One random call on both; gives (real, model) of what is to be equal."""
        rng = self.rng
        real, model = rng.choice(self.devices)
        which = rng.randrange(2)
        queue, model_queue = self.queues[which]
        pasid, name = rng.choice(PASIDS), rng.choice(HANDLERS)
        what = rng.choices(
            ["report", "respond", "add", "remove", "discard", "attach", "replace", "detach", "flush", "renew", "twice"],
            [60, 14, 6, 4, 1, 5, 4, 2, 4, 0.5, 1],
        )[0]
        self.calls.append((what, self.devices.index((real, model)), which, pasid, name))
        if what == "report":
            page, grpid, last = rng.randrange(PAGES), rng.randrange(GRPIDS), rng.random() < 0.5
            self.calls[-1] += (page, grpid, last)
            self.reporting = []
            kept_before = len(model.kept)
            returns = (
                self.errno(real.report, addr=page << 12, perm="r", grpid=grpid, pasid=pasid, last=last),
                model.report(page, grpid, pasid, last, warnings),
            )
            pages = [[fault.addr >> 12 for fault in group.faults] for group in self.reporting]
            self.kept[id(model)] += self.reporting
            return (returns[0], pages), (returns[1], [group.pages for group in model.kept[kept_before:]])
        if what == "respond" and model.kept:
            i, code = rng.randrange(len(model.kept)), rng.randrange(3)
            group = self.kept[id(model)].pop(i)
            return group.respond(code), model.kept.pop(i).respond(code)
        if what == "twice" and model.kept:
            group = self.kept[id(model)].pop(0)
            returns = group.respond(0), model.kept.pop(0).respond(0)
            with pytest.raises(iopf.AlreadyAnswered):
                group.respond(1)
            model.answered_again += 1
            return returns
        if what == "add":
            return self.errno(queue.add, real), model_queue.add(model)
        if what == "remove":
            return queue.remove(real), model_queue.remove(model, warnings)
        if what == "discard":
            return queue.discard_partial(), model_queue.discard_partial()
        if what == "attach":
            return self.errno(real.attach, self.handler(name), pasid=pasid), model.attach(pasid, name)
        if what == "replace":
            return self.errno(real.replace, self.handler(name), pasid=pasid), model.replace(pasid, name)
        if what == "detach":
            return real.detach(pasid=pasid), model.detach(pasid, warnings)
        if what == "flush":
            return self.flush(real), model.flush(warnings)
        if what == "renew":
            self.close(queue)
            model_queue.close()
            self.queues[which] = self.new_queue(which)
        return None, None

    def flush(self, real):
        try:
            return self.errno(real.flush)
        except iopf.HandlerError:
            return None

    def close(self, queue):
        try:
            queue.close()
        except iopf.HandlerError:
            pass

    def states(self):
        """What both can tell of every device."""
        for real, model in self.devices:
            statistics, param = real.statistics(), model.param
            codes = Counter(code for _, _, code in model.answers)
            yield (
                ([(r.grpid, r.pasid, r.code) for r in real.responses], real.queue is None, statistics),
                (model.answers, param is None, iopf.DeviceStatistics(
                    model.reported, codes[0], codes[1], codes[2], model.dropped, model.answered_again,
                    sum(map(len, param.partials.values())) if param else 0, len(param.pending) if param else 0)),
            )  # fmt: skip

    def end(self):
        for queue, model_queue in self.queues:
            self.close(queue)
            model_queue.close()
        for _, model in self.devices:
            for group, model_group in zip(self.kept.pop(id(model)), model.kept):
                assert group.respond() == model_group.respond(0)


@pytest.fixture
def quiet(monkeypatch):
    """Second and later errors of works go to the hook; here they are expected."""
    import sys

    monkeypatch.setattr(sys, "unraisablehook", lambda args: None)


@pytest.mark.filterwarnings("ignore::iopf.NoPasidWarning")  # what such a handler answers is part of the model
@pytest.mark.parametrize("slice_", range(5))
def test_the_core_does_what_the_model_does(runtime, seed, slice_, long_mode, quiet, expect_warnings):
    """Returns, answers and their order, groups and their pages, statistics and WARNs of 500 random sequences."""
    count = SEQUENCES // 10 * (20 if long_mode else 1)
    for number in range(slice_ * count, (slice_ + 1) * count):
        rng = random.Random(f"{seed} {number}")
        pair, warnings = Pair(runtime, rng), []
        try:
            for _ in range(OPERATIONS):
                real, model = pair.step(warnings)
                assert model == real
            for real, model in pair.states():
                assert model == real
            pair.end()
            for real, model in pair.states():
                assert model == real
        except BaseException:
            print(f"--seed={seed}, sequence {number}, after {len(pair.calls)} calls; the last ones:")
            for call in pair.calls[-12:]:
                print("   ", *call)
            raise
        for function in warnings:
            expect_warnings(function)
