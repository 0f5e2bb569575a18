# SPDX-License-Identifier: GPL-2.0-only
"""The score counts what it says: a mutant that is known is killed, the unchanged core is not, equal code is called so.

The whole score takes an hour or so; SCORE.md and SURVIVORS.md are its record. Here is a part of it.
"""

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import score
import targets


def sanitized():
    """Is this a build with a sanitizer? That needs more address space than a mutant gets, and says what it likes."""
    module = importlib.import_module("iopf._native")
    return "-fsanitize" in module.ffi.string(module.lib.iopf_build_flags).decode()


def needs_an_explorer(test):
    """The marks of a test that compiles mutants and explores them."""
    for mark in pytestmark:
        test = mark(test)
    return test


pytestmark = [
    pytest.mark.skipif(sanitized(), reason="a mutant has limits on its address space"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc"),
    pytest.mark.skipif(importlib.util.find_spec("iopf._explore") is None, reason="this build has no explorer"),
]
HERE = Path(__file__).resolve().parent
#: Each in another way: what the library alone says, and that a function that ends without its result is nobody's.
KNOWN = {
    "io-pgfault.c:iopf_free_group/drop/2": ("killed", "leak"),
    "io-pgfault.c:iopf_free_group/double/4": ("killed", None),
    "io-pgfault.c:iopf_group_response/drop/1": ("killed", None),
    "attach.c:iommu_attach_handle_get_for_fault/drop/2": ("killed", None),
    "attach.c:iommu_attach_handle_get_for_fault/delete/3": ("uncompiled", "return-type"),
    "iommu-sva.c:iommu_sva_handle_iopf/drop/1": ("killed", "leak"),
    "form-g.c:iopf_free_group/drop/2": ("killed", "leak"),
    "form-h.c:iopf_group_alloc/delete/13": ("killed", "wrong-group"),
    "form-h.c:iommu_report_device_fault/unasked/7": ("killed", "wrong-code"),
    "form-h.c:iommu_report_device_fault/unasked/9": ("killed", "lost-response"),
}


def rows_of(*options):
    """What the command says of some mutants, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "score.py"), "--rows", "/dev/stdout", "--quiet", "--jobs", "1", *options],
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    return {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_known_mutants_are_killed_by_the_library():
    """A sample over the files, each with the kind that it has to have where there is but one."""
    rows = rows_of(*(part for name in KNOWN for part in ("--mutant", name)))
    assert KNOWN.keys() == rows.keys()
    for name, (outcome, kind) in KNOWN.items():
        assert outcome == rows[name]["outcome"], rows[name]
        assert kind is None or kind in rows[name]["how"], rows[name]


def test_the_unchanged_files_live_and_what_loops_is_killed(tmp_path):
    """The control: a core that is built in the same way passes the same scenarios; one that loops is ended, and killed."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import targets
targets.CPU = 3
scenarios = dict(list(targets.library_scenarios().items())[:6])
for file in ("io-pgfault.c", "form-j.c"):
    built = targets.compile_text(file, targets.text_of(file), {str(tmp_path)!r} + "/" + file)
    base = targets.base_of(built.library, scenarios)
    print(targets.judge(built.library, scenarios, base)[0])
text = targets.text_of("io-pgfault.c")
text = text.replace("	group->responded = true;", "	for (;;) __asm__ volatile(\\"\\");", 1)
built = targets.compile_text("io-pgfault.c", text, {str(tmp_path)!r} + "/loops")
print(targets.judge(built.library, scenarios, {{}})[0])
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (["lives", "lives", "killed"], "") == (done.stdout.split(), done.stderr)


def test_all_that_the_unchanged_file_has_is_known_where_accesses_race_with_a_free(tmp_path):
    """Two groups are alike, and are freed under their reporters. A search by classes may show one of the two, and shows
    the other for no better reason than another line elsewhere: neither is new."""
    name = "remove-two-groups"
    built = targets.compile_text("form-h.c", targets.text_of("form-h.c"), tmp_path)
    verdict, whole, found = targets.base_of(built.library, {name: targets.library_scenarios()[name]})[name]
    signatures = " ".join(signature for _, _, signature in found)
    assert ("fail", True) == (verdict, whole) and "grpid=1" in signatures and "grpid=2" in signatures


@pytest.mark.parametrize("worked, budgets", [(0.1, [5, 20, 80, 320]), (4.9, [5])])
def test_a_search_that_the_clock_ended_is_done_again_with_more_of_it(monkeypatch, worked, budgets):
    """Where it was a busy machine: the search has had no 2.5 seconds of work. One that has had them is over."""
    from iopf import explore

    given, work = [], [0.0]

    def search(scenario, budget, **options):
        given.append(budget)
        work[0] += worked
        return SimpleNamespace(exhausted=False, failures=(), verdict="inconclusive")

    monkeypatch.setattr(explore, "explore", search)
    monkeypatch.setattr(targets.time, "process_time", lambda: work[0])
    assert ("inconclusive", False, []) == targets.look(lambda: None, "iopf", False)
    assert budgets == given


def failure(kind, contract, what):
    """As look() lists one."""
    return [kind, contract, f"{kind} of {what}; contract {contract}"]


UAF = failure("use-after-free", "broken", "group.work")
OTHER = failure("use-after-free", "broken", "group.pending_node")
LATE = failure("late-response", "broken", "an answer")


@pytest.mark.parametrize(
    ("was", "found", "signatures", "what"),
    [
        ([], [UAF], False, ("driver", False)),
        ([UAF], [UAF], True, (None, False)),
        ([UAF], [OTHER], False, (None, False)),
        ([UAF], [UAF, OTHER], True, ("driver", True)),
        ([UAF], [UAF, LATE], True, ("driver", False)),
        ([UAF], [failure("use-after-free", "kept", "group.work")], False, ("killed", False)),
        (
            [failure("use-after-free", "kept", "group.work")],
            [failure("use-after-free", "kept", "group.pending_node")],
            True,
            ("killed", True),
        ),
        ([failure("use-after-free", "kept", "group.work")], [OTHER], True, ("driver", True)),
        ([UAF, OTHER], [OTHER], True, (None, False)),
    ],
)
def test_what_is_new_in_a_cell(was, found, signatures, what):
    """Another kind, or a failure that the unchanged file has not: by its signature, and never one that is gone."""
    seen = targets.new_in(found, ["fail" if was else "pass", True, was], signatures)
    assert what == (seen.what, seen.hidden)


def test_a_search_without_an_end_compares_no_signatures():
    """What the unchanged file has behind the end of its search, nobody knows."""
    assert targets.new_in([UAF, OTHER], ["fail", False, [UAF]], True).what is None


def test_equal_code_is_told_by_its_object(tmp_path):
    """A comment and other lines change nothing; a lock that is missing, and a weaker publication, do."""
    text = targets.text_of("io-pgfault.c")
    texts = [
        text,
        "/* A comment. */\n\n" + text,
        text.replace("	mutex_unlock(&param->lock);\n", "", 1),
        text.replace("rcu_assign_pointer(dev->iommu->fault_param, param)", "(dev->iommu->fault_param = param)"),
    ]
    codes = [
        targets.compile_text("io-pgfault.c", each, tmp_path / str(number), link=False).code
        for number, each in enumerate(texts)
    ]
    assert codes[0] == codes[1] and len(set(codes)) == 3 and None not in codes


def test_what_does_not_compile_is_no_mutant(tmp_path):
    """It has no code, and the compiler's first error says why."""
    built = targets.compile_text("attach.c", "int broken(", tmp_path / "broken")
    assert (None, None) == (built.library, built.code) and "error" in built.why


def test_the_counts_of_a_table_add_up():
    """Killed by either, alive for either reason, equivalent: every mutant that compiles and is new is in one column."""

    def row(outcome, by="", where=""):
        return {"outcome": outcome, "by": by, "where": where}

    rows = [row("killed", "library"), row("driver", "library"), row("killed", "suite"), row("lives", "library", "unreached"),
            row("lives", "library", "not judged"), row("lives", "library", ""),
            row("lives", "library", "equivalent: the same code at -O2"),
            row("same", where="the unchanged file"), row("same", where="another"), row("uncompiled")]  # fmt: skip
    found = score.counts(rows)
    assert {"distinct": 8, "library": 2, "suite": 1, "equivalent": 2, "live": 3, "unreached": 1, "not judged": 1,
            "nobody looked": 1, "twins": 1, "uncompiled": 1}.items() <= found.items()  # fmt: skip


def test_what_is_the_same_object_as_a_survivor_is_recorded_with_it():
    """A sample that meets the one and not the other is compared with the record, too."""
    rows = [
        {"id": name, "outcome": outcome, "where": where}
        for name, outcome, where in (
            ("a", "lives", "not judged"),
            ("b", "same", "a"),
            ("c", "killed", "library"),
            ("d", "same", "c"),
            ("e", "same", "the unchanged file"),
        )
    ]
    assert [("a", "not judged"), ("b", "the same object as a")] == [tuple(each.values()) for each in score.alive(rows)]


def test_few_are_called_equivalent():
    """A tenth at most, of all that are made: by then the rules of needless.py, or the scenarios, have a gap."""
    assert len(score.REASONS) <= sum(len(targets.mutants_of(file)) for file in targets.FILES) / 10


def test_every_argument_for_equivalence_is_about_a_mutant_that_there_is():
    """Else it has been overtaken by the code. And its kind is one of those that reasons.py tells."""
    ids = {mutant.id for file in targets.FILES for mutant in targets.mutants_of(file)}
    assert set() == set(score.REASONS) - ids
    assert all(kind.startswith("equivalent: ") and proof for kind, proof in score.REASONS.values())


def test_an_argument_for_what_is_found_is_refused(tmp_path):
    """A wrong argument would hide a hole for good: the command says so, and fails."""
    name = next(iter(score.REASONS))
    found = tmp_path / "rows"
    for outcome, code in ("killed", 1), ("lives", 0):
        found.write_text(json.dumps({"id": name, "file": "io-pgfault.c", "function": "f", "operator": "key", "what": "",
                                     "outcome": outcome, "by": "library", "where": "", "how": ""}))  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(HERE / "score.py"), "--from-rows", str(found)], capture_output=True, text=True
        )
        assert code == done.returncode and (name in done.stderr) == bool(code), done.stderr


@pytest.mark.long
def test_no_argument_is_wrong():
    """Every mutant that is argued to be equivalent is explored, by the library and the suite, and lives."""
    rows = rows_of("--suite", "--no-why", *(part for name in score.REASONS for part in ("--mutant", name)))
    assert set(score.REASONS) == set(rows)


@pytest.mark.long
def test_no_mutant_lives_that_was_found_when_the_record_was_made():
    """The score of the library and the suite again, over every eighth mutant; the record is over all."""
    lived = {row["id"] for row in json.loads((HERE / "survivors.json").read_text())}
    rows = rows_of("--every", "8", "--suite", "--no-why")
    assert set() == {name for name, row in rows.items() if row["outcome"] == "lives"} - lived
