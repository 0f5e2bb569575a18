# SPDX-License-Identifier: GPL-2.0-only
"""Which module of the package imports which, by their text: no circle, and exploring stands without the run half.

An import inside a function counts as one at the top, since it puts a circle off and does not take it away. What is
imported for type checkers alone does not count. An import of a module runs its packages first, so whoever is outside of
such a package imports that, too.
"""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import iopf

PACKAGE = Path(iopf.__file__).resolve().parent


def sources(folder):
    """The text of every module of a package by its name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        if not any(part.startswith("_csrc") for part in parts):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def executed(node):
    """Every import under a node that runs, at whatever depth."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            runs = child.body if isinstance(child.test, ast.UnaryOp) else child.orelse
            for statement in runs:
                yield from executed(ast.Module([statement], []))
        elif isinstance(child, (ast.Import, ast.ImportFrom, ast.Call)):
            yield child
            yield from executed(child)
        else:
            yield from executed(child)


def imported(node, package, modules):
    """The modules that one import, or one import_module() of a text, names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])])
        return {f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names}
    if ast.unparse(node.func).endswith("import_module") and node.args and isinstance(node.args[0], ast.Constant):
        return {node.args[0].value}
    return set()


def graph(modules):
    """Who imports whom: for each module of ``modules`` (name: text) those of the others that it needs."""
    arrows = {}
    for name, text in modules.items():
        is_package = any(other.startswith(f"{name}.") for other in modules)
        package = name if is_package else name.rpartition(".")[0]
        found = set()
        for node in executed(ast.parse(text)):
            for target in imported(node, package, modules):
                while target:  # its packages run, too, but for those that the module itself is in
                    if target in modules and target != name and not f"{name}.".startswith(f"{target}."):
                        found.add(target)
                    target = target.rpartition(".")[0]
            if isinstance(node, ast.ImportFrom):  # a name that a package around the module defines
                found |= imported(node, package, modules) & (set(modules) - {name})
        arrows[name] = found
    return arrows


def test_no_modules_of_the_package_import_each_other(circles):
    """Neither at the top nor late."""
    arrows = graph(sources(PACKAGE))
    assert {"iopf._registry", "iopf._callbacks", "iopf.group"} <= set(arrows) and "iopf.group" in arrows[
        "iopf._callbacks"
    ]
    assert [] == circles(arrows)


#: A package in which nothing is wrong.
CLEAN = {
    "p": "from . import low\nVERSION = 1\n",
    "p.low": "import os\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .high import High\n",
    "p.high": "from . import low\n",
    "p.sub": "from .one import f\n",
    "p.sub.one": "from ..low import g\n",
    "p.sub.two": "from . import one\n",
    "p.sub.three": "",
}


@pytest.mark.parametrize(
    ("module", "text", "circle"),
    [
        ("p.low", "from . import high\n", ("p.high", "p.low")),
        ("p.low", "def f():\n    from .high import High\n", ("p.high", "p.low")),
        ("p.low", "import importlib\ndef f():\n    importlib.import_module('p.high')\n", ("p.high", "p.low")),
        ("p.low", "from p.high import High\n", ("p.high", "p.low")),
        ("p.low", "import p.high\n", ("p.high", "p.low")),
        ("p.low", "if not TYPE_CHECKING:\n    from .high import High\n", ("p.high", "p.low")),
        ("p.low", "try:\n    from .high import High\nexcept ImportError:\n    pass\n", ("p.high", "p.low")),
        ("p.low", "from . import VERSION\n", ("p", "p.low")),
        ("p.sub.one", "from .two import f\n", ("p.sub.one", "p.sub.two")),
        # Nothing in p.sub.three imports p.low; but p.sub runs before it, and that does.
        ("p.low", "from .sub.three import f\n", ("p.low", "p.sub", "p.sub.one")),
    ],
)
def test_an_import_that_closes_a_circle_is_found(module, text, circle, circles):
    """The negative control, for each way to write one."""
    assert [] == circles(graph(CLEAN))
    assert [circle] == circles(graph({**CLEAN, module: CLEAN[module] + text}))


# --- exploring stands without the run half ---

PROBE = """
    import sys

    class Refuse:
        def find_spec(self, name, *_):
            if name in ("iopf._native", "iopf._plain"):
                raise ImportError(f"{name} was asked for")

    sys.meta_path.insert(0, Refuse())
"""
EXPLORING = """
    from iopf.explore import Scenario, explore, find_scenario, replay
    s = Scenario("removal and work")
    queue = s.queue()
    space = s.space()
    dev = s.device(queue, handler="sva", pasid=1, space=space)
    s.setup.map(space, 0x1000, 0x1000, "rw")
    s.task("irq").report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    print(explore(s).verdict)
    found = explore(find_scenario("remove-queued-work"), core="v6.14").failure
    print(replay(found.token).failure.signature == found.signature, found.kind, len(str(found)) > 100)
    print([name for name in sys.modules if name in ("iopf._native", "iopf._plain", "iopf.queue", "iopf.device", "iopf.space")])
"""


def run(*parts):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(map(textwrap.dedent, parts))],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_exploring_loads_nothing_of_the_run_half():
    """Building, searching, replaying and showing; neither its extensions nor the modules over them."""
    done = run(PROBE, EXPLORING)
    assert (0, "") == (done.returncode, done.stderr)
    assert ["pass", "True use-after-free True", "[]"] == done.stdout.splitlines()


def test_what_does_need_the_run_half_is_seen():
    """The negative control: the same probe, and somebody who runs."""
    done = run(PROBE, "import iopf\ntry: iopf.Queue\nexcept iopf.MissingExtension as error: print(error)")
    assert "iopf._native was asked for" in done.stdout
