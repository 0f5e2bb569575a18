# SPDX-License-Identifier: GPL-2.0-only
"""A check as a page: the table as it is printed, and each of its cells opens what failed there."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf import _check_page
from iopf._check_page import check_page
from iopf._check_render import cell_text
from iopf._check_table import Cell, Finding, Table
from iopf.check import check

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("iopf_test_pages", HERE / "explore" / "test_page.py")
pages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pages)
Parsed, shown = pages.Parsed, pages.shown

ROWS = ("remove-held-group", "remove-late-partials", "partial", "free-queue-pending")
FILE = HERE / "kernel_files" / "form-j.c"


@pytest.fixture(scope="module")
def table():
    """A kernel file beside ours: bugs, what upstream chose, the driver's failures, passes."""
    return check([iopf.Core.from_source(FILE), "iopf"], ROWS)


@pytest.fixture(scope="module")
def page(table):
    return Parsed(check_page(table, None))


def cells_of(parsed):
    """The text of the table's cells, and where they lead, row by row."""
    (region,) = parsed.all("div", class_="cells")
    links = [attributes["href"] for name, attributes in parsed.elements if name == "a" and "title" in attributes]
    return parsed.text[region], links


def test_every_cell_is_there_and_every_failure_is_opened_by_one(table, page):
    """Each finding of a judged column has a section, in the order of the table, and a link to it."""
    text, links = cells_of(page)
    for cell in table.cells:
        assert cell.scenario in text and cell_text(cell, False) in text
    findings = [finding for cell in table.cells for finding in cell.findings]
    sections = page.all("section", class_="failure")
    assert len(findings) == len(sections) == len(links) > len(ROWS)
    assert [f"#{page.elements[section][1]['id']}" for section in sections] == links
    told = [page.text[section] for section in sections]
    for cell in table.cells:
        for finding in sorted(cell.findings, key=lambda one: one is not cell.finding):
            said = told.pop(0)
            assert finding.kind in said and finding.message in said and cell.scenario in said
    assert not page.all("section", class_="told")


def test_what_is_in_brackets_is_in_brackets(table, page):
    """Of each failure: (the driver's), [upstream's choice], the core's."""
    text, _ = cells_of(page)
    kinds = {(one.contract, one.chosen is not None): one.kind for cell in table.cells for one in cell.findings}
    assert f"({kinds['broken', False]})" in text and f"[{kinds['kept', True]}]" in text and kinds["kept", False] in text


def test_a_column_that_nobody_judges_opens_what_its_word_is_about():
    """One for each cell."""
    table = check(["v6.9", "iopf"], ROWS[:2])
    parsed = Parsed(check_page(table, None))
    assert sum(cell.finding is not None for cell in table.cells) == len(parsed.all("section", class_="failure")) > 0


def test_a_failure_that_cannot_be_run_again_is_shown_as_it_was_told(table, monkeypatch):
    """Its file has gone, or the core ends the process: the text, as text."""
    monkeypatch.setattr(_check_page, "in_a_process", lambda *_: None)
    parsed = Parsed(check_page(table, None))
    told = parsed.all("section", class_="told")
    assert len(told) == len(parsed.all("section")) == sum(len(cell.findings) for cell in table.cells)
    assert table.cells[0].finding.trace in "".join(parsed.text[section] for section in told)
    finding = Finding("leak", "kept", (), "<b>m</b>", "iopf2.none", "iopf replay iopf2.none", "<script>t</script>")
    cell = Cell("<i>s</i>", '<u c="d">', "fail", None, 1, 1, 0.0, (finding,), True)
    odd = Table(("<i>s</i>",), ('<u c="d">',), (True,), (cell,), 0.0, True, (None,))
    parsed = Parsed(check_page(odd, None))
    assert not parsed.all("b") and not parsed.all("i") and not parsed.all("u") and 2 == len(parsed.all("script"))


def test_a_token_that_does_not_reproduce_is_no_error():
    """The control of the one above: what runs the tokens says of each whether it showed."""
    failure = pages.explore(pages.scenarios.build("remove-held-group"), core="v7.2").failure
    on_another = f"iopf replay {failure.token} --core iopf"  # which answers, and so leaves the schedule or passes
    found = _check_page._again(["iopf replay iopf2.damaged", on_another, failure.command])
    assert [None, None, failure.signature] == [one and one.signature for one in found]


def test_the_command_writes_a_page(tmp_path):
    """Beside what it prints; where none can be written, that is told before anything is explored."""
    path = tmp_path / "check.html"

    def check_to(where, *arguments):
        command = [sys.executable, "-m", "iopf", "check", str(FILE), "--html", str(where), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(iopf.__file__).parent.parent)

    done = check_to(path, "--scenario", "partial", "--scenario", ROWS[3], "--json")
    assert 1 == done.returncode and json.loads(done.stdout)["cells"] and "" == done.stderr
    parsed = Parsed(path.read_text())
    assert 1 == len(parsed.all("section", class_="failure")) and ["check.html"] == os.listdir(tmp_path)
    done = check_to(tmp_path / "none" / "x")
    assert (2, "") == (done.returncode, done.stdout) and "no file can be written there" in done.stderr


@pages.browser
def test_a_failure_that_is_text_alone_is_opened_in_a_browser(table, shown, monkeypatch):
    """Also with an address of a step, of which it has none: the table goes, the text is there, and others still open."""
    monkeypatch.setattr(_check_page, "in_a_process", lambda *_: None)
    text = check_page(table, None)
    for address in ("#f2", "#f2-s3"):
        opened = shown(text, address)
        assert ["f2"] == [
            opened.elements[n][1]["id"] for n in opened.all("section") if "hidden" not in opened.elements[n][1]
        ]
        assert opened.all("body", class_="reading")


@pages.browser
def test_a_cell_opens_its_trace_in_a_browser(table, tmp_path):
    """One failure at a time; the table is gone meanwhile, and comes back."""
    text = check_page(table, None)
    shown = (
        pages.shown.__wrapped__(tmp_path)
        if hasattr(pages.shown, "__wrapped__")
        else pages.shown.__pytest_wrapped__.obj(tmp_path)
    )
    first = shown(text)
    assert not [n for n in first.all("section") if "hidden" not in first.elements[n][1]]
    opened = shown(text, "#f2")
    assert ["f2"] == [
        opened.elements[n][1]["id"] for n in opened.all("section") if "hidden" not in opened.elements[n][1]
    ]
    assert opened.all("body", class_="reading") and not first.all("body", class_="reading")
    (detail,) = [n for n in opened.all("aside") if "hidden" not in opened.elements[n][1]]
    assert "Step" in opened.text[detail]
