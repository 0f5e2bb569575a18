# SPDX-License-Identifier: GPL-2.0-only
"""Failures that are kept, on a core that was edited since: what is said of them, and what it takes to say it."""

import base64
import json
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import core_scenarios as sc
import pytest

import iopf
from iopf import cli
from iopf.explore import Scenario, again, explore, kept
from iopf.explore.given import follow, tokens_for
from iopf.explore.programs import rcget
from iopf.explore.token import decode, encode
from iopf.scenarios import build

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
FORM = (Path(__file__).parents[1] / "kernel_files" / "form-j.c").read_text()
SCENARIO = "discard-report"
PLACE = (
    "\tmutex_lock(&fp->lock);\n\tlist_for_each_entry_safe(f, tmp, &fp->partial, list) {\n\t\tif (f->fault.prm.grpid =="
)
assert 1 == FORM.count(PLACE)

#: The last request looks at the first partial one in one section of the lock, and uses it in the next: it may be gone.
LOOK = "\tmutex_lock(&fp->lock);\n\tf = list_first_entry_or_null(&fp->partial, struct iopf_fault, list);\n"
USE = "\tif (f && f->fault.prm.grpid == 77)\n\t\tabort_group->fault_count = 1;\n\tmutex_unlock(&fp->lock);\n"
UNLOCK, LOCK = "\tmutex_unlock(&fp->lock);\n", "\tmutex_lock(&fp->lock);\n"
#: A step on a lock that the schedule knows, and on one that it does not.
KNOWN = LOCK + UNLOCK
OTHER = "\tmutex_lock(&fp->dev->iommu->lock);\n\tmutex_unlock(&fp->dev->iommu->lock);\n"

STATES = {
    "bug": LOOK + UNLOCK + LOCK + USE,
    "lines": "\n\n\n\n/* lines */\n\n" + LOOK + UNLOCK + "\n\n" + LOCK + USE,
    "known lock before": KNOWN + LOOK + UNLOCK + LOCK + USE,
    "known lock between": LOOK + UNLOCK + KNOWN + LOCK + USE,
    "other lock before": OTHER + LOOK + UNLOCK + LOCK + USE,
    "other lock between": LOOK + UNLOCK + OTHER + LOCK + USE,
    "locks everywhere": OTHER + KNOWN + LOOK + UNLOCK + KNOWN + OTHER + LOCK + USE + KNOWN,
    "mended": LOOK + USE,
    "removed": "",
}


def source(state):
    """The file in that state."""
    return FORM.replace(PLACE, STATES[state] + PLACE)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project of its own, with the file as it is when it fails."""
    monkeypatch.delenv(kept.VARIABLE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "core.c").write_text(source("bug"))
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def bug(tmp_path_factory):
    """The failure of the file, and a core for each state of it, compiled once."""
    folder = tmp_path_factory.mktemp("states")
    made = {}

    def core(state):
        if state not in made:
            path = folder / f"{state.replace(' ', '-')}.c"
            path.write_text(source(state))
            made[state] = iopf.Core.from_source(path)
        return made[state]

    failure = explore(build(SCENARIO), core=core("bug")).failure
    assert "use-after-free" == failure.kind and failure.preemptions, "it takes a preemption between the two sections"
    return failure, core


# --- following ---


@needs_gcc
@pytest.mark.parametrize("state", [state for state in STATES if state not in ("mended", "removed")])
def test_an_edit_does_not_hide_a_failure_from_its_schedule(bug, state):
    """By operation and object the place is found again, with no search; what is new is told, and only that."""
    failure, core = bug
    result = follow(failure.token, core=core(state))
    (fit,) = result.kept
    assert ("still fails", "by its schedule", ()) == (fit.answer, fit.why, fit.left_out)
    assert 0 == result.executions and failure.signature == result.failure.signature
    new = STATES[state].count("mutex_lock") - STATES["bug"].count("mutex_lock") - STATES[state].endswith(KNOWN)
    assert new == len(fit.added) == fit.differences and all("mutex_lock" in step for step in fit.added)
    assert (any("iommu" in step or "dev" in step for step in fit.added)) == ("other" in state or "everywhere" in state)


@needs_gcc
def test_a_schedule_by_index_alone_is_lost_after_an_edit(bug):
    """What this is for: the strict replay, which counts steps, leaves the schedule."""
    from iopf.explore import DidNotReproduce, replay

    failure, core = bug
    for state in ("known lock before", "other lock between"):
        with pytest.raises(DidNotReproduce):
            replay(failure.token, core=core(state))


@needs_gcc
def test_a_mended_core_passes_now_by_an_exhaustive_search(bug):
    """One section in place of two: the schedule does not show it, and neither does any other. And where the operation is
    gone: the steps that did not come are told."""
    failure, core = bug
    for state in ("mended", "removed"):
        answer, result = again(failure.token, core=core(state))
        assert "passes now" == answer.answer and "every interleaving was explored" in answer.why
        assert "pass" == result.verdict and result.exhausted
        if state == "removed":
            assert any("mutex_lock(param#1.lock)" in step for step in answer.left_out)


@needs_gcc
def test_a_search_in_parts_tries_them_first_too(bug):
    """On a core where it fails nothing is given out; on a mended one the parts say that it passes. Nobody says so of a
    search that did not come to its end."""
    failure, core = bug
    with ThreadPoolExecutor(2) as executor:
        options = {"kept": [failure.token], "executor": executor, "strategy": "dpor"}
        found = explore(build(SCENARIO), core=core("bug"), **options)
        assert ["still fails"] == [one.answer for one in found.kept] and failure.signature == found.failure.signature
        mended = explore(build(SCENARIO), core=core("mended"), **options)
        assert ["passes now"] == [one.answer for one in mended.kept] and mended.exhausted
        short = explore(build(SCENARIO), core=core("mended"), max_executions=1, **options)
        assert ["cannot be told"] == [one.answer for one in short.kept] and not short.exhausted


@needs_gcc
def test_without_an_exhaustive_search_nothing_passes_now(bug):
    """A budget that is used up: it cannot be told, and why. That the schedule passes is no evidence."""
    failure, core = bug
    answer, result = again(failure.token, core=core("mended"), budget=1e-9)
    assert "cannot be told" == answer.answer and "pass" != result.verdict and "no search says" in answer.why


def test_a_scenario_that_fails_otherwise_cannot_be_told():
    """Another failure ends executions that might have come to this one."""
    failure = explore(sc.work_against_removal(), core="v6.14").failure
    (token,) = [failure.token]
    recorded = decode(token)
    other = encode(
        scenario=recorded.scenario,
        core="v6.14",
        runs=recorded.runs[:1],
        steps=recorded.steps[: recorded.runs[0].steps],
        tasks=recorded.tasks,
        dropped=(),
        kind="leak",
        signature="leak of nothing: nobody; contract kept",
        hash=0,
        flags=recorded.flags,
        max_steps=None,
    )
    answer, result = again(other)
    assert "cannot be told" == answer.answer and "it fails otherwise" in answer.why and failure.signature in answer.why
    assert result.failures


def test_with_the_contract_broken_is_not_with_the_contract_kept():
    """A failure that showed with the contract kept does not "still fail" where only a driver that broke it shows it; one
    that took a broken contract does where it takes none any more."""
    from iopf.explore.given import is_it

    kept_, broken = "leak of x: y; contract kept", "leak of x: y; contract broken: flush"
    assert is_it(kept_, kept_) and is_it(broken, kept_) and is_it(broken, broken)
    assert not is_it(kept_, broken) and not is_it("leak of z: y; contract kept", kept_)


def test_a_core_that_is_not_there_cannot_be_told(bug, tmp_path):
    """Its file is gone, does not compile, or no core of the build has that name: one line each."""
    failure, _ = bug
    recorded = decode(failure.token)
    token = failure.token
    answer, result = again(token, core="no such core")
    assert ("cannot be told", None) == (answer.answer, result) and "no such core" in answer.why
    assert recorded.file is not None


@needs_gcc
def test_a_file_that_is_gone_or_broken_cannot_be_told(here, run):
    """The command says so, exit code 3."""
    assert 1 == run("explore", SCENARIO, "--core", "core.c")[0]
    (here / "core.c").write_text("#error nonsense\n" + source("bug"))
    code, out, _ = run("failures", "--run")
    assert 3 == code and "cannot be told: " in out and "nonsense" in out
    (here / "core.c").unlink()
    code, out, _ = run("failures", "--run")
    assert 3 == code and "cannot be told: " in out and "core.c" in out


@pytest.mark.parametrize("number", [2, 3])
def test_a_program_that_was_changed_is_followed(number):
    """Of what has no core: the lookup bug, by a schedule that has only the first step of each run, as tokens had once."""
    failure = explore(rcget(number, bug=True)).failure
    recorded = decode(failure.token)
    old = encode(
        **{
            name: getattr(recorded, name)
            for name in (
                "scenario",
                "core",
                "runs",
                "tasks",
                "dropped",
                "kind",
                "signature",
                "hash",
                "flags",
                "max_steps",
            )
        }
    )
    assert () == decode(old).steps and len(old) < len(failure.token)
    for token in (old, failure.token):
        assert "still fails" == again(token)[0].answer


def test_what_a_token_says_of_its_steps_is_checked():
    """They are those of the whole scenario, each with its task; what is no list of these is damage."""
    failure = explore(rcget(3, bug=True)).failure
    recorded = decode(failure.token)
    assert failure.dropped and len(recorded.steps) > sum(run.steps for run in recorded.runs)
    assert recorded.steps == recorded.points == failure.points and all(1 == step.steps for step in recorded.steps)
    assert len(explore(rcget(3, bug=True), shrink=False).failure.points) == len(recorded.steps)
    data = json.loads(zlib.decompress(base64.urlsafe_b64decode(failure.token.partition(".")[2] + "==")))
    for wrong in (data["steps"][:-1], [-1, *data["steps"][1:]], [0, 999, 0], "x", [0.5, 0, 0]):
        packed = zlib.compress(json.dumps({**data, "steps": wrong}).encode())
        with pytest.raises(ValueError, match="damaged"):
            decode("iopf2." + base64.urlsafe_b64encode(packed).decode().rstrip("="))


@pytest.mark.parametrize("core", ["v5.14", "v6.9", "v6.14", "v7.2"])
def test_every_failure_of_the_library_is_found_by_its_schedule_alone(core):
    """On the core that it was found on nothing differs, whatever of the scenario the trace left out."""
    from iopf.explore import scenario_names

    if core not in iopf.cores():
        pytest.skip("not in this build")
    tried, by_search = 0, []
    for name in scenario_names():
        for failure in explore(build(name) if name in iopf.scenarios.names() else rcget(2), core=core).failures:
            if failure.token and failure.confirmed:
                tried += 1
                (fit,) = follow(failure.token, core=core).kept
                if fit.answer != "still fails" or (fit.differences and not failure.dropped):
                    by_search.append((name, failure.signature, fit))
    assert tried > 10 and not by_search


def test_a_replay_keeps_the_steps_of_the_whole_scenario():
    """It executes a part of the scenario, and its token is the one that it was given, steps and all."""
    from iopf.explore import replay

    failure = explore(rcget(3, bug=True)).failure
    assert failure.dropped and failure.points != failure.runs
    again_ = replay(failure.token).failure
    assert failure.token == again_.token and failure.points == again_.points


# --- trying first ---


def test_a_search_tries_what_it_is_given_first():
    """It is among the failures though the search would not come to it, and the search is that after a first failure;
    without it the search is the same as ever."""
    failure = explore(rcget(4, bug=True), strategy="naive").failure
    plain = explore(rcget(4, bug=True), strategy="random", max_executions=1, seed=3)
    assert "sampled" == plain.verdict
    found = explore(rcget(4, bug=True), strategy="random", max_executions=1, seed=3, kept=[failure.token])
    assert "fail" == found.verdict and failure.signature == found.failure.signature and 1 == found.first_failure
    assert ["still fails"] == [one.answer for one in found.kept]


def test_what_passes_is_searched_as_without():
    """Counts, outcomes and classes of a search that tried something first are those of one that did not."""
    failure = explore(sc.work_against_removal(), core="v6.14").failure
    plain, tried = explore(sc.work_against_removal()), explore(sc.work_against_removal(), kept=[failure.token])
    assert ["passes now"] == [one.answer for one in tried.kept] and () == plain.kept
    for what in ("verdict", "executions", "classes", "blocked", "outcomes", "preemptions", "hottest", "deepest"):
        assert getattr(plain, what) == getattr(tried, what), what


def test_a_failure_of_another_scenario_is_refused():
    """And what is no token and no id."""
    failure = explore(rcget(2, bug=True)).failure
    with pytest.raises(ValueError, match="is of the scenario"):
        explore(sc.work_against_removal(), kept=[failure.token])
    with pytest.raises(ValueError, match="no token"):
        explore(sc.work_against_removal(), kept=["nonsense"])
    with pytest.raises(TypeError, match="kept"):
        explore(sc.work_against_removal(), kept=failure.token)


def test_less_than_was_looked_for_is_no_pass():
    """Found with every plain access a point: a search without these says nothing of it."""
    failure = explore(sc.work_against_removal(), core="v6.14", points=["plain"]).failure
    (one,) = explore(sc.work_against_removal(), kept=[failure.token]).kept
    assert "cannot be told" == one.answer
    (one,) = explore(sc.work_against_removal(), kept=[failure.token], points=["plain"]).kept
    assert "passes now" == one.answer


def test_python_looks_at_no_files_unless_it_is_asked(here):
    """explore() says the same wherever it is called; kept=True takes what is kept of this scenario and core."""
    scenario = sc.work_against_removal()
    result = explore(scenario, core="v6.14")
    assert result.failure.keep()
    assert () == explore(scenario, core="v6.14").kept == explore(scenario, kept=True).kept
    assert () == explore(build("remove-queued-work"), core="v6.14", kept=True).kept
    assert ["still fails"] == [one.answer for one in explore(scenario, core="v6.14", kept=True).kept]
    assert [result.failure.token] == tokens_for(scenario) == tokens_for(scenario, "v6.14")
    assert [] == tokens_for(scenario, "iopf")


def test_explore_says_in_a_line_what_became_of_it(here, run):
    """And --no-kept tries nothing."""
    assert "still fails" not in run("explore", "remove-queued-work", "--core", "v6.14")[1]
    code, out, _ = run("explore", "remove-queued-work", "--core", "v6.14")
    assert 1 == code and 1 == len(re.findall(r"^still fails: [0-9a-f]{10} \(by its schedule\)$", out, re.M))
    assert "still fails" not in run("explore", "remove-queued-work", "--core", "v6.14", "--no-kept")[1]
    assert "still fails" not in run("explore", "remove-queued-work")[1]
    assert [] != json.loads(run("explore", "remove-queued-work", "--core", "v6.14", "--json")[1])["kept"]


@needs_gcc
def test_check_says_what_became_of_what_is_kept_of_its_cells(here, run):
    """Still fails, and passes now once the file is mended; a schedule is tried in every column. --no-kept says nothing."""
    line = ("check", "core.c", "--core", "iopf", "--scenario", SCENARIO, "--no-cache")
    code, out, _ = run(*line)
    (id,) = re.findall(r"iopf replay (\S+)", out)
    assert 1 == code and "still fails" not in out
    assert f"still fails: {id[:10]} ({SCENARIO}, core.c)" in run(*line)[1]
    assert "still fails" not in run(*line, "--no-kept")[1]
    (here / "core.c").write_text(source("mended"))
    code, out, _ = run(*line)
    assert 0 == code and f"passes now: {id[:10]} ({SCENARIO}, core.c" in out


# --- the command ---


@needs_gcc
def test_the_command_answers_for_every_failure(here, run):
    """Listed; still fails, with what differs and a line to paste; passes now after the mend; and --forget."""
    assert 1 == run("explore", SCENARIO, "--core", "core.c")[0]
    code, out, _ = run("failures")
    (id,) = re.findall(r"^([0-9a-f]{10})  use-after-free in", out, re.M)
    assert 0 == code and SCENARIO in out
    (here / "core.c").write_text(source("other lock between"))
    code, out, _ = run("failures", "--run")
    assert (
        1 == code and f"still fails: {id}" in out and "by its schedule" in out and "steps new: irq: mutex_lock" in out
    )
    (line,) = re.findall(r"iopf (replay .*)", out)
    assert 1 == run(*line.split())[0]
    code, out, _ = run("failures", "--run")  # both are the one failure
    assert 1 == code and "1 still fails" in out and "also kept as" in out
    (here / "core.c").write_text(source("mended"))
    code, out, _ = run("failures", "--run", "--json")
    (one,) = json.loads(out)["failures"]
    assert 0 == code and "passes now" == one["answer"] and one["others"]
    code, out, _ = run("failures", "--run", "--budget", "1e-9")
    assert 3 == code and "cannot be told" in out
    assert 0 == run("failures", "--run", "--forget")[0]
    code, out, _ = run("failures")
    assert 0 == code and "No failure is kept here." in out
    assert 3 == run("failures", "--run")[0], "nothing ran: that is no pass"


def test_the_command_takes_ids_and_forgets_them(here, run):
    """Some digits are enough. What cannot be is one line, exit code 2."""
    for name in ("remove-queued-work", "partial-two-pasids"):
        run("explore", name, "--core", "v6.14")
    first, second = (one["id"] for one in json.loads(run("failures", "--json")[1])["failures"])
    code, out, _ = run("failures", first[:6], "--run", "--core", "iopf")
    assert 0 == code and f"passes now: {first}" in out and second not in out
    assert 0 == run("failures", first, "--forget")[0]
    assert [second] == [one["id"] for one in json.loads(run("failures", "--json")[1])["failures"]]
    for line in (("--forget",), ("--core", "v6.9"), ("nonsense",), ("0123456789",), ("--run", "--core", "nope.c")):
        code, out, err = run("failures", *line)
        assert (2, "", 1) == (code, out, len(err.splitlines())), line


def test_files_of_the_first_format_are_read_and_made_new(here, run):
    """A token and a line: it is listed and tried, and whoever meets the failure again adds what is new."""
    failure = explore(build("remove-queued-work"), core="v6.14").failure
    folder = here / ".iopf" / "failures"
    folder.mkdir(parents=True)
    path = folder / f"{kept._name(failure.token)}.json"
    path.write_text(json.dumps({"iopf-failure": 1, "about": failure.about, "token": failure.token}))
    assert failure.about in run("failures")[1] and 1 == run("failures", "--run")[0]
    assert "still fails" in run("explore", "remove-queued-work", "--core", "v6.14")[1]
    data = json.loads(path.read_text())
    assert (2, "remove-queued-work", "v6.14") == (data["iopf-failure"], data["scenario"], data["core"])
    kept.keep(failure.token, test="test_it.py::test_a")
    kept.keep(failure.token, test="test_it.py::test_b")
    assert ["test_it.py::test_a", "test_it.py::test_b"] == json.loads(path.read_text())["tests"]


def test_a_damaged_file_is_said_and_hides_no_other(here, run):
    """In the list and in --run: a line on standard error, and no exit code 0."""
    failure = explore(build("remove-queued-work"), core="v6.14").failure
    failure.keep(source="/home/me/mine.py:race")
    (here / ".iopf" / "failures" / f"{'0' * 32}.json").write_text("nonsense")
    for line in ((), ("--run", "--core", "iopf")):
        code, out, err = run("failures", *line)
        assert 3 == code and failure.id in out and "is damaged" in err and "Traceback" not in err
    assert "/home/me/mine.py:race" in run("failures")[1]


def test_a_scenario_of_a_file_is_named_with_its_path(here, run):
    """So that whoever lists it knows where it is."""
    (here / "mine.py").write_text(
        "from iopf.explore import Scenario\ns = Scenario('race')\nq = s.queue()\nd = s.device(q, pasid=1)\n"
        "s.task('irq').report(d, grpid=1, pasid=1)\ns.task('rm').remove(q, d)\n"
    )
    assert 1 == run("explore", "mine.py:s", "--core", "v6.14")[0]
    assert f"{here / 'mine.py'}:s" in run("failures")[1]


def test_scenarios_that_are_equal_are_found_by_what_they_are():
    """Not by their name alone: an edited scenario is another one."""
    failure = explore(sc.work_against_removal(), core="v6.14").failure
    other = Scenario("remove races the work")
    queue = other.queue()
    other.task("irq").report(other.device(queue, pasid=1), grpid=1, pasid=1)
    assert [failure.token] == tokens_for(sc.work_against_removal(), "v6.14", among=[failure.token])
    assert [] == tokens_for(other, "v6.14", among=[failure.token])
