# SPDX-License-Identifier: GPL-2.0-only
"""The native primitives with a bug put in: what tests/primitives has to find.

Each mutant is an edit of one file of csrc/runtime/native: a text that occurs exactly once there, and what stands in its
place. It is built into a copy of the extension, which takes the extension's place in a copy of the package.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

import targets

ROOT = targets.ROOT
NATIVE = ROOT / "csrc" / "runtime" / "native"
#: Seconds in which no test comes to its end: then one hangs.
SILENCE = 180


@dataclass(frozen=True)
class NativeMutant:
    """A bug of a primitive: where, what, and what may come of it."""

    id: str
    file: str
    old: str
    new: str
    shows: str

    def apply(self, text):
        """The mutated text of its file."""
        if text.count(self.old) != 1:
            raise LookupError(
                f"mutant {self.id}: its text is there {text.count(self.old)} times in {self.file}, not once"
            )
        return text.replace(self.old, self.new)


MUTANTS = (
    # --- mutexes ---
    NativeMutant("mutex-bias-ends-without-barrier", "mutex.c", "	membarrier_all();\n	return true;", "	return true;",
                 "the old owner's store is not seen yet: two are inside"),
    NativeMutant("mutex-sleeper-without-barrier", "mutex.c", "	membarrier_all();\n	while (!(taken = ", "	while (!(taken = ",
                 "who unlocks does not see the sleeper, and wakes nobody"),
    NativeMutant("mutex-wakes-nobody-for-a-bias", "mutex.c", "	else\n		futex_wake(mutex_held_word(lock), INT32_MAX);\n", "",
                 "who waits for the end of the bias sleeps for ever"),
    NativeMutant("mutex-wakes-the-wrong-word", "mutex.c", "		futex_wake(&lock->owner, 1);", "		futex_wake(mutex_held_word(lock), 1);",
                 "who waits for a shared lock sleeps for ever"),
    NativeMutant("mutex-bias-ends-in-a-section", "mutex.c",
                 "	while ((holder = __atomic_load_n(held, __ATOMIC_ACQUIRE)))\n		if (!may_spin(spins++))\n			futex_wait(held, holder, 0);\n",
                 "	(void)holder, (void)spins;\n", "two are inside"),
    NativeMutant("mutex-owner-does-not-look-again", "mutex.h",
                 "		if (likely(__atomic_load_n(&lock->bias, __ATOMIC_ACQUIRE) == bias))\n			return true;\n"
                 "		mutex_bias_lost(held);\n		return false;\n", "		return true;\n", "two are inside"),
    NativeMutant("mutex-waiter-is-not-counted", "mutex.c",
                 "		__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);\n		mutex_end_bias(lock);\n",
                 "		__atomic_fetch_add(&lock->waiters, 0, __ATOMIC_SEQ_CST);\n		mutex_end_bias(lock);\n",
                 "nobody wakes who waits for the end of the bias"),
    NativeMutant("mutex-trylock-ends-a-section", "mutex.c", "	if (mutex_revoke(lock) && !__atomic_load_n(mutex_held_word(lock), __ATOMIC_ACQUIRE)) {\n",
                 "	if (mutex_revoke(lock)) {\n", "trylock takes what another holds"),

    NativeMutant("mutex-has-one-word-for-all-times", "mutex.c",
                 "	__atomic_store_n(&lock->bias, id + lock->time * MUTEX_TIME, __ATOMIC_SEQ_CST);\n",
                 "	__atomic_store_n(&lock->time, 0, __ATOMIC_RELAXED);\n	__atomic_store_n(mutex_held_word(lock), id, __ATOMIC_RELAXED);\n"
                 "	__atomic_store_n(&lock->bias, id, __ATOMIC_SEQ_CST);\n",
                 "who lost the bias before its store ends a section of who has it now"),
    NativeMutant("mutex-forgets-that-it-was-shared", "mutex.c", "	__atomic_store_n(&lock->owner, MUTEX_BIASED, __ATOMIC_RELAXED);\n", "",
                 "who shares it for the second time finds it held for ever"),
    NativeMutant("mutex-is-not-freed-of-its-second-bias", "mutex.c",
                 "	if (__atomic_compare_exchange_n(&lock->owner, &biased, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))\n"
                 "		futex_wake(&lock->owner, INT32_MAX);\n", "	(void)biased;\n", "nobody gets it any more"),

    # --- reference counts ---
    NativeMutant("refcount-collected-without-barrier", "refcount.c", "		membarrier_all();\n		for_each", "		for_each",
                 "an increment or a decrement is lost"),
    NativeMutant("refcount-collected-during-a-change", "refcount.c",
                 "		if (!(own & REFCOUNT_BUSY))\n			break;\n		refcount_relax(r, &spins);\n",
                 "		own &= ~REFCOUNT_BUSY;\n		(void)spins;\n		break;\n", "a change is lost"),
    NativeMutant("refcount-does-not-look-again", "refcount.h",
                 "	if (unlikely(__atomic_load_n(&r->key, __ATOMIC_ACQUIRE) != key)) {\n"
                 "		refcount_cell_lost(r, cell, own);\n		return false;\n	}\n", "", "a change is lost"),
    NativeMutant("refcount-change-without-mark", "refcount.h",
                 "	__atomic_store_n(&cell->own, own | REFCOUNT_BUSY, __ATOMIC_RELAXED);\n", "",
                 "a change comes too late to count"),
    NativeMutant("refcount-keeps-what-was-collected", "refcount.c", "	__atomic_store_n(&cell->own, 0, __ATOMIC_RELAXED);\n	return own;\n",
                 "	return own;\n", "the place is in use for ever, and references are in two places"),
    NativeMutant("refcount-forgets-what-was-collected", "refcount.c", "refcount_publish(r, refs, REFCOUNT_SHARED",
                 "refcount_publish(r, 0, REFCOUNT_SHARED", "references are lost"),
    NativeMutant("refcount-has-its-key-again", "refcount.c", "__atomic_store_n(&r->key, refcount_new_key(self) | REFCOUNT_NO_CELLS",
                 "__atomic_store_n(&r->key, key | REFCOUNT_NO_CELLS", "a change that began before the count was collected counts after it was in pieces again"),
    NativeMutant("refcount-last-one-in-no-cell", "refcount.c",
                 "refs == 1 && (kind == REFCOUNT_SHARED || (u32)word == REFCOUNT_UNUSED)", "refs == 1",
                 "the object goes while threads have references in their cells"),
    NativeMutant("refcount-is-in-pieces-for-one-who-only-takes", "refcount.c",
                 "cell->streak & 1 ? 1 : cell->streak + 1", "cell->streak + 1", "barriers again and again"),

    # --- RCU ---
    NativeMutant("rcu-grace-period-without-barrier", "rcu.c", "	membarrier_all();\n	return __atomic_add_fetch",
                 "	return __atomic_add_fetch", "a reader is missed"),
    NativeMutant("rcu-inner-unlock-ends-the-reader", "rcu.c", "	if (!self->rcu_nesting)\n", "	if (true)\n",
                 "what the outer reader holds is freed"),
    NativeMutant("rcu-scan-misses-the-last-epoch", "rcu.c", "		if (began && began / RCU_EPOCH_STEP < epoch / RCU_EPOCH_STEP)\n",
                 "		if (began && began / RCU_EPOCH_STEP + 1 < epoch / RCU_EPOCH_STEP)\n", "a grace period waits for nobody who just came"),
    NativeMutant("rcu-barrier-does-not-ask", "rcu.c", "		u64 queued = __atomic_load_n(&t->queued, __ATOMIC_ACQUIRE);\n",
                 "		u64 queued = 0;\n", "a barrier comes back before what was deferred"),

    # --- workqueues ---
    NativeMutant("flush-sleeps-without-barrier", "workqueue.c", "		membarrier_all();\n		done", "		done",
                 "the worker does not see the flusher, which sleeps on"),
    NativeMutant("queue-is-idle-when-one-worker-is", "worker.c", "	if (rounds && is_finished(wq, wq->newest_ticket))\n", "	if (rounds)\n",
                 "a flush does not wait for what another worker runs"),
    NativeMutant("flush-forgets-what-came-last", "workqueue.c", ">= newest)\n		return;", "+ 1 >= newest)\n		return;",
                 "a flush does not wait for the newest item"),
    NativeMutant("worker-wakes-one-flusher", "worker.c", "	futex_wake(&wq->progress, INT32_MAX);", "	futex_wake(&wq->progress, 1);",
                 "the other flushers sleep on"),
    NativeMutant("worker-does-not-tell-of-a-batch", "worker.c",
                 "		barrier();\n		if (unlikely(__atomic_load_n(&wq->flushers, __ATOMIC_RELAXED)))\n			wake_flushers(wq);\n",
                 "", "a flusher waits for the whole batch"),
    NativeMutant("item-is-pending-while-it-runs", "worker.c",
                 "	__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);\n	worker->current_func(work);\n",
                 "	worker->current_func(work);\n	__atomic_exchange_n(&work->pending, 0, __ATOMIC_SEQ_CST);\n",
                 "queueing a running item is lost; what freed itself is written to"),
    NativeMutant("wake-up-is-never-sent-again", "worker.c", "	wq->nr_asleep--;\n	wq->wake_sent = false;\n", "	wq->nr_asleep--;\n",
                 "sleeping workers sleep on"),
    NativeMutant("destroy-wakes-one-worker", "workqueue.c", "	futex_wake(&wq->pokes, INT32_MAX);", "	futex_wake(&wq->pokes, 1);",
                 "destroy waits for a worker that sleeps for ever"),
)  # fmt: skip


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[-3:]))}:\n{done.stderr[-2000:]}")


class Builder:
    """Copies of the package with a native extension of their own, in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.build = targets._build()
        self.flavour = next(flavour for flavour in self.build.flavours() if flavour.name == "native")
        self.objects = {}
        self._module()
        for unit in self.flavour.units:
            self.objects[unit.name] = self._unit(unit, self.build.CSRC, self.folder / "base")

    def _module(self):
        source, made = self.folder / "_native.c", self.folder / "_native.o"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.build.ffi_module(self.flavour).emit_c_code(str(source))
        _run(["gcc", *self.build.CFLAGS, "-w", "-fPIC", "-DPy_LIMITED_API=0x030a0000", f"-I{sysconfig.get_path('include')}",
              f"-I{self.build.CSRC}", "-c", str(source), "-o", str(made)])  # fmt: skip
        self.module = made

    def _unit(self, unit, csrc, out):
        out = out / unit.name
        out.mkdir(parents=True, exist_ok=True)
        made = []
        for source in unit.sources:
            made.append(out / f"{Path(source).stem}.o")
            _run(["gcc", *self.build.CFLAGS, *self.flavour.flags, *unit.flags, "-w", "-fPIC",
                  *(f"-D{name}={value}" for name, value in unit.macros), *(f"-I{csrc / part}" for part in unit.include),
                  "-c", str(csrc / source), "-o", str(made[-1])])  # fmt: skip
        return made

    def package(self, mutant=None):
        """A folder for PYTHONPATH, in which ``iopf`` has the mutant; None: the unchanged primitives, built the same way."""
        home = self.folder / (mutant.id if mutant else "unchanged")
        objects = dict(self.objects)
        if mutant:
            csrc = home / "csrc"
            for path in self.build.CSRC.rglob("*.[ch]"):
                there = csrc / path.relative_to(self.build.CSRC)
                there.parent.mkdir(parents=True, exist_ok=True)
                if path == NATIVE / mutant.file:
                    there.write_text(mutant.apply(path.read_text()))
                else:
                    there.write_text(path.read_text())
            # What is inline is in the tests' own C, which takes these headers; no test of the primitives runs a core.
            again = ("runtime", "shared") if mutant.file.endswith(".h") else ("runtime",)
            for unit in self.flavour.units:
                if unit.name in again:
                    objects[unit.name] = self._unit(unit, csrc, home)
        return self._linked(home, objects)

    def with_core(self, name, file, text):
        """A folder for PYTHONPATH, in which ``iopf`` has our core with ``text`` in place of a file of it."""
        home = self.folder / name
        shutil.rmtree(home, ignore_errors=True)
        core = home / "csrc" / "core"
        core.mkdir(parents=True)
        for each in targets.CORE.iterdir():
            (core / each.name).write_text(text if each.name == file else each.read_text())
        for each in self.build.CSRC.iterdir():
            if each.name != "core":
                (home / "csrc" / each.name).symlink_to(each)
        objects = dict(self.objects)
        unit = next(unit for unit in self.flavour.units if unit.name == "core-iopf")
        objects[unit.name] = self._unit(unit, home / "csrc", home)
        return self._linked(home, objects)

    def _linked(self, home, objects):
        package = home / "path" / "iopf"
        package.mkdir(parents=True, exist_ok=True)
        for each in (ROOT / "iopf").iterdir():
            if (
                each.name != "__pycache__"
                and not each.name.startswith("_native.")
                and not (package / each.name).exists()
            ):
                (package / each.name).symlink_to(each)
        _run(
            [
                "gcc",
                "-shared",
                "-o",
                str(package / "_native.abi3.so"),
                str(self.module),
                *(str(each) for made in objects.values() for each in made),
                "-lpthread",
            ]
        )
        return package.parent


#: What of the suite runs our core on threads, and takes seconds.
RUN_SIDE = ("test_laws.py", "test_returns.py", "test_model.py", "test_differences.py", "test_handlers.py", "test_memory.py")  # fmt: skip


def test_run_side(path):
    """How the fast tests of the run side end with the package in ``path``, as test_primitives() tells it."""
    return _test(path, [str(ROOT / "tests" / name) for name in RUN_SIDE], "not plain")


def test_primitives(path, *options, first=None, alone=False):
    """How tests/primitives end with the package in ``path``: ("passes", ""), ("fails", the test), ("hangs", the last
    one).

    ``first`` is the mutant's file: its own tests come before the others, or alone."""
    tests = ROOT / "tests" / "primitives"
    name = {"worker": "workqueue"}.get(first and first.partition(".")[0], first and first.partition(".")[0])
    own = [str(tests / f"test_{name}.py")] if first else []
    return _test(path, [*own, *([] if alone else [str(tests)])], "native", *options)


def _test(path, tests, which, *options):
    command = [sys.executable, "-u", "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0",
               *tests, "-k", which, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *options]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    env.pop("IOPF_TESTS_OBJECTS", None)
    headers = Path(path).parent / "csrc"
    if (headers / "runtime").exists():
        env["IOPF_TESTS_CSRC"] = str(headers)
    log = Path(path).parent / "log"
    # Not the checkout's: a mutant that is not run would live.
    found = subprocess.run(
        [sys.executable, "-c", "import iopf._native as it; print(it.__file__)"],
        cwd=path,
        env=env,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if not Path(found).is_relative_to(path):
        raise RuntimeError(f"the package in {path} is not the one that is imported: {found}")
    with (
        open(log, "wb") as out,
        subprocess.Popen(command, cwd=path, env=env, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        size, since = 0, time.monotonic()
        while process.poll() is None:
            time.sleep(0.05)
            if log.stat().st_size != size:
                size, since = log.stat().st_size, time.monotonic()
            elif time.monotonic() - since > SILENCE:
                process.kill()
                process.wait()
                return "hangs", _last(log)
    if process.returncode == 0:
        return "passes", ""
    failed = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "fails", failed[0] if failed else f"exit {process.returncode}, {_last(log)}"


test_primitives.__test__ = test_run_side.__test__ = False


def _last(log):
    lines = [line for line in log.read_text(errors="replace").splitlines() if "::" in line]
    return lines[-1] if lines else ""


if __name__ == "__main__":
    import tempfile

    alone = "--own" in sys.argv[1:]  # only the tests of the primitive that is mutated
    options = [argument for argument in sys.argv[1:] if argument.startswith("-") and argument != "--own"]
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    with tempfile.TemporaryDirectory(prefix="iopf-native-") as folder:
        builder = Builder(folder)
        if not wanted or "unchanged" in wanted:
            print("unchanged", *test_primitives(builder.package(), *options), flush=True)
        for one in MUTANTS:
            if not wanted or one.id in wanted:
                print(one.id, *test_primitives(builder.package(one), *options, first=one.file, alone=alone), flush=True)
