# SPDX-License-Identifier: GPL-2.0-only
"""What ``iopf check`` says to other tools, and how its table fits into 80 columns."""

import importlib.util
import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import fields, replace
from pathlib import Path

import pytest

from iopf import _check_reports as reports, _exit, check as checking, cli, scenarios
from iopf._check_baseline import Difference, compare
from iopf._check_table import ENDED, SCHEMA, Cell, Finding, Table
from iopf._revisions import Revision
from iopf.check import render

ROOT = Path(__file__).resolve().parent.parent
FILES = Path(__file__).resolve().parent / "kernel_files"


def beside(name):
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHANGES = beside("changes")
PUT = next(change for change in CHANGES.CHANGES if change.name == "a stored partial keeps the reference")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


@pytest.fixture
def command(capsys):
    """A command line in this process: exit code, output, errors."""

    def command(*arguments):
        code = cli.main(["check", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def changed(tmp_path):
    """A file that drops a put."""
    path = tmp_path / "io-pgfault.c"
    path.write_text(PUT.apply((FILES / f"{CHANGES.BASE}.c").read_text()))
    return path


def finding(kind="leak", contract="kept", message="gone", **more):
    values = {"file": "/src/io-pgfault.c", "line": 7, "function": "f", "signature": f"{kind} of x; contract {contract}"}
    clauses = ("the driver did it",) if contract == "broken" else ()
    told = {"token": "token", "command": "iopf replay token", "trace": "the trace"}
    return Finding(kind, contract, clauses, message, **{**told, **values, **more})


def cell(scenario, core, *findings, **more):
    values = {"verdict": "fail" if findings else "pass", "why": None, "classes": 3, "executions": 3, "seconds": 0.25}
    return Cell(scenario=scenario, core=core, **{**values, "exhausted": True, "findings": findings, **more})


SOURCE = {"path": "/src/io-pgfault.c", "form": "f", "facets": {}, "members": []}


def table(*cells, cores=("mine",), claims=None, **more):
    rows = tuple(dict.fromkeys(one.scenario for one in cells))
    sources = tuple(SOURCE if core == "mine" else None for core in cores)
    return Table(rows, cores, claims or (True,) * len(cores), cells, 1.5, True, sources, **more)


EVERY = table(
    cell("passes", "mine"),
    cell("fails", "mine", finding(), finding("data-race")),
    cell("brackets", "mine", finding(contract="broken")),
    cell("unknown", "mine", verdict="bounded", exhausted=False),
    cell("gone", "mine", verdict="inconclusive", why=ENDED, executions=0, exhausted=False),
    *(cell(row, "v7.2", finding()) for row in ("passes", "fails", "brackets", "unknown", "gone")),
    cores=("mine", "v7.2"),
    claims=(True, False),
)


@pytest.mark.parametrize(("row", "core"), [("row", "a: b.c"), ("mine on x.py:row", "b.c"), ("row: 1", "a on b.c")])
def test_a_cell_without_a_verdict_is_no_pass_whatever_its_names_are(tmp_path, row, core):
    """A file, and so a column or a scenario, may be called what separates the parts of a sentence."""
    cells = (cell(row, "old"), cell(row, core, verdict="bounded", exhausted=False))
    one = Table((row,), ("old", core), (True, True), cells, 1.5, True, (SOURCE, SOURCE), "old")
    comparison = compare(one)
    assert 3 == _exit.decide(comparison.evidence())
    (case,) = junit(tmp_path, one, comparison).iter("testcase")
    assert ["error"] == [child.tag for child in case]
    assert "::warning" in "".join(reports.github_lines(one, comparison, {}))
    assert f"\n{row} " in f"\n{render(one, width=200, color=False, comparison=comparison)}"


# --- JUnit ---


def junit(tmp_path, *arguments):
    reports.write_junit(str(tmp_path / "junit.xml"), *arguments)
    return ElementTree.parse(tmp_path / "junit.xml").getroot()


def check_schema(root):
    """The attributes that build servers ask for, and numbers that fit what is in it."""
    assert "testsuites" == root.tag
    for element in (root, *root):
        assert element is root or "testsuite" == element.tag
        cases = list(element.iter("testcase"))
        assert len(cases) == int(element.get("tests"))
        assert sum(case.find("failure") is not None for case in cases) == int(element.get("failures"))
        assert sum(case.find("error") is not None for case in cases) == int(element.get("errors"))
        assert float(element.get("time")) >= 0 and element.get("name")
    for suite in root:
        assert "0" == suite.get("skipped")
        for case in suite:
            assert "testcase" == case.tag and case.get("name") and case.get("classname") == suite.get("name")
            assert float(case.get("time")) >= 0 and {child.tag for child in case} <= {"failure", "error"}
            for child in case:
                assert child.get("message") and child.get("type")


def test_junit_says_what_the_exit_code_says(tmp_path):
    """A failure for what is bad, an error for what has no verdict; history is not in it. The trace is."""
    root = junit(tmp_path, EVERY, None)
    check_schema(root)
    (suite,) = root
    told = {case.get("name"): [child.tag for child in case] for case in suite}
    assert {"passes": [], "fails": ["failure"] * 2, "brackets": [], "unknown": ["error"], "gone": ["failure"]} == told
    failure = suite.find("testcase[@name='fails']/failure")
    assert ("leak", "the trace") == (failure.get("type"), failure.text)
    assert "the driver kept its contract" in failure.get("message")
    assert ("/src/io-pgfault.c", "7") == tuple(suite.find("testcase[@name='fails']").get(n) for n in ("file", "line"))
    assert "bounded" in suite.find("testcase[@name='unknown']/error").get("message")
    accepted = junit(tmp_path, EVERY, None, ["bounded"])
    assert accepted.find("testsuite/testcase[@name='unknown']/error") is None


def test_junit_of_a_comparison_has_what_is_new(tmp_path):
    cells = (
        cell("old", "before", finding()), cell("old", "mine", finding()), cell("new", "before"),
        cell("new", "mine", finding(contract="broken")), cell("unknown", "before", verdict="sampled", exhausted=False),
        cell("unknown", "mine"),
    )  # fmt: skip
    both = table(*cells, cores=("before", "mine"), baseline="before")
    root = junit(tmp_path, both, compare(both))
    check_schema(root)
    told = {case.get("name"): [child.tag for child in case] for case in root.find("testsuite")}
    assert {"old": [], "new": ["failure"], "unknown": ["error"]} == told
    assert "the driver did it" in root.find(".//failure").get("message")


def test_junit_takes_any_text(tmp_path):
    """What XML can't say, and a name of no encoding, are written as escapes."""
    odd = 'a<b>&"\x00\x1b[31m\udcff\ufffe\n]]>'
    core = f"x{odd}"
    one = table(cell(odd, core, finding(message=odd, trace=odd, file=odd)), cores=(core,))
    root = junit(tmp_path, one, None)
    check_schema(root)
    failure = root.find(".//failure")
    assert r"a<b>&\"".replace("\\", "") in failure.text and r"\x00\x1b[31m\udcff" in failure.text


def test_junit_is_whole_or_not_there(tmp_path, monkeypatch):
    """What was there stays when it can't be written; a pipe or a device is written to."""
    path = tmp_path / "junit.xml"
    path.write_text("before")
    monkeypatch.setattr(os, "replace", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        reports.write_junit(str(path), EVERY, None)
    assert "before" == path.read_text() and [path] == list(tmp_path.iterdir())
    reports.write_junit(os.devnull, EVERY, None)
    assert not os.path.isfile(os.devnull)


def test_the_command_writes_junit(command, changed, tmp_path):
    """Beside the table or the JSON, of real cells; with the rights that a new file has."""
    path = tmp_path / "report.xml"
    code, output, _ = command(changed, "--scenario", "partial", "--scenario", "refusal", "--junit", path)
    assert 1 == code and "scenario" in output
    root = ElementTree.parse(path).getroot()
    check_schema(root)
    assert ["io-pgfault.c", "iopf"] == [suite.get("name") for suite in root]
    assert 1 == int(root.get("failures")) and 4 == int(root.get("tests"))
    mask = os.umask(0)
    os.umask(mask)
    assert 0o666 & ~mask == path.stat().st_mode & 0o777


# --- GitHub ---


def taken_apart(line):
    """As the runner reads it: the command, its properties, and the text."""
    match = re.fullmatch(r"::(\w+) ([^\n]*?)::([^\n]*)", line)
    assert match, line

    def plain(text):
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(part.split("=", 1) for part in match[2].split(","))
    return match[1], {name: plain(value) for name, value in properties.items()}, plain(match[3])


def test_annotations_survive_what_is_in_them(monkeypatch):
    """%, line ends, colons and commas, in a value and in the text: the runner reads what was meant."""
    odd = "100%, a:b\r\nc%0A::error::d"
    one = table(cell("row", odd, finding(message=odd, file="/s/a,b:c.c")), cores=(odd,))
    one = replace(one, sources=({**SOURCE, "path": "/s/a,b:c.c"},))
    (line,) = reports.github_lines(one, None, {})
    assert "\n" not in line and "\r" not in line
    kind, properties, text = taken_apart(line)
    assert ("error", "/s/a,b:c.c", "7") == (kind, properties["file"], properties["line"])
    assert f"iopf check: leak in {odd}" == properties["title"] and text.startswith(f"leak: {odd} (the driver kept")
    assert "%2C" in line.split("::")[1] and "%3A" in line.split("::")[1] and "%25" in line and "%0D%0A" in line


def test_a_failure_in_many_scenarios_is_one_annotation():
    """The runner shows ten of a step. What has no verdict is one warning, and what passes is none."""
    # Its first place may be another in each.
    failing = (cell(f"row{n}", "mine", finding(line=n + 1)) for n in range(20))
    one = table(*failing, cell("last", "mine", executions=0))
    lines = [taken_apart(line) for line in reports.github_lines(one, None, {})]
    assert ["error", "warning"] == [kind for kind, _, _ in lines]
    assert all(f"row{n}" in lines[0][2] for n in range(20)) and "iopf replay token" in lines[0][2]
    assert "no verdict: last on mine" in lines[1][2]
    assert [] == list(reports.github_lines(table(cell("row", "mine")), None, {}))


def test_an_annotation_is_at_the_users_line_or_at_none(tmp_path, monkeypatch):
    """Its file from the root of the repository; a place in our own code is no line of the file."""
    path = tmp_path / "linux" / "io-pgfault.c"
    path.parent.mkdir()
    path.touch()
    source = {**SOURCE, "path": str(path)}

    def properties(*findings, revisions=()):
        one = replace(table(cell("row", "mine", *findings)), sources=(source,))
        return taken_apart(next(reports.github_lines(one, None, dict(revisions))))[1]

    monkeypatch.chdir(path.parent)
    assert "io-pgfault.c" == properties(finding(file=str(path)))["file"]
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert ("linux/io-pgfault.c", "7") == (
        properties(finding(file=str(path)))["file"],
        properties(finding(file=str(path)))["line"],
    )
    assert "line" not in properties(finding(file="/usr/lib/list.h"))
    revision = {"mine": Revision("1" * 40, "s", path)}
    assert "drivers/iommu/io-pgfault.c" == properties(finding(file=str(path)), revisions=revision)["file"]
    history = table(cell("row", "v7.2", finding()), cores=("v7.2",), claims=(True,))
    assert "file" not in taken_apart(next(reports.github_lines(history, None, {})))[1]


def test_the_command_prints_annotations_at_lines_of_the_file(command, changed, monkeypatch):
    """After the table; beside JSON they go to standard error, which the runner reads, too."""
    monkeypatch.chdir(changed.parent)
    line = (changed, "--scenario", "partial", "--github")
    code, output, _ = command(*line)
    (annotation,) = [text for text in output.splitlines() if text.startswith("::")]
    _, properties, _ = taken_apart(annotation)
    assert (1, "io-pgfault.c") == (code, properties["file"])
    assert 0 < int(properties["line"]) <= changed.read_text().count("\n")
    _, output, errors = command(*line, "--json")
    assert json.loads(output) and annotation in errors


# --- JSON ---


def documented():
    """The table of the manual: names of fields, by what they are of."""
    text = (ROOT / "iopf" / "explore" / "README.md").read_text()
    section = text.partition("### What `check --json` gives")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.M)
    assert rows, "the manual has the table"
    return set(rows), section


def test_json_is_versioned_and_every_field_is_in_the_manual(command, changed):
    """What the command gives, with everything that it can have, is what the manual says, and nothing else."""
    names, section = documented()
    assert f"`schema` is {SCHEMA}" in section
    base = FILES / f"{CHANGES.BASE}.c"
    copy = changed.with_name("copy.c")
    shutil.copy(base, copy)
    _, output, _ = command(changed, copy, "--baseline", base, "--scenario", "partial", "--json")
    data = json.loads(output)
    assert SCHEMA == data["schema"]
    found = {f"{name}" for name in data} | {"revisions", "changes"}
    for part, of in (("cores[]", data["cores"]), ("cells[]", data["cells"]), ("comparison", [data["comparison"]])):
        found |= {f"{part}.{name}" for one in of for name in one}
    found |= {f"cores[].source.{name}" for core in data["cores"] for name in core.get("source", ())}
    found |= {f"cells[].findings[].{field.name}" for field in fields(Finding)}
    found |= {f"comparison.differences[].{field.name}" for field in fields(Difference)}
    found |= {"comparison.differences[].contract", *(f"revisions[].{name}" for name in ("commit", "subject", "core"))}
    assert found == names, (found - names, names - found)
    assert {"cells[].findings[]." + name for cell in data["cells"] for one in cell["findings"] for name in one} <= names


def test_what_is_public_of_the_check_is_in_the_manual():
    section = documented()[1]
    for kind in checking.compare.__globals__["KINDS"]:
        assert kind in section
    assert set(_exit.ACCEPTABLE_TO_CHECK) == {"bounded", "sampled", "moved"}


# --- 80 columns ---


def wide_table(names, rows):
    cells = [
        cell(row, name, *([finding("use-after-free")] if index % 3 else []))
        for row in rows
        for index, name in enumerate(names)
    ]
    return table(*cells, cores=tuple(names), claims=(True,) * len(names))


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_the_table_fits_whatever_is_in_it(width):
    """Many columns are set below each other, a long name is cut; each row is there in each part, no cell is lost."""
    rows = scenarios.names()
    names = [
        *(f"v{number}.{number}" for number in range(30)),
        "drivers/iommu/of/a/very/long/path/to/" * 6 + "io-pgfault.c",
    ]
    text = render(wide_table(names, rows), width=width, color=False)
    assert max(map(len, text.splitlines())) <= width
    heads = [line.split()[1:] for line in text.splitlines() if line.startswith("scenario")]
    assert names[:-1] == [name for head in heads for name in head][:-1]
    assert heads[-1][-1].startswith("..") and heads[-1][-1].endswith("io-pgfault.c")
    for row in rows:
        found = [line for line in text.splitlines() if line.split()[:1] == [row]]
        assert len(found) == len(heads)
        values = re.findall(r"✓ \d+|UAF|use-after-free", " ".join(found))
        assert len(names) == len(values)


def test_what_fits_is_in_full_and_in_one_part():
    text = render(wide_table(["one", "two"], ["row"]), width=80, color=False)
    assert "use-after-free" in text and 1 == text.count("scenario")


def test_the_default_is_80_columns_without_a_terminal(command, changed, monkeypatch):
    """All that is not to be pasted: the paths, the facets and traces are in one piece."""
    monkeypatch.delenv("COLUMNS", raising=False)
    _, output, _ = command("--core", "iopf", "--core", "v6.9", "--core", "v7.2", "--core", "v6.14")
    lines = output.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    code, output, _ = command(changed, "--baseline", FILES / f"{CHANGES.BASE}.c", "--scenario", "partial")
    told = output.partition("new failure: ")[2].partition("\n\n")[0]
    assert 1 == code and max(map(len, told.splitlines())) <= 80
