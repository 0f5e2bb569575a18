# SPDX-License-Identifier: GPL-2.0-only
"""A table for other tools: JUnit XML, which every build server reads, and annotations of GitHub Actions.

Both say what the exit code says: a cell is a failure where it is evidence of something bad, and an error where it has no
verdict. What upstream chose against its own documentation is labelled with the commit, as a test that was skipped and as a
notice, unless it is judged. What decides nothing (the history, a baseline) is in neither.
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
    #: "", "failure", "chosen": what upstream chose, or "error": nobody knows
    kind: str
    #: of a failure
    findings: tuple[Finding, ...]
    why: str
    #: what upstream chose, and is not judged
    chosen: tuple[Finding, ...] = ()


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
                evidence = cell.evidence(accept, table.strict)
                kind = "failure" if evidence.bad else "error" if evidence.unknown else "chosen" if cell.chosen else ""
                why = cell.why or "; ".join(evidence.unknown)
                chosen = () if table.strict else cell.chosen
                yield _Case(scenario, core, cell, kind, cell.faults(table.strict), why, chosen)


# --- JUnit ---

#: What XML 1.0 can't say, however it is escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(text: str) -> str:
    return _NO_XML.sub(lambda match: match.group().encode("unicode_escape", "backslashreplace").decode(), text)


def write_junit(path: str, table: Table, comparison: Comparison | None, accept: Iterable[str] = ()) -> None:
    """Writes a table as JUnit XML: a suite for each judged column, a case for each scenario. OSError: it can't be."""
    root = ElementTree.Element("testsuites", name="iopf check")
    suites: dict[str, ElementTree.Element] = {}
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    counts: dict[str, dict[str, int]] = {}
    times: dict[str, float] = {}
    for case in _cases(table, comparison, accept):
        if case.core not in suites:
            suites[case.core] = ElementTree.SubElement(root, "testsuite", name=_xml(case.core))
            counts[case.core], times[case.core] = dict.fromkeys(totals, 0), 0.0
        seconds = case.cell.seconds if case.cell else 0.0
        finding = next(iter(case.findings), None)
        attributes = {"name": _xml(case.scenario), "classname": _xml(case.core), "time": f"{seconds:.3f}"}
        if finding is not None and finding.file is not None:
            attributes |= {"file": _xml(finding.file), "line": str(finding.line)}
        element = ElementTree.SubElement(suites[case.core], "testcase", attributes)
        times[case.core] += seconds
        kinds = {"failures": "failure", "errors": "error", "skipped": "chosen"}
        counted = {"tests": 1, **{name: int(case.kind == kind) for name, kind in kinds.items()}}
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
        elif case.kind == "chosen":
            ElementTree.SubElement(element, "skipped", message=_xml("; ".join(map(_message, case.chosen))))
        if case.chosen:
            told = ElementTree.SubElement(element, "system-out")
            told.text = _xml("\n\n".join(one.trace for one in case.chosen))
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
    if finding.chosen is not None:
        return f"{finding.kind}: {finding.message} (upstream chose this in {finding.chosen})"
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
    """Lines for the log of a GitHub action: an error at the line of each failure, a notice at what upstream chose, a
    warning where there is no verdict.

    One failure in several scenarios is one annotation: the runner shows ten of a step.
    """
    sources = {core: str(source["path"]) for core, source in zip(table.cores, table.sources) if source is not None}
    found: dict[tuple[str, str, str], list[_Case]] = {}
    unknown = []
    for case in _cases(table, comparison, accept):
        if case.kind == "error":
            unknown.append(case)
        for kind, findings in (("error", case.findings if case.kind == "failure" else ()), ("notice", case.chosen)):
            for finding in findings:
                found.setdefault((kind, case.core, finding.signature or finding.kind), []).append(case)
        if case.kind == "failure" and not case.findings:
            found.setdefault(("error", case.core, f"gone: {case.why}"), []).append(case)
    for (kind, core, what), cases in sorted(found.items(), key=lambda item: item[0][0] != "error"):
        source = sources.get(core)
        findings = (*cases[0].findings, *cases[0].chosen)
        shown = next((one for one in findings if (one.signature or one.kind) == what), None)
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
        yield _annotation(kind, properties, text)
    if unknown:
        more = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        text = f"no verdict: {unknown[0].scenario} on {unknown[0].core}: {unknown[0].why}{more}"
        yield _annotation("warning", {"title": "iopf check"}, text)


def _annotation(kind: str, properties: Mapping[str, str], text: str) -> str:
    said = ",".join(f"{name}={_escaped(value, property=True)}" for name, value in properties.items())
    return f"::{kind} {said}::{_escaped(text)}"
