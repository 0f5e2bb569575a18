# SPDX-License-Identifier: GPL-2.0-only
"""A failure as a test to paste: its scenario in Python, one test that explores it and one that replays its schedule.

The text is made of what the token has, so it can be made of a token alone, and a scenario that is built by it equals the
token's. Operations are written as the methods that take them (scenario.py).
"""

from __future__ import annotations

import inspect
import keyword
import re
import textwrap
from typing import Any

from .failure import Failure
from .kept import resolve
from .scenario import BaseScenario, Operation, Scenario, Section, Task
from .token import decode

__all__ = ["as_python", "as_test"]

#: Names that the file has already, or needs.
TAKEN = ("iopf", "explore", "replay", "print", "test")

_EMPTY = inspect.Parameter.empty


def _call(function: Any, positional: list[str], values: dict[str, Any]) -> str:
    """The arguments of a call, without those that are the defaults."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    named = [
        f"{key}={value if isinstance(value, _Name) else repr(value)}"
        for key, value in values.items()
        if key not in defaults or defaults[key] is _EMPTY or defaults[key] != value
    ]
    return f"({', '.join([*positional, *named])})"


class _Name(str):
    """The name of a variable, to be written as it is."""


def _operation(operation: Operation) -> str:
    values = {key: value for key, value in operation.values.items() if value is not None or key in ("handler", "queue")}
    positional = []
    if "queue" in values:
        queue = values.pop("queue")
        positional.append("None" if queue is None else f"queue{queue}")
    if "device" in values:
        positional.append(f"dev{values.pop('device')}")
    if values.get("space") is not None:
        if operation.op in ("attach", "replace"):
            values["space"] = _Name(f"space{values['space']}")
        else:
            positional.append(f"space{values.pop('space')}")
    if "lock" in values:
        positional.append(repr(values.pop("lock")))
    return operation.op + _call(getattr(Task, operation.op), positional, values)


def _section(target: str, section: Section) -> list[str]:
    operations = [f".{_operation(operation)}" for operation in section]
    line = target + "".join(operations)
    if len(line) <= 110 or not operations:
        return [line]
    return [f"{target} \\", *(f"    {operation} \\" for operation in operations[:-1]), f"    {operations[-1]}"]


def as_python(scenario: BaseScenario) -> list[str]:
    """Statements that build it and leave it in ``s``. A low-level program is written as its data."""
    if not isinstance(scenario, Scenario):
        return [f"s = Scenario.from_dict({scenario.to_dict()!r})"]
    data = scenario.to_dict()
    lines = [f"s = Scenario({scenario.name!r})"]
    lines += [f"space{index} = s.space()" for index in range(int(str(data.get("spaces", 0))))]
    queues: Any = data.get("queues", ())
    lines += [
        f"queue{index} = s.queue({'' if workers is None else f'workers={workers}'})"
        for index, workers in enumerate(queues)
    ]
    devices: Any = data.get("devices", ())
    for index, device in enumerate(devices):
        values = dict(device)
        queue = values.pop("queue", None)
        values.setdefault("handler", None)
        for key, what in (("group", "dev"), ("space", "space")):
            if values.get(key) is not None:
                values[key] = _Name(f"{what}{values[key]}")
        lines.append(
            f"dev{index} = s.device{_call(Scenario.device, [f'queue{queue}' if queue is not None else 'None'], values)}"
        )
    if scenario.setup.operations:
        lines += _section("s.setup", scenario.setup)
    for task in scenario.sections:
        if task is scenario.setup or task is scenario.teardown:
            continue
        target = f"s.task({task.name!r})" if task.copies == 1 else f"s.tasks({task.name!r}, {task.copies})"
        lines += _section(target, task)
    if scenario.teardown.operations:
        lines += _section("s.teardown", scenario.teardown)
    if data.get("alloc_may_fail"):
        lines.append("s.alloc_may_fail()")
    if scenario.expected:
        lines.append(f"s.expect({', '.join(map(repr, scenario.expected))})")
    return lines


def as_test(failure: Failure | str) -> str:
    """The text of a Python file with two tests, which fail as the failure's execution does: its scenario explored, and
    its schedule replayed.

    :param failure: or its token, or the id under which it is kept, which does not say why it failed
    :raises VersionMismatch: another version of iopf wrote the token
    :raises ValueError: the token is damaged, nothing is kept under that id; or it is a prediction, which has none
    """
    token, cause = (resolve(failure), "") if isinstance(failure, str) else (failure.token, failure.cause)
    if not token:
        raise ValueError("a prediction has no schedule, so there is no test of it")
    recorded = decode(token)
    name = re.sub(r"[^a-z0-9]+", "_", recorded.scenario.name.lower()).strip("_")
    if not name.isidentifier() or keyword.iskeyword(name) or name in TAKEN:
        name = f"scenario_{name}".rstrip("_")
    kind = recorded.kind.replace("-", "_")
    if recorded.file is None:
        core = repr(recorded.core)
    else:
        facets = f", facets={recorded.file.facets!r}" if recorded.file.facets else ""
        core = f"iopf.Core.from_source({recorded.file.path!r}{facets})"
    about = [f"{recorded.kind} in {recorded.scenario.name!r} on {recorded.core}", cause, recorded.signature]
    comments = [f"# {line}" for text in about for line in textwrap.wrap(text, 110)]  # no text of these ends a comment
    body = [f"    {line}" for line in as_python(recorded.scenario)]
    pieces = [
        *comments,
        "",
        *(["import iopf"] if recorded.file is not None else []),
        "from iopf.explore import DidNotReproduce, Scenario, explore, replay",
        "",
        f"CORE = {core}",
        f"TOKEN = {token!r}",
        "",
        "",
        f"def {name}():",
        *body,
        "    return s",
        "",
        "",
        f"def test_{name}_has_no_{kind}():",
        '    """Every interleaving of it."""',
        f"    explore({name}(), core=CORE).check()",
        "",
        "",
        f"def test_the_schedule_that_showed_{kind}_passes():",
        '    """This one execution alone."""',
        "    try:",
        f"        result = replay(TOKEN, core=CORE, scenario={name}())",
        "    except DidNotReproduce as error:  # it fails in another way, or not at all",
        "        result = error.result",
        "    assert result is not None and result.failure is None, result and result.failure",
    ]
    return "\n".join(pieces) + "\n"
