# SPDX-License-Identifier: GPL-2.0-only
"""``import iopf`` loads its names when the first of them is used, and nobody can tell but by the clock."""

import subprocess
import sys
import textwrap

import pytest


def run(program):
    """A program in an interpreter of its own; what it printed, and nothing on standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_the_import_loads_no_extension():
    """Until a name is used."""
    assert "[]\n['iopf._native']\n" == run("""
        import sys, iopf
        extensions = ("iopf._native", "iopf._plain", "iopf._explore")
        print(sorted(set(extensions) & set(sys.modules)))
        iopf.Queue
        print(sorted(set(extensions) & set(sys.modules)))
    """)


def test_all_names_are_listed_before_they_are_loaded():
    """For help(), for tab completion; those that need NumPy are not."""
    assert "[]\nTrue\n" == run("""
        import inspect, sys, iopf
        sys.modules["numpy"] = None  # not installed
        print(sorted(set(iopf.__all__) - set(dir(iopf)) - {"page_request_dtype", "page_response_dtype"}))
        print(("Queue", iopf.Queue) in inspect.getmembers(iopf))
    """)


@pytest.mark.parametrize("name", ["device", "exceptions", "group", "handlers", "info", "queue", "responses", "space"])
def test_the_modules_are_there_without_being_imported(name):
    """As attributes of the package."""
    assert f"iopf.{name}\n" == run(f"import iopf; print(iopf.{name}.__name__)")


def test_what_can_break_a_core_cannot_be_edited():
    """It is what the runtime itself goes by."""
    assert "refused\n" == run("""
        import iopf
        try: iopf.HAZARDS["beside"] = ""
        except TypeError: print("refused")
    """)


def test_a_device_of_its_module_alone_gets_its_answers():
    """Nothing else of the package has been asked for: what C calls is loaded when it calls."""
    assert "BadSetup INVALID\n" == run("""
        from iopf.device import Device
        answers = []
        device = Device("d", on_response=answers.append)
        try: device.report(addr=0)
        except Exception as error: print(type(error).__name__, answers[0].code.name)
    """)


def test_threads_may_use_the_first_name_together():
    """Each gets all of it."""
    assert "[1, 1, 1, 1, 1, 1, 1, 1]\n" == run("""
        import threading, iopf
        barrier, answered = threading.Barrier(8), []

        def use():
            barrier.wait()
            with iopf.Queue("q", workers=0) as queue:
                device = iopf.Device("d")
                queue.add(device)
                device.attach(lambda group: group.respond(iopf.ResponseCode.SUCCESS))
                device.report(addr=0)
                answered.append(len(device.responses))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(answered)
    """)


def test_a_fork_waits_for_another_threads_first_use():
    """
    1. A thread uses the first name; loading takes its time.
    2. The main thread forks meanwhile.
    3. The child uses a name. Were it forked in the middle, nobody would ever finish loading for it.
    """
    assert "exit code 0\n" == run("""
        import os, signal, sys, threading, time, iopf

        class Slow:
            def find_spec(self, name, *_):
                if name == "iopf.queue":
                    loading.set()
                    time.sleep(0.3)

        loading = threading.Event()
        sys.meta_path.insert(0, Slow())
        thread = threading.Thread(target=lambda: iopf.Queue)
        thread.start()
        loading.wait()
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads is the point
            child = os.fork()
        if not child:
            signal.alarm(60)
            os._exit(iopf.Queue is None)
        thread.join()
        print("exit code", os.waitpid(child, 0)[1])
    """)


@pytest.mark.parametrize("when", ["before", "at exit"])
def test_what_a_program_registered_for_its_exit_finds_its_queues_open(when):
    """Whether it has used a name by then or not. What was registered before the import finds them closed."""
    assert "SUCCESS\nBadSetup INVALID\n" == run(f"""
        import atexit

        def last():
            try: found[0].report(addr=0)
            except iopf.BadSetup: print("BadSetup", answers.pop().code.name)

        atexit.register(last)
        import iopf

        def use():
            queue = iopf.Queue("q", workers=0)
            device = iopf.Device("d", on_response=answers.append)
            queue.add(device)
            device.attach(iopf.Inline())
            return device, queue

        def at_exit():
            found.extend(used or use())
            found[0].report(addr=0)
            print(answers.pop().code.name)

        answers, found, used = [], [], None
        atexit.register(at_exit)
        if {when == "before"}:
            used = use()
    """)


SUBINTERPRETER = """
    import warnings
    warnings.simplefilter("ignore")
    try: import _interpreters as interpreters
    except ImportError: import _xxsubinterpreters as interpreters
    {before}
    new = interpreters.create()
    failed = interpreters.run_string(new, {code!r})
    if failed: print(failed)
"""


@pytest.mark.parametrize(
    "before", ["pass", "import iopf; iopf.Queue('q').close()"], ids=["first", "after the main one"]
)
@pytest.mark.parametrize("name", ["iopf.Queue", "iopf.device.Device", "iopf.explore.explore"])
def test_a_subinterpreter_is_refused_with_a_sentence(before, name):
    """C would call the handlers of one interpreter in the other, or lose them. The same sentence on every Python."""
    module = name.rpartition(".")[0]
    code = textwrap.dedent(f"""
        import sys
        sys.path[:] = {sys.path!r}
        try:
            import {module}
            {name}
        except ImportError as error:
            print(type(error).__name__, error, flush=True)
    """)
    out = run(textwrap.dedent(SUBINTERPRETER).format(before=before, code=code))
    assert out.startswith("MissingExtension iopf works in the main interpreter only, and this is a subinterpreter:"), (
        out
    )
    assert "in a process of its own (multiprocessing)" in out
