# SPDX-License-Identifier: GPL-2.0-only
"""What a type checker sees of the package: the names, and no Any.

mypy and pyright are those of this interpreter's environment, in the versions that pyproject.toml names. They run when
IOPF_TYPES is set, as the gate does: else what a suite says would depend on what is installed beside it.
"""

import ast
import enum
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import iopf

TYPED = Path(__file__).parent / "typed"
PACKAGE = Path(iopf.__file__).parent
#: Rooms that speak to the extension, and whose cffi objects have no types. What they export is public elsewhere.
INTERNAL = {
    "iopf._runtime",
    "iopf.explore.bytecode",
    "iopf.explore.cli",
    "iopf.explore.copier",
    "iopf.explore.given",
    "iopf.explore.loader",
    "iopf.explore.search",
}
#: The operators that the package defines; the rest of the special methods come with a dataclass or an exception.
SPECIAL = {"__call__", "__enter__", "__exit__", "__getattr__", "__getitem__", "__iter__", "__len__"}
CHECKERS = ("mypy", "pyright")


# --- the checkers ---


def installed(checker):
    if not os.environ.get("IOPF_TYPES"):
        pytest.skip("type checkers run when IOPF_TYPES is set: pip install iopf[typing]")
    if importlib.util.find_spec(checker) is None:
        pytest.fail(f"{checker} is not installed: pip install iopf[typing]")


def environment():
    """Where the package is found: installed, or the checkout, which an editable installation may hide from mypy."""
    paths = {} if "site-packages" in PACKAGE.parts else {"MYPYPATH": str(PACKAGE.parent)}
    return {**os.environ, **paths}


def mypy(tmp_path, *files):
    """What mypy --strict says, as (line, text)."""
    installed("mypy")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--hide-error-context",
         "--no-pretty", "--no-color-output", f"--cache-dir={tmp_path.parent / 'mypy'}", *map(str, files)],
        capture_output=True, text=True, env=environment(), cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    assert not ran.stderr, ran.stderr
    found = [re.fullmatch(r"(.*?\.py):(?:(\d+):)? (.*)", line) for line in ran.stdout.splitlines()]
    assert all(found), ran.stdout
    # The package itself, where it is not installed but beside the tests, is looked at by the gate.
    return [(int(match[2]), match[3]) for match in found if Path(tmp_path, match[1]) in files]


def pyright(tmp_path, file):
    """What pyright says in its strict mode, as (line, text)."""
    installed("pyright")
    shutil.copy(file, tmp_path)  # it looks at files of the project only
    extra = [] if "site-packages" in PACKAGE.parts else [str(PACKAGE.parent)]
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps(
            {
                "include": [file.name],
                "typeCheckingMode": "strict",
                "extraPaths": extra,
                "pythonVersion": "3.10",
                # A value that is looked at and left is no mistake in types.
                "reportUnusedExpression": False,
            }
        )
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "-p", str(tmp_path), "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    said = json.loads(ran.stdout)
    assert said["summary"]["filesAnalyzed"] == 1, said
    return [(item["range"]["start"]["line"] + 1, item["message"]) for item in said["generalDiagnostics"]]


@pytest.mark.parametrize("check", [mypy, pyright], ids=CHECKERS)
def test_a_users_program_passes_strict_checkers(check, tmp_path):
    """It asserts the type of what it gets, too."""
    assert check(tmp_path, TYPED / "program.py") == []


@pytest.mark.parametrize("check", [mypy, pyright], ids=CHECKERS)
def test_each_wrong_line_is_reported_and_no_other(check, tmp_path):
    """The negative control: a name that is Any would hide what is wrong with its line."""
    path = TYPED / "wrong.py"
    wrong = {number for number, line in enumerate(path.read_text().splitlines(), 1) if "# wrong" in line}
    assert len(wrong) >= 50
    said = check(tmp_path, path)
    missed = sorted(wrong - {line for line, _ in said})
    assert not missed, f"{check.__name__} takes lines {missed}"
    assert not [item for item in said if item[0] not in wrong]


def test_the_users_program_runs():
    """Types that do not fit what happens are worth nothing."""
    ran = subprocess.run([sys.executable, str(TYPED / "program.py")], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


# --- every public name ---


def public_modules():
    """Those that say what they export, but for the internal ones."""
    names = ["iopf", *(module.name for module in pkgutil.walk_packages(iopf.__path__, "iopf."))]
    for name in names:
        if name in INTERNAL or any(part.startswith("_") for part in name.split(".")):
            continue
        module = importlib.import_module(name)
        if hasattr(module, "__all__"):
            yield module


def members(cls):
    """The public names of a class as the package defines them: methods, properties, fields, and what is set on self."""
    found = set()
    for base in cls.__mro__:
        if not base.__module__.startswith(("iopf", "planted")):
            continue
        found |= {
            name
            for name in {*vars(base), *vars(base).get("__annotations__", ())}
            if not name.startswith("_") or name in SPECIAL
        }
        if issubclass(base, (enum.Enum, tuple)) or dict in base.__mro__:
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and not node.attr.startswith("_")
                and (isinstance(node.value, ast.Name) and node.value.id == "self")
            ):
                found.add(node.attr)
    return sorted(found)


class Probe:
    """A module that asks mypy for the type of each name and, of a class, each member."""

    def __init__(self):
        self.lines = ["from __future__ import annotations"]
        self.asked = {}
        self.classes = set()

    def ask(self, label, expression, indent="    "):
        self.lines.append(f"{indent}reveal_type({expression})")
        self.asked[len(self.lines)] = label

    def module(self, module):
        for name in module.__all__:
            if name.endswith("_dtype") and importlib.util.find_spec("numpy") is None:
                continue
            # Not "import a.b.c", where c may be a function of a.b, too.
            self.lines += [f"from {module.__name__} import {name} as n{len(self.lines)}"]
            self.ask(f"{module.__name__}.{name}", f"n{len(self.lines) - 1}", indent="")
            if inspect.isclass(getattr(module, name)):
                self.classes.add(getattr(module, name))

    def members_of(self, cls):
        if hasattr(cls, "__total__"):
            return  # a TypedDict: mypy shows its fields where it is used
        name = f"{cls.__module__}.{cls.__qualname__}"
        number = len(self.lines)
        self.lines += [
            f"from {cls.__module__} import {cls.__qualname__} as C{number}",
            f"def f{number}(x: C{number}) -> None:",
            "    pass",
        ]
        for member in members(cls):
            self.ask(f"{name}.{member}", f"x.{member}")

    def run(self, tmp_path):
        """The types by label."""
        path = tmp_path / "probe.py"
        path.write_text("\n".join(self.lines) + "\n")
        types = {}
        for line, text in mypy(tmp_path, path):
            assert line in self.asked, (line, text)
            types[self.asked[line]] = types.get(self.asked[line], "") + text + "\n"
        assert types.keys() == set(self.asked.values())
        return types


def mentioned(types):
    """The public classes of the package that types name."""
    for name in {name for text in types.values() for name in re.findall(r"\biopf(?:\.\w+)+", text)}:
        module, _, attribute = name.rpartition(".")
        if attribute.startswith("_") or module in INTERNAL:
            continue
        found = getattr(importlib.import_module(module), attribute, None) if module in sys.modules else None
        if inspect.isclass(found):
            yield found


def with_any(types):
    return {label: text for label, text in types.items() if re.search(r"\bAny\b|^error: ", text, re.M)}


def test_no_public_name_is_any(tmp_path):
    """Every name of every public module, every member of its classes, and of the classes that these lead to."""
    probe = Probe()
    for module in public_modules():
        probe.module(module)
    types = probe.run(tmp_path)
    assert len(types) > 120
    assert with_any(types) == {}
    seen, wave = set(), probe.classes | set(mentioned(types))
    while wave:
        probe = Probe()
        for cls in sorted(wave, key=str):
            probe.members_of(cls)
        types = probe.run(tmp_path)
        assert with_any(types) == {}
        seen |= wave
        wave = set(mentioned(types)) - seen
    assert {iopf.Device, iopf.Group, iopf.QueueStatistics, iopf.info.BuildInfo} < seen


def test_the_walk_finds_each_any(tmp_path, monkeypatch):
    """The negative control of the walk: every way in which an Any came to be public."""
    (tmp_path / "planted.py").write_text(
        textwrap.dedent("""
        from typing import Any, NamedTuple
        __all__ = ["Planted", "Pair", "untyped", "returns", "takes", "constant", "fine"]
        class Planted:
            field: list[Any]
            kept: int
            def __init__(self, value: Any) -> None:
                self.given = value
                self.counted = 1
            @property
            def prop(self) -> "dict[str, Any]": return {}
            def method(self, *rest: Any) -> int: return 0
            def __getitem__(self, key: Any) -> int: return 0
            def good(self) -> str: return ""
            _private: Any = 0
        class Pair(NamedTuple):
            left: Any
            right: int
        def untyped(x): return x
        def returns() -> Any: ...
        def takes(x: Any) -> None: ...
        constant: Any = 1
        fine = 1
    """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    planted = importlib.import_module("planted")
    probe = Probe()
    probe.module(planted)
    for cls in (planted.Planted, planted.Pair):
        probe.members_of(cls)
    found = with_any(probe.run(tmp_path))
    sys.modules.pop("planted")
    assert {label.removeprefix("planted.") for label in found} == {
        "Planted", "Pair", "untyped", "returns", "takes", "constant",
        "Planted.field", "Planted.given", "Planted.prop", "Planted.method", "Planted.__getitem__", "Pair.left",
    }  # fmt: skip


def test_every_public_function_says_its_types():
    """The same without a checker, as far as that goes: each parameter and result has an annotation, and none is Any."""

    def signatures():
        for module in public_modules():
            for name in filter(lambda name: not name.endswith("_dtype"), module.__all__):
                value = getattr(module, name)
                if inspect.isclass(value):
                    for member in {"__init__", *members(value)}:
                        function = inspect.getattr_static(value, member, None)
                        function = getattr(function, "fget", None) or getattr(function, "__func__", function)
                        if inspect.isfunction(function) and function.__module__.startswith("iopf"):
                            yield f"{module.__name__}.{name}.{member}", function
                elif inspect.isfunction(value):
                    yield f"{module.__name__}.{name}", value

    checked = dict(signatures())
    assert len(checked) > 150
    for label, function in checked.items():
        signature = inspect.signature(function)
        said = [
            parameter.annotation
            for parameter in signature.parameters.values()
            if parameter.name != "self" and parameter.name != "cls"
        ]
        if not label.endswith("__init__"):
            said.append(signature.return_annotation)
        assert inspect.Signature.empty not in said, f"{label}{signature}"
        assert not [annotation for annotation in said if re.search(r"\bAny\b", str(annotation))], f"{label}{signature}"


def test_type_checkers_are_told_every_name_that_import_iopf_has():
    """Names are loaded when they are used, so there is a second list of them, under TYPE_CHECKING."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    told = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert set(iopf.__all__) - told == set()
    assert set(iopf._MODULES) - told == set()


def test_options_passed_on_are_those_of_explore():
    """The pytest fixture hands its keywords to explore(), and says their types by a list of its own."""
    from iopf.explore import search

    parameters = dict(inspect.signature(search.explore).parameters)
    del parameters["scenario"]
    options = {name: kind.__forward_arg__ for name, kind in search.Options.__annotations__.items()}
    assert options == {name: parameter.annotation for name, parameter in parameters.items()}
