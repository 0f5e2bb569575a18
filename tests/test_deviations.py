# SPDX-License-Identifier: GPL-2.0-only
"""What upstream chose against its own documentation is labelled with the commit, counted apart, and judged by --strict
alone; what only looks like it is a failure like any other."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import iopf
from iopf.explore import explore
from iopf.explore.deviations import DEVIATIONS, chosen
from iopf.scenarios import build

FILES = Path(__file__).resolve().parent / "kernel_files"
MANUAL = Path(iopf.__file__).resolve().parent / "explore" / "README.md"
LATE, CODE = "738e6f32e61d", "b554e396e51c"


def changed(text, old, new):
    assert 1 == text.count(old), old
    return text.replace(old, new)


@pytest.fixture
def made(tmp_path):
    """``made(form, (old, new), ...)``: a file of that form, under a name that tells nothing, with these changes."""

    def made(form, *changes):
        text = (FILES / f"{form}.c").read_text()
        for old, new in changes:
            text = changed(text, old, new)
        file = tmp_path / f"mine-{len(list(tmp_path.iterdir()))}.c"
        file.write_text(text)
        return file

    return made


@pytest.fixture
def check(command):
    """``check(file, scenarios, *options)``: the table of one file as data, and the exit code."""

    def check(file, scenarios, *options):
        rows = [word for name in scenarios for word in ("--scenario", name)]
        code, out, err = command("check", file, "--core", "iopf", *rows, "--no-cache", "--json", *options)
        data = json.loads(out)
        assert code == data["exit_code"], err
        return code, data

    return check


def found(data, core):
    """Kind, contract and commit of each failure of a column."""
    return [
        (one["kind"], one["contract"], one["chosen"])
        for cell in data["cells"]
        if cell["core"] == core
        for one in cell["findings"]
    ]


#: The form whose facets are those of the choice, a scenario that shows that and nothing else, and the commit.
CASES = [("form-j", "remove-forgotten-groups", LATE), ("form-j-backport", "group-remove", LATE),
         ("form-d", "no-handler", CODE), ("form-e", "no-handler", CODE), ("form-f", "bind-exited", CODE)]  # fmt: skip


@pytest.mark.parametrize(("form", "scenario", "commit"), CASES)
def test_a_choice_of_upstreams_is_labelled_and_not_judged(form, scenario, commit, made, check, command):
    """Exit code 0 and no bug; in the data, the table, its summary, the trace and the report stands the commit."""
    file = made(form)
    code, data = check(file, [scenario])
    assert (0, [], [[scenario, file.name, commit]]) == (code, data["bugs"], data["deviations"])
    assert {commit} == {one for _, _, one in found(data, file.name)}
    (kind,) = {kind for kind, _, _ in found(data, file.name)}
    assert data["schema"] == 2 and data["strict"] is False

    code, out, _ = command("check", file, "--core", "iopf", "--scenario", scenario, "--no-cache", "--all")
    assert 0 == code and f"[{kind}]" in out and "--strict judges it" in out
    words = " ".join(out.split())
    assert f"{file.name}: 1 cell as upstream chose against its own documentation in {commit} ({kind})" in words
    assert f"upstream chose this in {commit}: " in words  # the trace

    code, out, _ = command("check", "--report", file, "--scenario", scenario)
    assert 0 == code and f"Upstream chose this in {commit}: " in " ".join(out.split())
    assert ", 1 as upstream chose" in out


@pytest.mark.parametrize(("form", "scenario", "commit"), CASES[:1] + CASES[3:4])
def test_with_strict_it_is_a_failure(form, scenario, commit, made, check, command):
    """The same, with exit code 1, in the table and in the report; the label stays."""
    file = made(form)
    code, data = check(file, [scenario], "--strict")
    assert (1, [[scenario, file.name]], True) == (code, data["bugs"], data["strict"])
    assert [[scenario, file.name, commit]] == data["deviations"]
    assert 1 == command("check", file, "--scenario", scenario, "--no-cache", "--strict", "--bisect")[0]
    assert 0 == command("check", file, "--scenario", scenario, "--no-cache", "--bisect")[0]
    assert 1 == command("check", "--report", file, "--scenario", scenario, "--strict")[0]


def test_other_tools_are_told_apart_what_is_chosen(made, command, tmp_path):
    """JUnit has a skipped case and GitHub a notice, at the user's line; a failure and an error with --strict."""
    file, report = made("form-j"), tmp_path / "junit.xml"
    line = ("check", file, "--scenario", "remove-forgotten-groups", "--no-cache", "--github", "--junit", report)
    for strict, element, annotation in ((False, "skipped", "notice"), (True, "failure", "error")):
        code, out, _ = command(*line, *(["--strict"] if strict else []))
        assert strict == code
        suite = next(one for one in ElementTree.parse(report).getroot() if file.name == one.get("name"))
        counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert counts == (["1", "1", "0", "0"] if strict else ["1", "0", "0", "1"])
        (case,) = suite
        assert LATE in case.find(element).get("message")
        if not strict:
            assert "late-response" in case.find("system-out").text
        (said,) = [text for text in out.splitlines() if text.startswith("::")]
        assert said.startswith(f"::{annotation} file=") and ",line=" in said and LATE in said


@pytest.mark.parametrize("core", ["v7.2", "6.10.y"])
def test_the_history_is_labelled_and_still_decides_nothing(core, command):
    """By its facets: the form that made the choice has it, and our core does not."""
    code, out, _ = command("check", "--core", core, "--core", "iopf", "--json", "--scenario", "group-remove",
                           "--scenario", "no-handler", "--no-cache")  # fmt: skip
    data = json.loads(out)
    expected = {"v7.2": [["group-remove", "v7.2", LATE]], "6.10.y": [["no-handler", "6.10.y", CODE]]}[core]
    assert 0 == code and expected == data["deviations"]


# --- what is none ---

#: Removal forgets what is pending, and frees nothing of it.
LOOP = "\t\tops->page_response(dev, last, &resp);\n\t\tlist_del_init(&group->pending_node);\n"
FORGETS = (LOOP + "\t\tiopf_free_group(group);\n", "\t\t(void)resp;\n")
ANSWER = "\tops->page_response(fp->dev, last, &resp);\n\tlist_del_init(&group->pending_node);\n"
#: A group stays pending though its handler dequeued it, and a response asks.
ASKS = (
    (ANSWER, "\tif (!list_empty(&group->pending_node))\n\t\tops->page_response(fp->dev, last, &resp);\n"),
    ("\tlist_del_init(&group->pending_node);\n\tmutex_unlock(&fp->lock);\n}\nEXPORT_SYMBOL_GPL(iopf_group_dequeue)",
     "\tmutex_unlock(&fp->lock);\n}\nEXPORT_SYMBOL_GPL(iopf_group_dequeue)"),
)  # fmt: skip
#: Late responses that 738e6f32e61d has not chosen, the driver keeping its contract: the form, and what is changed.
OTHERWISE = {
    "nothing can be dequeued": ("form-g", [(LOOP, "\t\t(void)resp;\n")]),
    "nor was it before": ("form-h", [FORGETS]),
    "a response asks whether the group is pending": ("form-j", [FORGETS, *ASKS]),
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_a_late_response_that_the_choice_does_not_cover_is_a_failure(how, made, check):
    """The same kind, in the same scenario: removal has to answer what an owner holds, and does not."""
    form, changes = OTHERWISE[how]
    file = made(form, *changes)
    code, data = check(file, ["remove-held-group"])
    assert 1 == code and [] == data["deviations"]
    assert ("late-response", "kept", None) in found(data, file.name)


def test_a_work_that_answers_late_is_not_what_was_chosen(made, check):
    """In the form of the choice, on another path: no handler dequeued that group. (A driver that keeps its contract has
    waited for the works before it removes, so this one has not; it is the driver's, as ever.)"""
    file = made("form-j", FORGETS)
    _, data = check(file, ["remove-queued-work"])
    assert [] == data["deviations"] and ("late-response", "broken", None) in found(data, file.name)
    message = next(
        one["message"] for cell in data["cells"] for one in cell["findings"] if "late-response" == one["kind"]
    )
    assert message not in [one.message for one in DEVIATIONS]


def test_what_stands_behind_a_choice_is_found(made, check):
    """An execution ends with its failure, and in this scenario each comes to the choice: a group that is not freed is
    seen all the same."""
    file = made("form-j", ("\t__iopf_free_group(group);\n\tkfree(group);\n", "\t__iopf_free_group(group);\n"))
    code, data = check(file, ["remove-forgotten-groups"])
    assert 1 == code and {("late-response", "kept", LATE), ("leak", "kept", None)} == set(found(data, file.name))
    assert [["remove-forgotten-groups", file.name]] == data["bugs"]


#: Answers of other codes by other ways: the form, the change, the scenario that shows it.
CODES = {
    # FAILURE for bad setup, in a form that has given INVALID there since it returns the error.
    "bad setup since v6.12": ("form-g", ("\t\t.code = IOMMU_PAGE_RESP_INVALID,\n\t};\n\n\tops->page_response(dev, evt",
                                          "\t\t.code = IOMMU_PAGE_RESP_FAILURE,\n\t};\n\n\tops->page_response(dev, evt"), "no-handler"),
    # INVALID for what a handler refused, and SUCCESS for what nobody handles, in the form of the choice.
    "a refusal": ("form-e", ("\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n",
                             "\tiopf_group_response(group, IOMMU_PAGE_RESP_INVALID);\n"), "refusal"),
    "success": ("form-e", ("\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n",
                           "\tiopf_group_response(group, IOMMU_PAGE_RESP_SUCCESS);\n"), "no-handler"),
}  # fmt: skip


@pytest.mark.parametrize("what", CODES)
def test_another_code_or_path_is_a_failure(what, made, check):
    """wrong-code, and nobody chose it."""
    form, change, scenario = CODES[what]
    file = made(form, change)
    code, data = check(file, [scenario])
    assert 1 == code and [] == data["deviations"]
    assert ("wrong-code", "kept", None) in found(data, file.name)


def test_invalid_where_nobody_handles_is_right_in_any_form(made, check):
    """What the documentation asks for is no failure of a form that chose otherwise."""
    file = made("form-e", ("\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n",
                           "\tiopf_group_response(group, IOMMU_PAGE_RESP_INVALID);\n"))  # fmt: skip
    code, data = check(file, ["no-handler"])
    assert 0 == code and [] == found(data, file.name)


@pytest.mark.parametrize("form", ["form-d", "form-e", "form-f"])
def test_a_choice_that_shows_in_another_order_of_calls_alone_is_run_there(form, made, check):
    """Nobody handles the request when detaching is over before report begins, which is one order of a class that another
    execution stands for. What is judged when report has ended is predicted at the place at which it is found then: else
    the prediction would not come true, and the cell had no verdict."""
    file = made(form)
    code, data = check(file, ["detach-report", "unknown-pasid-remove"])
    assert 0 == code and [] == data["unknown"]
    assert all(cell["exhausted"] for cell in data["cells"])


# --- beside a baseline ---


def test_a_choice_that_is_new_is_a_difference(made, check, command):
    """Exit code 1 without --strict, with the commit in the line; beside the same form it is no difference."""
    old, new = made("form-g"), made("form-j")
    line = ("check", new, "--baseline", old, "--scenario", "group-remove", "--no-cache")
    code, out, _ = command(*line)
    assert 1 == code and f"(upstream chose this in {LATE})" in " ".join(out.split())
    code, out, _ = command(*line, "--json")
    (one,) = json.loads(out)["comparison"]["differences"]
    assert ("new failure", LATE) == (one["kind"], one["after"]["chosen"])
    code, out, _ = command("check", made("form-j"), "--baseline", new, "--scenario", "group-remove", "--no-cache")
    assert 0 == code and "no difference" in out


# --- from Python ---


def test_explore_calls_it_a_failure_unless_it_is_told_otherwise():
    """A Result knows the commit; without deviations it passes, every execution run to its end."""

    scenario = build("remove-forgotten-groups")
    result = explore(scenario, core="v7.2")
    assert ("fail", LATE) == (result.verdict, result.failure.chosen)
    assert LATE == json.loads(result.failure.to_json())["chosen"] and LATE in str(result.failure)
    assert "pass" == explore(scenario, core="v7.2", deviations=False).verdict


def test_a_driver_that_broke_its_contract_chose_for_itself():
    """The same words with the contract broken are nobody's choice."""
    for one in DEVIATIONS:
        assert one is chosen(one.kind, one.message, "kept")
        assert chosen(one.kind, one.message, "broken") is None and chosen(one.kind, f"{one.message}.", "kept") is None


def test_the_manual_lists_each_choice():
    """With its commit and its kind."""
    manual = MANUAL.read_text()
    for one in DEVIATIONS:
        assert f"| {one.commit} | {one.kind} |" in manual
