# SPDX-License-Identifier: GPL-2.0-only
"""What has to mean the same in every process does: signatures, places, tokens, all that a search finds."""

import dataclasses
import inspect
import json
import os
import random
import re
import shutil
from pathlib import Path

import micro
import mutants
import pytest
from elsewhere import address, another_process, assert_replays, explored

import iopf
from iopf.explore import DidNotReproduce, Failure, Scenario, explore, find_scenario, replay, scenario_names
from iopf.explore.loader import load
from iopf.explore.token import decode

CELLS = [(scenario, core) for scenario in scenario_names() for core in iopf.cores()]
#: Of the library: they have works, removals, frees, and a bug in most forms.
SOME = ("remove-queued-work", "flush-then-remove", "one-index-two-pasids", "readd-late-response")


@pytest.fixture(scope="module")
def library():
    """Each cell of the library × cores: its result, and that as JSON without times."""
    return {cell: explored(*cell) for cell in CELLS}


def test_every_failure_of_the_library_replays_in_another_process(library):
    """All failures of all cells, as a complete search lists them. Tasks of some have other numbers in one execution alone
    than in the search that met it: those tokens follow, too."""
    failures = [failure for result, _ in library.values() for failure in result.failures]
    assert len(failures) > 200
    assert_replays(failures)


def test_another_process_finds_the_same_to_the_last_byte(library, long_mode, seed):
    """The whole result as JSON: failures with their steps, tokens and signatures, outcomes, counts. Of a quarter of the cells,
    by the seed; in the long mode of each."""
    cells = CELLS if long_mode else random.Random(seed).sample(CELLS, len(CELLS) // 4)
    found = another_process(explore=cells)["explored"]
    assert [] == [cell for cell, there in zip(cells, found) if library[cell][1] != there]


def test_a_result_has_one_failure_of_a_signature(library):
    """What the search takes for one failure is what its words say, no more and no less."""
    for cell, (result, _) in library.items():
        signatures = [failure.signature for failure in (*result.failures, *result.notes)]
        assert len(signatures) == len(set(signatures)), cell


def test_a_signature_has_no_address_and_no_line(library):
    """Kind, object, functions, contract; the place has file and line beside it."""
    for result, _ in library.values():
        for failure in result.failures:
            assert re.match(rf"{failure.kind}\b.*: .*; contract {failure.contract}", failure.signature), (
                failure.signature
            )
            assert not re.search(r"0x[0-9a-f]{6,}|\.[ch]:\d", failure.signature), failure.signature
            kind, number, _ = (failure.object or "").partition("#")
            assert not number or f" of {kind}" in failure.signature
    places = [failure.place for result, _ in library.values() for failure in result.failures]
    assert all(place.line and place.function and not os.path.isabs(place.file) for place in places if place is not None)
    assert sum(place is not None for place in places) > 0.9 * len(places)


def test_a_line_that_moves_changes_the_place_and_not_the_signature(tmp_path, monkeypatch):
    """Ten lines more above it: the same failures, ten lines further down; and the token follows."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "moving.c"
    text = (Path(__file__).resolve().parents[1] / "kernel_files" / "form-h.c").read_text()
    scenario = find_scenario("remove-held-group")
    file.write_text(text)
    before = explore(scenario, core=iopf.Core.from_source(file)).failure
    file.write_text("\n" * 10 + text)
    core = iopf.Core.from_source(file)
    after = explore(scenario, core=core).failure
    assert before.signature == after.signature
    assert before.place.file == after.place.file == str(file)
    assert before.place.line + 10 == after.place.line and before.place.function == after.place.function
    assert before.signature == replay(before.token, core=core).failure.signature


@pytest.mark.parametrize("strategy", ["auto", "dpor", "bound", "random"])
def test_strategies_agree_on_the_words(strategy):
    """The signature says what failed, not how it was found: each is one of those that the complete list has."""
    scenario, options = find_scenario("refusal"), {"core": "remove-void", "max_executions": 300}
    found = {failure.signature for failure in explore(scenario, strategy=strategy, **options).failures}
    everything = explore(scenario, core="remove-void", strategy="sleep").failures
    assert found and found <= {failure.signature for failure in everything}


def test_every_kind_replays_in_another_process():
    """The programs of the tests, one for each kind: their places are operations, by their words."""
    failures = [explore(program(wrong=True)).failure for _, program in micro.KINDS]
    assert_replays(failures)


def test_every_mutant_replays_in_another_process(compiled, long_mode):
    """Cores that are loaded later, from a file that the other process has to load itself. In the short mode as found, in
    the long one shrunk."""
    failures, libraries = [], []
    for one in mutants.MUTANTS:
        assert not isinstance(compiled[one.id], Exception), compiled[one.id]
        libraries.append([str(compiled[one.id]), "iopf_core_iopf"])
        core = load(*libraries[-1])
        failures += explore(one.scenario(), core=core, strategy="dpor", max_executions=3000, shrink=long_mode).failures
    assert_replays(failures, libraries=libraries)


def test_every_kernel_file_replays_in_another_process_from_its_token(kernel_trees, long_mode, monkeypatch):
    """The token names the file: it is compiled again there, or taken from the cache. In the long mode every scenario."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernel_trees.cache))
    names = [name for name in kernel_trees.paths if name.startswith("form-")]
    kernel_trees.compile([(name, "explore") for name in names])
    failures = []
    for name in names:
        core = iopf.Core._from_source(kernel_trees.paths[name], "explore")
        for scenario in scenario_names() if long_mode else SOME:
            found = explore(find_scenario(scenario), core=core, strategy="dpor", max_executions=20_000).failures
            assert all(decode(failure.token).file.path == str(kernel_trees.paths[name]) for failure in found)
            failures += found
    assert_replays(failures)


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strategy": "sleep", "max_executions": 5000},
        {"strategy": "random", "max_executions": 500},
        {"points": ["unlock", "free", "plain"], "max_executions": 5000},
    ],
    ids=["auto", "sleep", "random", "points"],
)
def test_every_way_to_find_a_failure_gives_tokens_that_replay(options):
    """Strategies and points beside the default."""
    assert_replays(
        [
            failure
            for scenario, core in CELLS
            for failure in explore(find_scenario(scenario), core=core, budget=5, **options).failures
        ]
    )


def test_a_failure_that_is_not_the_gravest_of_its_execution_is_the_one_that_replays(library):
    """An execution shows several: the result's failure is the one that the token is of, the others come after it."""
    several = 0
    for result, _ in library.values():
        for failure in result.failures:
            again = replay(failure.token)
            assert failure.signature == again.failure.signature == again.failures[0].signature
            assert failure.steps == again.failure.steps and failure.token == again.failure.token
            several += len(again.failures) > 1 and max(other.rank for other in again.failures) > failure.rank
    assert several, "no execution shows a graver one beside it: nothing is shown"


# --- negative controls ---


def test_the_other_process_has_the_explorer_elsewhere():
    """Where everything lay in the same place, none of these tests would say anything."""
    assert len({address(), another_process()["address"], another_process()["address"]}) == 3


def test_a_token_that_says_something_else_does_not_replay(library):
    """Another signature, another schedule, other numbers of tasks: noticed, in another process as here."""
    result = library["readd-late-response", "lkml-v8"][0]
    tampered = []
    for failure in result.failures[:3]:
        recorded = decode(failure.token)
        for changes in (
            {"signature": recorded.signature + ", answer"},
            {"hash": recorded.hash ^ 1},
            {"runs": recorded.runs[:-1]},
        ):
            tampered.append(_encoded(dataclasses.replace(recorded, **changes)))
    for why in another_process(replay=tampered)["replayed"]:
        assert why.startswith("DidNotReproduce: "), why
    for token in tampered:
        with pytest.raises(DidNotReproduce):
            replay(token)


def _encoded(recorded):
    from iopf.explore import token

    known = inspect.signature(token.encode).parameters
    return token.encode(**{name: getattr(recorded, name) for name in known})


def test_a_replay_with_the_numbers_of_another_search_is_noticed():
    """The tasks' numbers are part of the schedule: without them this token leaves it, or comes to other steps."""
    failures = explore(
        find_scenario("one-index-two-pasids"),
        core="refcount",
        strategy="random",
        max_executions=300,
        all_failures=True,
        shrink=False,
    ).failures
    failures += explore(find_scenario("readd-late-response"), core="lkml-v8", all_failures=True).failures
    left = 0
    for failure in failures:
        recorded = decode(failure.token)
        tasks = len(recorded.scenario.task_names)
        try:
            replay(_encoded(dataclasses.replace(recorded, tasks=recorded.tasks[:tasks])))
        except DidNotReproduce:
            left += 1
    assert left, "the numbers made no difference: nothing is shown"


# --- a user's file ---


@pytest.fixture
def user_file(tmp_path, monkeypatch):
    """A kernel file of a user, and a failure on it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "my tree" / "io-pgfault.c"
    file.parent.mkdir()
    shutil.copy(Path(__file__).resolve().parents[1] / "kernel_files" / "form-h.c", file)
    core = iopf.Core.from_source(file, facets={"kzalloc_obj": True})
    failure = explore(find_scenario("remove-queued-work"), core=core).failure
    assert isinstance(failure, Failure)
    return file, failure


def test_the_line_to_paste_names_the_file_and_its_facets(user_file):
    """Those that were set against what the text shows, quoted for a shell; the trace and the JSON have the same line."""
    file, failure = user_file
    assert failure.command == f"iopf replay {failure.token} --core '{file}' --facet kzalloc_obj=true"
    assert failure.command in str(failure) and failure.command == failure.to_dict()["command"]
    assert (
        "iopf replay " + (plain := explore(find_scenario("remove-queued-work"), core="v6.14").failure).token
        == plain.command
    )


def test_a_file_that_changed_or_went_is_asked_for(user_file):
    """One sentence that says which file and what to do; with the file named it runs."""
    file, failure = user_file
    assert failure.signature == replay(failure.token).failure.signature
    file.write_text(file.read_text() + "\n")
    with pytest.raises(ValueError, match=r"io-pgfault\.c, which has changed since: name the file with --core FILE"):
        replay(failure.token)
    core = iopf.Core.from_source(file, facets={"kzalloc_obj": True})
    assert failure.signature == replay(failure.token, core=core).failure.signature
    file.unlink()
    with pytest.raises(
        ValueError, match=r"can't be read \(No such file or directory\): name the file with --core FILE"
    ):
        replay(failure.token)


def test_two_files_of_one_name_are_two_cores(tmp_path, monkeypatch):
    """Every kernel file is called io-pgfault.c: each search runs the file that it was given, whatever was loaded last."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = Path(__file__).resolve().parents[1] / "kernel_files"
    cores = []
    for name in ("form-g", "form-h"):
        file = tmp_path / name / "io-pgfault.c"
        file.parent.mkdir()
        shutil.copy(folder / f"{name}.c", file)
        cores.append(iopf.Core.from_source(file))
    scenario = find_scenario("remove-queued-work")
    assert ["pass", "fail", "pass"] == [explore(scenario, core=core).verdict for core in (*cores, cores[0])]


def test_a_scenario_with_symmetric_tasks_and_works_replays():
    """Copies of a task, each with a work: numbers by who started whom."""
    s = Scenario("three irqs and a removal")
    queue = s.queue()
    dev = s.device(queue, handler="sva", pasid=1)
    s.tasks("irq", 2).report(dev, grpid=1, pasid=1)
    s.task("teardown").remove(queue, dev)
    failures = [
        failure
        for core in ("v5.14", "lkml-v8", "v6.14")
        for failure in explore(s, core=core, all_failures=True, max_executions=5000).failures
    ]
    assert_replays(failures)
    assert json.loads(failures[0].to_json())["signature"] == failures[0].signature
