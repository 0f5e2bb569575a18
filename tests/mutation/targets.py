# SPDX-License-Identifier: GPL-2.0-only
"""What is mutated, how a mutant becomes a core of the explorer, and what a search says about it.

Mutants are compiled as a user's core is: csrc/forms/unit.c for the explorer's runtime, linked against the extension. Two
things differ, so that equal code gives equal objects: no debug information, and the same number for every line. And a
function that ends without its result does not compile, as in the kernel's own build: what such a one returns is nobody's
code.

Each is explored in a process of its own. A mutant that loops without touching memory, or that eats memory, is ended by
limits on CPU time and address space, never by the clock, and counts as one that never came back.
"""

import ctypes
import functools
import hashlib
import importlib
import importlib.util
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import generator

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "csrc" / "core"
FORMS = ROOT / "tests" / "kernel_files"
#: Our core and its handlers, and kernel-style files: with handles and answers in removal, with removal that frees, the
#: newest form.
FILES = ("io-pgfault.c", "attach.c", "iommu-sva.c", "iommu-sva-mm.c", "form-g.c", "form-h.c", "form-j.c")
#: Seconds of CPU for one mutant, seconds for one scenario, bytes of address space.
CPU, BUDGET, MEMORY = 10, 5.0, 6 << 30
#: Seconds of the clock after which a process is taken for one that sleeps for ever. CPU ends every other one.
PATIENCE = 600
#: Random executions of an unchanged file, of each scenario that fails on it.
RANDOM = 2000
HUNG = "it never came back, or took all memory"


def path_of(file):
    """Where a file is."""
    return FORMS / file if file.startswith("form-") else CORE / file


@functools.cache
def text_of(file):
    """Its text."""
    return path_of(file).read_text()


@functools.cache
def mutants_of(file, needless=False):
    """All mutants of a file, in a fixed order; or the edits that are none, since nobody could see them."""
    return tuple(generator.mutants(file, text_of(file), needless))


@functools.cache
def _build():
    spec = importlib.util.spec_from_file_location("build_for_mutation", ROOT / "csrc" / "build.py")
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


@functools.cache
def _unit(runtime):
    build = _build()
    flavour = next(flavour for flavour in build.flavours() if flavour.name == runtime)
    unit = next(unit for unit in flavour.units if unit.name == "core-iopf")
    return [*build.CFLAGS, *flavour.flags, *unit.flags], unit.include


def _run(command):
    return subprocess.run(command, capture_output=True, text=True, errors="replace")


@dataclass(frozen=True)
class Built:
    """A compiled core: its shared object, or None with the compiler's words; and a hash of its code."""

    library: str | None
    code: str | None
    why: str = ""


def compile_text(file, text, home, runtime="explore", link=True):
    """A core with ``text`` in place of a file of it."""
    from iopf._source import _facets_header, detect

    build = _build()
    home = Path(home)
    core = home / "csrc" / "core"
    shutil.rmtree(home, ignore_errors=True)
    core.mkdir(parents=True)
    for each in CORE.iterdir():
        (core / each.name).symlink_to(each)
    macros = ["-DCORE_ID=user"]
    if file.startswith("form-"):
        (home / "source").mkdir()
        (home / "source" / "io-pgfault.c").write_text(text)
        facets = detect(text_of(file))  # of the file as it was: a wrong line does not make it another form
        (home / "facets-of-core.h").write_text(_facets_header(facets, file, Path("io-pgfault.c")))
        macros += ['-DCORE_SOURCE="source/io-pgfault.c"', '-DCORE_FACETS="facets-of-core.h"', f"-iquote{home}"]
    else:
        (core / file).unlink()
        (core / file).write_text(text)
        macros += ['-DCORE_SOURCE="io-pgfault.c"', '-DFACET_NAME="mutant"', '-DFACET_TITLE="mutant"', '-DFACET_COMMIT=""',
                   '-DFACET_RELEASES=""', '-DFACET_SUMMARY="mutant"', "-DFACET_CLAIMS_CORRECT=1"]  # fmt: skip
    flags, include = _unit(runtime)
    compiling = [
        "gcc", *flags, "-Werror=return-type", "-g0", "-Wno-builtin-macro-redefined", "-D__LINE__=1", "-fPIC", "-DRUNTIME_IS_ELSEWHERE", *macros,
        *(f"-I{core if part == 'core' else build.CSRC / part}" for part in include), f"-ffile-prefix-map={home}/=",
        "-c", str(build.CSRC / "forms" / "unit.c"), "-o", str(home / "core.o"),
    ]  # fmt: skip
    done = _run(compiling)
    if done.returncode:
        return Built(
            None, None, next((line for line in done.stderr.splitlines() if "error" in line), "it does not compile")
        )
    code = hashlib.sha256((home / "core.o").read_bytes()).hexdigest()[:24]
    if not link:
        return Built(None, code)
    extension = importlib.util.find_spec(f"iopf._{runtime}").origin
    # As for a user's core: what it calls has to be there.
    done = _run(
        ["gcc", "-shared", "-o", str(home / "core.so"), str(home / "core.o"), extension, "-Wl,-z,defs", "-Wl,-z,now"]
    )
    if done.returncode:
        return Built(
            None, None, next((line for line in done.stderr.splitlines() if "undefined" in line), "it does not link")
        )
    return Built(str(home / "core.so"), code)


# --- what a search says ---


def load(library):
    """The core for explore(). Without a line map: nobody reads the traces."""
    from iopf.explore import _engine, loader

    with _engine.turn() as engine:
        shared = ctypes.CDLL(library, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        table = engine.ffi.cast("void *", ctypes.addressof(ctypes.c_char.in_dll(shared, "iopf_core_user")))
        engine.check(engine.lib.xp_register_core(table), f"loading {library}")
        name = _engine.text(engine.ffi, engine.lib.xp_core_name(table))
    loader._objects.append(shared)
    return name


def library_scenarios():
    """The scenarios that every user of ``iopf check`` has, by name."""
    from iopf import scenarios

    return {name: functools.partial(scenarios.build, name) for name in scenarios.names()}


def suite_scenarios():
    """Those that the explorer's tests have besides; but for the largest, which would be most of the time."""
    sys.path.insert(0, str(ROOT / "tests" / "explore"))
    import core_scenarios

    return {
        f"tests: {name}": make
        for name, make in sorted(vars(core_scenarios).items())
        if callable(make)
        and not name.startswith(("_", "three_"))
        and getattr(make, "__module__", "") == "core_scenarios"
    }


def _search(make, core, **options):
    """explore() within BUDGET seconds, which are of the clock; of work, where the machine has more to do than this."""
    from iopf.explore import explore

    budget = BUDGET
    while True:
        began = time.process_time()
        result = explore(make(), core=core, budget=budget, shrink=False, **options)
        if result.exhausted or result.failures or time.process_time() - began > BUDGET / 2 or budget > PATIENCE / 4:
            return result
        budget *= 4


def look(make, core, thorough, everything=False):
    """What one search says: verdict, whether it came to its end, and [kind, contract, signature] of each failure.

    Thorough, it is the search of a cell of ``iopf check``, and what that lists with ``--json``; else the same strategy
    without the estimate. ``everything``: also the driver's failures that lie behind other failures, which a cell leaves out.
    """
    quick = {} if thorough else {"strategy": "dpor", "estimate": False}
    result = _search(make, core, **quick)
    failures, exhausted = result.failures, result.exhausted
    if failures and (everything or all(failure.contract == "broken" for failure in failures)):
        # As iopf check does: the driver's failures hide nothing of the core's.
        more = _search(make, core, all_failures=True, **quick)
        failures += tuple(failure for failure in more.failures if everything or failure.contract == "kept")
        exhausted = more.exhausted
    found = {(failure.kind, failure.contract, failure.signature) for failure in failures}
    return result.verdict, exhausted, sorted(found)


def in_a_process(work, cpu=None):
    """The lines that work(write) writes, as Python values, and whether the process came back."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reading)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            cpu = cpu or CPU
            resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1), os.dup2(null, 2)
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            work(lambda value: os.write(writing, (json.dumps(value) + "\n").encode()))
            os._exit(0)
        except BaseException as error:
            os.write(writing, (json.dumps(["error", f"{type(error).__name__}: {error}"]) + "\n").encode())
        finally:
            os._exit(1)
    os.close(writing)
    text, end = b"", time.monotonic() + PATIENCE
    try:
        while select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
            part = os.read(reading, 65536)
            if not part:
                break
            text += part
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(reading)
        _, status = os.waitpid(pid, 0)
    return [json.loads(line) for line in text.decode().splitlines()], os.WIFEXITED(status)


def kinds(found, contract):
    """The kinds of failures with the contract kept, or broken; one that is in both is of the kept."""
    kept = {kind for kind, whose, _ in found if whose == "kept"}
    return kept if contract == "kept" else {kind for kind, _, _ in found} - kept


@dataclass(frozen=True)
class Seen:
    """What a cell of a mutant has that the unchanged file's cell has not. ``what``: "killed", "driver" or None."""

    what: str | None
    kinds: tuple = ()
    #: nothing but the signature is new: the cell has the kind already
    hidden: bool = False


def new_in(found, was, signatures):
    """What is new in a cell, against that of the unchanged file: ``was``, as look() gives it.

    With ``signatures``, another failure of a kind that the cell has already is new, too, where the unchanged file's
    search came to its end: it differs by its signature, in which there is no place.
    """
    _, was_whole, was_found = was
    kept, broken = kinds(found, "kept"), kinds(found, "broken")
    if kept - kinds(was_found, "kept"):
        return Seen("killed", tuple(sorted(kept)))
    if broken and not was_found:
        return Seen("driver", tuple(sorted(broken)))
    if signatures and was_whole and was_found:
        known = {signature for _, _, signature in was_found}
        new = [(kind, contract) for kind, contract, signature in found if signature not in known]
        for contract, what in ("kept", "killed"), ("broken", "driver"):
            of_it = {kind for kind, whose in new if whose == contract}
            if of_it:
                return Seen(what, tuple(sorted(of_it)), not of_it - {kind for kind, _, _ in was_found})
    return Seen(None)


def judge(library, scenarios, base, thorough=False, stop=True):
    """What the scenarios say about a compiled mutant, against what they say about the unchanged file.

    Gives ("killed", scenario, kinds), ("driver", scenario, kinds): only with the driver's contract broken; or ("lives",
    None, verdicts that are not "pass"). Signatures are looked at when it is thorough; what is new by its signature
    alone, in a cell that has the kind already, is told by "signature" among the kinds.
    """

    def compared(name, found):
        return new_in(found, base.get(name, ["pass", True, []]), thorough)

    def work(write):
        core = load(library)
        for name, make in scenarios.items():
            write(["begin", name])
            verdict, _, found = look(make, core, thorough)
            write(["cell", name, verdict, found])
            seen = compared(name, found)
            if stop and seen.what == "killed" and not seen.hidden:
                return

    lines, back = in_a_process(work)
    found_by, less = {}, []
    for line in lines:
        if line[0] != "cell":
            continue
        _, name, verdict, found = line
        seen = compared(name, found)
        if seen.what == "killed" and not seen.hidden:
            return "killed", name, list(seen.kinds)
        if seen.what is not None:
            found_by.setdefault((seen.hidden, seen.what), (name, [*seen.kinds, *["signature"] * seen.hidden]))
        if verdict != base.get(name, ["pass"])[0] and verdict not in ("pass", "fail"):
            less.append(f"{name}: {verdict}")
    if lines and lines[-1][0] == "error" and lines[-1][1].startswith("MissingExtension"):
        raise RuntimeError(f"built anew while mutants were judged: {lines[-1][1]}")
    # What the table of iopf check shows comes before what its JSON alone does.
    weaker = next(
        (
            (what, *found_by[hidden, what])
            for hidden in (False, True)
            for what in ("killed", "driver")
            if (hidden, what) in found_by
        ),
        None,
    )
    if lines and lines[-1][0] == "error" and not lines[-1][1].startswith("MemoryError"):
        return weaker or ("lives", None, [*less, lines[-1][1]])  # whatever that was, it is no verdict
    if not back or lines and lines[-1][0] == "error":
        last = next((line[1] for line in reversed(lines) if line[0] == "begin"), None)
        return "killed", last, [HUNG]
    return weaker or ("lives", None, less)


def base_of(library, scenarios):
    """What the scenarios say about the unchanged file, by scenario: as look() gives it, all failures that there are.

    Both searches of a mutant are done on it, so that nothing which only one of them finds is taken for new. Where it
    fails, random executions, too: what comes of a race with a free, and so which of two accesses is too late, is no
    matter of the class, and a search by classes may show either.
    """

    def work(write):
        from iopf.explore import explore

        core = load(library)
        for name, make in scenarios.items():
            _, _, quick = look(make, core, False, everything=True)
            verdict, whole, found = look(make, core, True, everything=True)
            every = {*map(tuple, quick), *map(tuple, found)}
            for points in ((), ("unlock", "free", "plain")) if every else ():
                sampled = explore(
                    make(),
                    core=core,
                    budget=PATIENCE,
                    shrink=False,
                    all_failures=True,
                    strategy="random",
                    max_executions=RANDOM,
                    points=points,
                    estimate=False,
                )
                every |= {(failure.kind, failure.contract, failure.signature) for failure in sampled.failures}
            write([name, verdict, whole, sorted(every)])

    lines, back = in_a_process(work, 30 * CPU)
    if not back or len(lines) != len(scenarios):
        raise RuntimeError(f"the unchanged core did not come back: {lines[-1:]}")
    return {name: rest for name, *rest in lines}
