# SPDX-License-Identifier: GPL-2.0-only
"""A table for other tools: JUnit XML, which every build server reads, and annotations of GitHub Actions.

Both say what the exit code says: a cell is a failure where it is evidence of something bad, and an error where it has no
verdict. What decides nothing (the history, a baseline) is in neither.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ._check_baseline import Comparison
from ._check_table import Cell, Finding, Table
from ._revisions import FILE, Revision

__all__ = ["github_lines", "write_junit"]


@dataclass(frozen=True)
class _Case:
    """What a judged cell comes to."""

    scenario: str
    core: str
    cell: Cell | None
    #: "", "failure" or "error": nobody knows
    kind: str
    #: of a failure
    findings: tuple[Finding, ...]
    why: str


def _cases(table: Table, comparison: Comparison | None, accept: Iterable[str]) -> Iterator[_Case]:
    """Every judged cell, column by column."""
    accept = tuple(accept)
    if comparison is None:
        judged = [core for core, claims in zip(table.cores, table.claims_correct) if claims]
    else:
        judged = list(comparison.cores)
    for core in judged:
        for scenario in table.scenarios:
            cell = table.cell(scenario, core)
            if cell is None:
                yield _Case(scenario, core, None, "error", (), "it was not reached")
            elif comparison is not None:
                new = tuple(
                    one.after
                    for one in comparison.new
                    if (one.scenario, one.core) == (scenario, core) and one.after is not None
                )
                why = comparison.lacks(scenario, core) or comparison.lacks(scenario, comparison.baseline)
                yield _Case(scenario, core, cell, "failure" if new else "error" if why else "", new, why)
            else:
                evidence = cell.evidence(accept)
                kept = tuple(finding for finding in cell.findings if finding.contract == "kept")
                kind = "failure" if evidence.bad else "error" if evidence.unknown else ""
                yield _Case(scenario, core, cell, kind, kept, cell.why or "; ".join(evidence.unknown))


# --- JUnit ---

#: What XML 1.0 can't say, however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(text: str) -> str:
    return _NO_XML.sub(lambda match: match.group().encode("unicode_escape", "backslashreplace").decode(), text)


def write_junit(path: str, table: Table, comparison: Comparison | None, accept: Iterable[str] = ()) -> None:
    """Writes a table as JUnit XML: a suite for each judged column, a case for each scenario. OSError: it can't be."""
    root = ElementTree.Element("testsuites", name="iopf check")
    suites: dict[str, ElementTree.Element] = {}
    totals = {"tests": 0, "failures": 0, "errors": 0}
    counts: dict[str, dict[str, int]] = {}
    times: dict[str, float] = {}
    for case in _cases(table, comparison, accept):
        if case.core not in suites:
            suites[case.core] = ElementTree.SubElement(root, "testsuite", name=_xml(case.core))
            counts[case.core], times[case.core] = dict.fromkeys((*totals, "skipped"), 0), 0.0
        seconds = case.cell.seconds if case.cell else 0.0
        finding = next(iter(case.findings), None)
        attributes = {"name": _xml(case.scenario), "classname": _xml(case.core), "time": f"{seconds:.3f}"}
        if finding is not None and finding.file is not None:
            attributes |= {"file": _xml(finding.file), "line": str(finding.line)}
        element = ElementTree.SubElement(suites[case.core], "testcase", attributes)
        times[case.core] += seconds
        counted = {"tests": 1, "failures": int(case.kind == "failure"), "errors": int(case.kind == "error")}
        for name, number in counted.items():
            totals[name] += number
            counts[case.core][name] += number
        if case.kind == "failure":
            for one in case.findings:
                said = ElementTree.SubElement(element, "failure", type=one.kind, message=_xml(_message(one)))
                said.text = _xml(one.trace)
            if not case.findings:
                ElementTree.SubElement(element, "failure", type="gone", message=_xml(case.why))
        elif case.kind == "error":
            ElementTree.SubElement(element, "error", type="no verdict", message=_xml(case.why))
    for core, suite in suites.items():
        suite.attrib |= {name: str(number) for name, number in counts[core].items()}
        suite.set("time", f"{times[core]:.3f}")
    root.attrib |= {name: str(number) for name, number in totals.items()}
    root.set("time", f"{table.seconds:.3f}")
    ElementTree.indent(root)
    _write(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _write(path: str, content: bytes) -> None:
    """All of a file or nothing; what is no regular file (a device, a pipe) is written to."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(content)
        return
    path = os.path.realpath(path)
    descriptor, made = tempfile.mkstemp(prefix=f".{os.path.basename(path)}-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(made, 0o666 & ~mask)
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise


def _message(finding: Finding) -> str:
    contract = "the driver kept its contract" if finding.contract == "kept" else "; ".join(finding.clauses)
    return f"{finding.kind}: {finding.message} ({contract})"


# --- GitHub ---


def _escaped(text: str, *, property: bool = False) -> str:
    """As the runner takes it apart again: a value of a property ends at a comma or a colon, and a line at its end."""
    text = text.encode("utf-8", "backslashreplace").decode()
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property else text


def _from_root(path: str) -> str:
    """A path as an annotation has it: from the root of the repository, where it is in it."""
    path = os.path.realpath(path)
    for root in (os.environ.get("GITHUB_WORKSPACE") or "", os.getcwd()):
        if root and path.startswith(os.path.join(os.path.realpath(root), "")):
            return os.path.relpath(path, os.path.realpath(root))
    return path


def github_lines(
    table: Table, comparison: Comparison | None, revisions: Mapping[str, Revision], accept: Iterable[str] = ()
) -> Iterator[str]:
    """Lines for the log of a GitHub action: an error at the line of each failure, a warning where there is no verdict.

    One failure in several scenarios is one annotation: the runner shows ten of a step.
    """
    sources = {core: str(source["path"]) for core, source in zip(table.cores, table.sources) if source is not None}
    errors: dict[tuple[str, str], list[_Case]] = {}
    unknown = []
    for case in _cases(table, comparison, accept):
        if case.kind == "error":
            unknown.append(case)
        for finding in case.findings if case.kind == "failure" else ():
            what = finding.signature or finding.kind
            errors.setdefault((case.core, what), []).append(case)
        if case.kind == "failure" and not case.findings:
            errors.setdefault((case.core, f"gone: {case.why}"), []).append(case)
    for (core, what), cases in errors.items():
        source = sources.get(core)
        shown = next((one for one in cases[0].findings if (one.signature or one.kind) == what), None)
        properties = {}
        if source is not None:
            properties["file"] = FILE if core in revisions else _from_root(source)
            if shown is not None and shown.file == source and shown.line:
                properties["line"] = str(shown.line)
        properties["title"] = f"iopf check: {shown.kind if shown else 'gone'} in {core}"
        scenarios = ", ".join(dict.fromkeys(case.scenario for case in cases))
        text = f"{_message(shown) if shown else what}\nin {scenarios}"
        if shown is not None and shown.command:
            text += f"\n{shown.command}"
        yield _annotation("error", properties, text)
    if unknown:
        more = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        text = f"no verdict: {unknown[0].scenario} on {unknown[0].core}: {unknown[0].why}{more}"
        yield _annotation("warning", {"title": "iopf check"}, text)


def _annotation(kind: str, properties: Mapping[str, str], text: str) -> str:
    said = ",".join(f"{name}={_escaped(value, property=True)}" for name, value in properties.items())
    return f"::{kind} {said}::{_escaped(text)}"
