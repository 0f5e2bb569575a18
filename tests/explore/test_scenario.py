# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios are data: built with errors that say what is wrong, printed, written down and read again."""

import errno
import json

import pytest

from iopf.explore import KINDS, Scenario, find_scenario, scenario_names
from iopf.explore.programs import Layout, Program, rcget


def everything():
    """A scenario with every operation in it."""
    s = Scenario("everything")
    queue, other = s.queue(), s.queue(workers=2)
    dev = s.device(queue, handler="held", pasid=1, response_lock="driver")
    twin = s.device(None, handler=None, group=dev, user_pasid_table=True)
    s.setup.report_partial(dev, grpid=1, pasid=1).lock("driver").unlock("driver")
    s.task("a").report(dev, grpid=1, pasid=1, addr=0x2000, perm="rw").respond(dev, grpid=1, pasid=1, code="failure")
    s.task("b").add(other, twin).add(other, twin, returns=-errno.EBUSY).flush(twin).remove(other, twin)
    s.task("c").attach(dev, handler="sva", pasid=2).replace(dev, handler="drop", pasid=2).detach(dev, pasid=2)
    s.task("d").discard_partial(queue).fail_next_alloc(2).report(dev, grpid=3).repeat(2)
    s.tasks("e", 3).report(dev, grpid=4, pasid=1)
    space = s.space()
    bound = s.device(s.queue(workers=0), handler="sva", pasid=3, space=space, user_pasid_table=True)
    nested = s.device(queue, handler="inline", nested=True, user_pasid_table=True)
    s.setup.map(space, 0x1000, 0x2000, "rw").unmap(space, 1 << 40, 0x1000).free_queue(None)
    s.task("f").unbind(bound, 3).bind(bound, space, 3, returns=-errno.ESRCH).attach(bound, handler=None, pasid=4).exit(
        space
    )
    s.task("g").attach(bound, handler="sva", pasid=5, space=space).replace(nested, handler="sva", nested=True)
    s.task("h").report(nested, grpid=1, pasid=7, flags=0x8002).report(nested, grpid=1, type="other")
    s.teardown.remove(queue, dev).free_queue(queue).close(dev)
    s.alloc_may_fail()
    return s.expect("warn", "leak")


def test_a_scenario_comes_back_from_json_as_it_was():
    """JSON holds the whole scenario, of both forms."""
    for scenario in (everything(), rcget(3), rcget(2, symmetric=True, bug=True)):
        again = Scenario.from_json(scenario.to_json())
        assert scenario == again
        assert str(scenario) == str(again)
        assert scenario.copy() == scenario
        assert type(again) is type(scenario)


def test_a_scenario_prints_what_it_does():
    """One line for each section, values that say nothing left out."""
    text = str(everything())
    assert (
        "a: report(dev0, grpid=1, pasid=1, addr=0x2000, perm=rw); respond(dev0, grpid=1, pasid=1, code=failure)" in text
    )
    assert "add(queue1, dev1, returns=-EBUSY)" in text
    assert "e x3: report(dev0, grpid=4, pasid=1)" in text
    assert "dev0: on queue0, handler held, pasid 1, response lock driver" in text
    assert repr(everything()) == "Scenario('everything'): 10 tasks"
    assert everything().task_names == ("a", "b", "c", "d", "e#1", "e#2", "e#3", "f", "g", "h")


def one_device():
    s = Scenario("one")
    queue = s.queue()
    return s, queue, s.device(queue, handler="sva", pasid=1)


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (lambda s, q, d: Scenario(3), TypeError, "name is a str"),
        (lambda s, q, d: Scenario(""), ValueError, "printable"),
        (lambda s, q, d: s.queue(workers=-1), ValueError, "workers -1"),
        (lambda s, q, d: s.device(q, handler="inline", space=s.space()), ValueError, "'sva' handler"),
        (lambda s, q, d: s.device(q, handler="sva", space=d), TypeError, "space is an address space"),
        (lambda s, q, d: s.device(q, handler="sva", nested=True, pasid=1), ValueError, "pasid=None"),
        (lambda s, q, d: s.device(q, handler=None, nested=True), ValueError, "say its handler"),
        (lambda s, q, d: [s.space() for _ in range(9)], ValueError, "more than 8"),
        (lambda s, q, d: s.task("a").exit(d), TypeError, "space is what Scenario.space"),
        (lambda s, q, d: s.task("a").exit(Scenario("x").space()), ValueError, "another scenario"),
        (lambda s, q, d: s.task("a").map(s.space(), 1, 4096, "r"), ValueError, "whole pages"),
        (lambda s, q, d: s.task("a").map(s.space(), 0, 4096, "p"), ValueError, "perm 'p'"),
        (lambda s, q, d: s.task("a").unmap(s.space(), 0, 0), ValueError, "at least one"),
        (lambda s, q, d: s.task("a").bind(d, s.space(), None), TypeError, "pasid is an integer"),
        (lambda s, q, d: s.task("a").unbind(d, 0), ValueError, "pasid 0"),
        (lambda s, q, d: s.task("a").report(d, grpid=1, flags=1 << 16), ValueError, "flags 65536"),
        (lambda s, q, d: s.task("a").report(d, grpid=1, flags=3), ValueError, "pasid=1"),
        (lambda s, q, d: s.task("a").report(d, grpid=1, type="dma"), ValueError, "'page-request', 'other'"),
        (lambda s, q, d: s.device(q, handler="svo"), ValueError, "'sva', 'inline'"),
        (lambda s, q, d: s.device(d, handler="sva"), TypeError, "queue is what queue"),
        (lambda s, q, d: s.device(q, handler="sva", pasid=0), ValueError, "pasid=None"),
        (lambda s, q, d: s.device(q, handler="sva", group=q), TypeError, "group is a device"),
        (lambda s, q, d: s.task("a") and s.task("a"), ValueError, "a task 'a' already"),
        (lambda s, q, d: s.tasks("a", 0), ValueError, "n 0"),
        (lambda s, q, d: s.tasks("a", 33), ValueError, "n 33"),
        (lambda s, q, d: s.tasks("a", 20) and s.tasks("b", 20), ValueError, "more than 32"),
        (lambda s, q, d: s.expect("use after free"), ValueError, "'use-after-free'"),
        (lambda s, q, d: s.task("a").report(q, grpid=1), TypeError, "dev is what Scenario.device"),
        (lambda s, q, d: s.task("a").report(one_device()[2], grpid=1), ValueError, "another scenario"),
        (lambda s, q, d: s.task("a").report(d, grpid=-1), ValueError, "grpid -1"),
        (lambda s, q, d: s.task("a").report(d, grpid="1"), TypeError, "grpid is an integer"),
        (lambda s, q, d: s.task("a").report(d, grpid=1, perm="y"), ValueError, "perm 'y'"),
        (lambda s, q, d: s.task("a").report(d, grpid=1, pasid=1 << 32), ValueError, "pasid 4294967296"),
        (lambda s, q, d: s.task("a").respond(d, grpid=1, code="fine"), ValueError, "'success', 'invalid', 'failure'"),
        (lambda s, q, d: s.task("a").remove(d, q), TypeError, "queue is what Scenario.queue"),
        (lambda s, q, d: s.task("a").unlock("l"), ValueError, "lock('l') comes before"),
        (lambda s, q, d: s.task("a").repeat(2), ValueError, "has 0 so far"),
        (lambda s, q, d: s.task("a").flush(d).repeat(2).repeat(2), ValueError, "repeat inside repeat"),
        (lambda s, q, d: s.task("a").fail_next_alloc(0), ValueError, "n 0"),
        (lambda s, q, d: s.task("a").add(q, d, returns="EBUSY"), TypeError, "returns is an integer"),
    ],
)
def test_a_mistake_is_named_where_it_is_made(build, error, says):
    """Each wrong value raises in the call that has it, and the message says what is right."""
    with pytest.raises(error) as caught:
        build(*one_device())
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.clear(), "this is no scenario"),
        (lambda data: data.update(format=7), "format 7"),
        (lambda data: data.update(form="tcp"), "form 'tcp'"),
        (lambda data: data["tasks"][0]["operations"].append(["no_such", {}]), "no operation 'no_such'"),
        (lambda data: data["tasks"][0]["operations"].append(["flush", {"device": 9}]), "device 9"),
        (lambda data: data["tasks"][0]["operations"].append(["flush", {"device": 0, "x": 1}]), "malformed"),
        (lambda data: data["tasks"][0].pop("operations"), "malformed"),
        (lambda data: data.update(queues=[-1]), "workers -1"),
        (lambda data: data.update(spaces=9), "spaces 9"),
        (lambda data: data["tasks"][0]["operations"].append(["exit", {"space": 1}]), "space 1"),
    ],
)
def test_json_is_checked_like_python(change, says):
    """What comes from outside is checked by the same rules; ValueError says what is wrong."""
    data = everything().to_dict()
    change(data)
    with pytest.raises(ValueError) as caught:
        Scenario.from_dict(data)
    assert says in str(caught.value)
    with pytest.raises(ValueError):
        Scenario.from_json("{")


def test_a_program_checks_its_addresses():
    """Fields, registers and layouts are checked when they are said."""
    p = Program("p", count="u32", lock="mutex")
    thing = Layout(users="refcount", value="u64")
    t = p.task("t")
    assert (16, 8) == (thing.size, thing.value(1).offset)
    for wrong, error in (
        (lambda: t.load(8, p.at["count"]), ValueError),
        (lambda: t.load(0, p.at["lock"]), ValueError),
        (lambda: t.load(0, "count"), TypeError),
        (lambda: t.load(0, p.at["count"], order="strong"), ValueError),
        (lambda: thing.users(9), ValueError),
        (lambda: thing.size_of, AttributeError),
        (lambda: p.field("x", "u128"), ValueError),
        (lambda: t.flush_workqueue(8), ValueError),
        (lambda: p.task("t"), ValueError),
    ):
        with pytest.raises(error):
            wrong()
    assert [] == t.operations


def test_scenarios_are_found_by_name_in_python_files_and_in_json(tmp_path):
    """The command line's names: registered, file.py:name, file.json; anything else lists what there is."""
    assert {"rcget-2", "rcget-3", "rcget-4"} <= set(scenario_names())
    assert rcget(5) == find_scenario("rcget-5")
    (tmp_path / "mine.py").write_text(
        "from iopf.explore import Scenario\ns = Scenario('mine')\ndef make():\n    return Scenario('made')\nx = 3\n"
    )
    (tmp_path / "saved.json").write_text(everything().to_json())
    assert "mine" == find_scenario(f"{tmp_path}/mine.py:s").name
    assert "made" == find_scenario(f"{tmp_path}/mine.py:make").name
    assert everything() == find_scenario(f"{tmp_path}/saved.json")
    for wrong in ("no-such", f"{tmp_path}/mine.py:x", f"{tmp_path}/none.py:s", f"{tmp_path}/none.json"):
        with pytest.raises(LookupError):
            find_scenario(wrong)


def test_every_kind_is_documented_once():
    """The kinds are those of the manual, each once."""
    assert len(KINDS) == len(set(KINDS)) == 24
    assert json.loads(json.dumps(KINDS)) == list(KINDS)
