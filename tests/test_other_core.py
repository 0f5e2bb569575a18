# SPDX-License-Identifier: GPL-2.0-only
"""A core of another layout is one file and one line of a list: other_core/pocket.c.

It is built as the list of csrc/build.py builds a core, one unit for each flavour, and nothing else of the tree knows of
it. What stands above a core gets at its structures through its table alone: so each file of those rooms compiles where it
does not see them.
"""

import ctypes
import dataclasses
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import iopf
from iopf import ResponseCode, _bench, _runtime, scenarios
from iopf._csrc_tools import tool
from iopf._extension import load_extension

sys.path.insert(0, str(Path(__file__).resolve().parent / "explore"))

import core_scenarios

from iopf.explore import explore, loader, replay

build = tool("build")
compilers = tool("compilers")
CSRC = build.CSRC
POCKET = Path(__file__).resolve().parent / "other_core" / "pocket.c"
#: The one line of the list.
LINE = {"pocket": (os.path.relpath(POCKET, CSRC / "forms"), None)}
SUCCESS, INVALID, FAILURE = ResponseCode.SUCCESS, ResponseCode.INVALID, ResponseCode.FAILURE
COMPILER = shutil.which(os.environ.get("CC", "gcc").split()[0])

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


def flavour_with_pocket(name):
    """A flavour of the build, its list of cores longer by one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "CORES", {**build.CORES, **LINE})
        return next(flavour for flavour in build.flavours() if flavour.name == name)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done


def flags_of(flavour, unit):
    flags = compilers.flags_for([COMPILER], [*build.CFLAGS, *flavour.flags, *unit.flags])
    return [
        *flags,
        *(f"-D{name}={value}" for name, value in unit.macros),
        *(f"-I{CSRC / part}" for part in unit.include),
    ]


def built(folder, flavour_name, *edits, name="pocket"):
    """The shared object of the core on a runtime. ``edits``: what stands in place of what in its text."""
    flavour = flavour_with_pocket(flavour_name)
    (unit,) = (unit for unit in flavour.units if unit.name == "core-pocket")
    if edits:
        text = POCKET.read_text()
        for old, new in (*edits, ('FACET_NAME "pocket"', f'FACET_NAME "{name}"')):
            assert text.count(old) == 1, f"its text is there {text.count(old)} times:\n{old}"
            text = text.replace(old, new)
        source = folder / "pocket.c"
        source.write_text(text)
        macros = tuple((key, f'"{source}"' if key == "CORE_SOURCE" else value) for key, value in unit.macros)
        unit = dataclasses.replace(unit, macros=macros)
    library = folder / f"{name}-{flavour_name}.so"
    extension = load_extension(flavour_name).__file__
    run(COMPILER, *flags_of(flavour, unit), "-Werror", "-fPIC", "-DRUNTIME_IS_ELSEWHERE",
        "-c", CSRC / unit.sources[0], "-o", library.with_suffix(".o"))  # fmt: skip
    run(COMPILER, "-shared", "-o", library, library.with_suffix(".o"), extension, "-Wl,-z,defs", "-Wl,-z,now")
    return library


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """Its name in the explorer."""
    return loader.load(built(tmp_path_factory.mktemp("explore"), "explore"), "iopf_core_pocket")


@pytest.fixture(scope="module")
def on_threads(tmp_path_factory):
    """A function that loads it into a runtime, once."""
    loaded = {}

    def on(runtime_name):
        if runtime_name not in loaded:
            runtime = _runtime.get(runtime_name)
            library = ctypes.CDLL(str(built(tmp_path_factory.mktemp(runtime_name), runtime_name)), mode=os.RTLD_NOW)
            address = ctypes.addressof(ctypes.c_char.in_dll(library, "iopf_core_pocket"))
            runtime.cores["pocket"] = runtime.ffi.cast("iopf_core *", address)
            loaded[runtime_name] = library
        return "pocket"

    return on


# --- its place in the house ---


@pytest.mark.parametrize("name", ["native", "plain", "explore"])
def test_a_line_of_the_list_is_all_that_builds_a_core(name):
    """Every flavour gets a unit of it, and the list of what is built in names its table."""
    flavour = flavour_with_pocket(name)
    assert {unit.name for unit in flavour.units} - {unit.name for unit in next(
        flavour for flavour in build.flavours() if flavour.name == name).units} == {"core-pocket"}  # fmt: skip
    (listed,) = (unit for unit in flavour.units if unit.name == "forms")
    text = run(COMPILER, *flags_of(flavour, listed), "-E", "-P", CSRC / listed.sources[0]).stdout
    assert "iopf_core_pocket" in text and "iopf_core_iopf" in text


def test_it_has_nothing_of_the_structures_that_are_ours():
    """So what is shown here is shown of another layout: no fault param of <linux/iommu.h>, none of its lists."""
    assert not re.search(r"iommu_fault_param|fault_param|pending_node|->partial\b|->responded", POCKET.read_text())


#: What only a core and its form know.
ITS_OWN = ("struct iommu_fault_param {", "	struct list_head pending_node;")


@pytest.fixture(scope="module")
def without_layouts(tmp_path_factory):
    """<linux/iommu.h> without the structures that are a core's own."""
    text = (CSRC / "include/linux/iommu.h").read_text()
    for what in ITS_OWN:
        assert text.count(what) == 1
    text = re.sub(r"^struct iommu_fault_param \{.*?^\};", "struct iommu_fault_param;", text, flags=re.M | re.S)
    text = re.sub(r"^\tstruct list_head pending_node;.*\n", "", text, flags=re.M)
    header = tmp_path_factory.mktemp("include") / "iommu.h"
    header.write_text(text)
    return header


def error_without_layouts(header, flavour, unit, source):
    """The first error of a file that does not see the structures, or None."""
    done = subprocess.run(
        [
            COMPILER,
            *flags_of(flavour, unit),
            "-w",
            "-D_GNU_SOURCE",
            "-fsyntax-only",
            "-include",
            str(header),
            str(source),
        ],
        capture_output=True,
        text=True,
    )
    return next((line for line in done.stderr.splitlines() if "error" in line), None)


@pytest.mark.parametrize("name", ["native", "explore"])
def test_nobody_above_a_core_knows_its_structures(name, without_layouts):
    """Every file of the flavour but the cores' own compiles without them."""
    flavour = next(flavour for flavour in build.flavours() if flavour.name == name)
    jobs = [(unit, source) for unit in flavour.units if not unit.name.startswith("core-") for source in unit.sources]
    assert len(jobs) > 20
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = list(
            pool.map(lambda job: error_without_layouts(without_layouts, flavour, job[0], CSRC / job[1]), jobs)
        )
    assert [] == [error for error in errors if error]


def test_who_knows_them_is_named(without_layouts, tmp_path):
    """The control: a driver that asks the fault param itself, and a core."""
    flavour = next(flavour for flavour in build.flavours() if flavour.name == "native")
    units = {unit.name: unit for unit in flavour.units}
    planted = tmp_path / "planted.c"
    planted.write_text("#include <linux/iommu.h>\nvoid *p(struct device *d) { return d->iommu->fault_param->queue; }\n")
    error = error_without_layouts(without_layouts, flavour, units["api"], planted)
    assert "planted.c:2" in error and "iommu_fault_param" in error
    assert error_without_layouts(without_layouts, flavour, units["core-iopf"], CSRC / "forms/unit.c")


# --- explored ---

#: Too large for this test, and about nothing that the others are not about.
LARGE = {"three_reporters_against_removal"}
SCENARIOS = {
    **{name: getattr(core_scenarios, name) for name, make in sorted(vars(core_scenarios).items())
       if getattr(make, "__module__", "") == "core_scenarios" and not name.startswith("_") and name not in LARGE},
    **{name: (lambda name=name: scenarios.build(name)) for name in scenarios.names()},
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_execution_of_every_scenario_passes(name, explored):
    """Reports and their answers, partial requests, removal with groups out, no memory, and the library of races: what
    the reviewed design promises. A pass includes that nothing is left."""
    result = explore(SCENARIOS[name](), core=explored, budget=300, estimate=False)
    assert ("pass", None) == (result.verdict, result.failure), result.failure


#: A fault put in: the edit, the scenario, what it shows as, and which names its trace has to have.
PLANTED = {
    "put-dropped": (
        ("	pocket_put(group->param);\n	kfree(group);\n", "	kfree(group);\n"),
        "work_against_removal", "leak", ("half#1", "half#1.holders"),
    ),
    "unlock-dropped": (
        ("	mutex_unlock(&group->param->door);\n\n	if (!waits && group->spoken)",
         "	if (waits)\n		mutex_unlock(&group->param->door);\n\n	if (!waits && group->spoken)"),
        "held_against_removal", "under-lock", ("half#1.door", "half#1.holders"),
    ),
    "unlock-dropped-in-a-discard": (
        ("		pocket_take(param, NULL, &dropped);\n		mutex_unlock(&param->door);\n",
         "		pocket_take(param, NULL, &dropped);\n"),
        "discard_against_partials", "deadlock", ("half#1.door", "queue#1.lock"),
    ),
    "removal-frees-the-group": (
        ("		pocket_answer_waiting(param->waiting, IOMMU_PAGE_RESP_INVALID);\n",
         "	{\n		struct pocket_group *group = param->waiting;\n\n"
         "		pocket_answer_waiting(group, IOMMU_PAGE_RESP_INVALID);\n		kfree(group);\n	}\n"),
        "held_against_removal", "use-after-free", ("pocket#1.param",),
    ),
    "partial-requests-kept": (
        ("	list_for_each_entry_safe(iopf, next, faults, list)\n		kfree(iopf);\n", "	(void)iopf, (void)next;\n"),
        "partial_and_last", "leak", ("early#1",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_that_is_put_in_is_found_and_told_in_its_own_words(name, tmp_path):
    """The trace names its types and members, as it has them, and runs again from its token."""
    edit, scenario, kind, words = PLANTED[name]
    core = loader.load(built(tmp_path, "explore", edit, name=f"pocket, {name}"), "iopf_core_pocket")
    result = explore(getattr(core_scenarios, scenario)(), core=core, budget=300, estimate=False)
    assert ("fail", kind, "kept") == (result.verdict, result.kind, result.failure.contract), result
    page = result.failure.render(every_event=True)
    assert [] == [word for word in words if word not in page], page
    assert not re.search(r"object#|(half|pocket|early|queue)#\d+\+|param#|(?<!iommu_)group#", page), page
    assert "pocket.c:" in page
    assert result.failure.signature == replay(result.failure.token).failure.signature


def test_objects_of_one_size_are_not_told_apart_by_a_guess(tmp_path):
    """A table that has two types of a size: an object of that size is called by neither."""
    edits = (
        PLANTED["put-dropped"][0],
        ('{ "half", sizeof(struct iopf_device_param)', '{ "half", sizeof(struct pocket_group)'),
    )
    core = loader.load(built(tmp_path, "explore", *edits, name="pocket, two of a size"), "iopf_core_pocket")
    page = explore(core_scenarios.work_against_removal(), core=core).failure.render(every_event=True)
    assert "object#1" in page and "pocket#1" not in page and "half#1" not in page, page


# --- on threads ---


@pytest.fixture
def place(runtime, on_threads):
    """A queue of the core, and a device on it. That nothing of them is left is looked at after each test."""
    with iopf.Queue("other", core=on_threads(runtime), runtime=runtime) as queue:
        device = iopf.Device("d")
        queue.add(device)
        yield queue, device


def answers(device):
    return [(response.grpid, response.code) for response in device.responses]


def test_a_report_comes_to_its_response(place, eventually):
    """A work resolves two pages against an address space; a handler that keeps its group sees them in their order."""
    queue, device = place
    assert ("pocket", queue, [device]) == (queue.core, device.queue, queue.devices)
    space, kept = iopf.AddressSpace(), []
    space.map(0x1000, 0x2000, "r")
    device.attach(iopf.SVA(space), pasid=1)
    device.attach(kept.append, pasid=2)
    device.report(addr=0x1000, grpid=1, pasid=1, last=False)
    assert (1, 0) == (device.statistics().partials, device.statistics().pending)
    device.report(addr=0x2000, grpid=1, pasid=1)
    eventually(lambda: answers(device) == [(1, SUCCESS)])
    device.report(addr=0x5000, grpid=2, pasid=1)
    device.flush()
    assert [(1, SUCCESS), (2, INVALID)] == answers(device)

    for page in (1, 2):
        device.report(addr=page << 12, grpid=3, pasid=2, last=page == 2)
    assert (0, 1) == (device.statistics().partials, device.statistics().pending)
    assert [1, 2] == [fault.addr >> 12 for fault in kept[0].faults]
    assert kept[0].respond(SUCCESS)
    assert (3, SUCCESS) == answers(device)[-1] and 0 == device.statistics().pending
    with pytest.raises(iopf.AlreadyAnswered):
        kept[0].respond(SUCCESS)
    assert 1 == device.statistics().already_answered  # the group was known to be of this device


def test_removal_answers_a_group_that_is_out_and_its_owner_frees_it(place):
    """The owner's own answer does nothing, and is counted; what comes after removal is bad setup."""
    queue, device = place
    kept = []
    device.attach(kept.append, pasid=2)
    device.report(addr=0x1000, grpid=1, pasid=2, last=False)
    device.report(addr=0x1000, grpid=3, pasid=2)
    queue.remove(device)
    assert ([(3, INVALID)], None, []) == (answers(device), device.queue, queue.devices)
    assert not kept[0].respond(SUCCESS)
    assert 1 == device.statistics().dropped and [(3, INVALID)] == answers(device)
    queue.add(device)
    device.attach(iopf.Refuse(), pasid=3)
    device.report(addr=0x1000, grpid=4, pasid=3)
    assert [(3, INVALID), (4, FAILURE)] == answers(device)


def test_a_device_of_another_queue_is_not_taken_for_one_of_this(place, expect_warnings):
    """The core is asked on which queue a device is: removing it from the wrong one is a WARN, and nothing else."""
    queue, device = place
    with iopf.Queue("wrong", core="pocket", runtime=queue.runtime) as wrong:
        wrong.remove(device)
        expect_warnings("iopf_queue_remove_device")
        assert queue is device.queue


def test_the_benchmarks_find_its_lock_and_its_count(runtime, on_threads):
    """Which are called otherwise, and lie elsewhere than ours."""
    found = {}
    for core in (on_threads(runtime), "iopf"):
        with _bench.Rig(core, runtime) as rig:
            assert rig.groups(100) > 0
            found[core] = rig.regimes()
    assert found["pocket"] == found["iopf"]


def test_a_users_file_brings_its_structures_too(runtime):
    """The same file by its path, as no form of the kernel's: with facets that are said and not read from it."""
    facets = iopf.Facets(report="int", response="void", remove="void", lookup="counted-handle", pending="groups",
                         answers="all", removal="answers", response_unconditional=False, dequeue=True,
                         answers_partials=False)  # fmt: skip
    core = iopf.Core.from_source(POCKET, facets=facets)
    with iopf.Queue("other", core=core, runtime=runtime) as queue:
        device = iopf.Device("d")
        queue.add(device)
        device.attach(iopf.Inline(SUCCESS), pasid=1)
        device.report(addr=0x1000, grpid=1, pasid=1)
        assert [(1, SUCCESS)] == answers(device)
    assert "pass" == explore(core_scenarios.partial_and_last(), core=core).verdict
