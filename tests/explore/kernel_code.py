# SPDX-License-Identifier: GPL-2.0-only
"""Kernel code that is no part of the framework, under the explorer: a kernel file whose reports of one address run it.

``core(folder, code)`` makes the file and compiles it. ``code`` has a function ``int run(struct device *dev, unsigned int n)``;
``report(task, dev, n)`` runs it in a task, and what it returns has to be 0. Tasks share ``*shared(dev)``, a pointer to what
the code allocates: static memory has no dates, and lasts longer than an execution.
"""

import re
from pathlib import Path

import iopf
from iopf.explore import Scenario

FILES = Path(__file__).parents[1] / "kernel_files"
ADDRESS = 0x5EED000
ENTRY = re.compile(r"^int iommu_report_device_fault\(struct device \*dev, struct iopf_fault \*evt\)\n\{\n", re.M)


def text(code):
    """The file."""
    form = (FILES / "form-j.c").read_text()
    entry = ENTRY.search(form)
    includes = form.rindex("#include") + form[form.rindex("#include") :].index("\n") + 1
    return (
        f"{form[:includes]}\n#define shared(dev) (&(dev)->iommu->fault_param->data)\n{code}\n{form[includes : entry.end()]}"
        f"\tif (evt->fault.prm.addr == {ADDRESS:#x})\n\t\treturn run(dev, evt->fault.prm.grpid);\n{form[entry.end() :]}"
    )


def core(folder, code, name="code.c"):
    """The file, compiled for the explorer when a search first needs it."""
    path = folder / name
    path.write_text(text(code))
    return iopf.Core.from_source(path)


def scenario(name, tasks, setup=(), teardown=()):
    """Tasks that run each of their numbers in turn: ``{"a": [1, 2], "b": [3]}``."""
    s = Scenario(name)
    queue = s.queue()
    dev = s.device(queue, handler="inline", pasid=1)
    for section, numbers in (
        (s.setup, setup),
        *((s.task(task), numbers) for task, numbers in tasks.items()),
        (s.teardown, teardown),
    ):
        for n in numbers:
            report(section, dev, n)
    return s


def report(section, dev, n):
    """Runs ``run(dev, n)``."""
    section.report(dev, grpid=n, pasid=1, addr=ADDRESS, last=False, returns=0)


class Menu:
    """Code with pieces that have names: ``menu.scenario("race", {"a": ["one", "two"]}, setup=["begin"])``. A piece is the body
    of a function of ``struct device *dev`` and ``struct state *s``, which is ``*shared(dev)``; it may return an int.
    """

    def __init__(self, code, pieces):
        self.pieces = pieces
        functions = "".join(
            f"static int piece_{n}(struct device *dev, struct state *s)\n{{\n{body}\n\treturn 0;\n}}\n"
            for n, body in enumerate(pieces.values())
        )
        listed = ", ".join(f"piece_{n}" for n in range(len(pieces)))
        self.code = (
            f"{code}\n{functions}static int run(struct device *dev, unsigned int n)\n{{\n"
            f"\tstatic int (*const pieces[])(struct device *dev, struct state *s) = {{ {listed} }};\n\n"
            "\treturn pieces[n](dev, *shared(dev));\n}\n"
        )

    def core(self, folder):
        """The menu in a kernel file."""
        return core(folder, self.code)

    def scenario(self, name, tasks, setup=(), teardown=()):
        """Tasks that run pieces, by their names."""
        numbers = {piece: n for n, piece in enumerate(self.pieces)}
        return scenario(
            name,
            {task: [numbers[piece] for piece in pieces] for task, pieces in tasks.items()},
            [numbers[piece] for piece in setup],
            [numbers[piece] for piece in teardown],
        )
