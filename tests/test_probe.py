# SPDX-License-Identifier: GPL-2.0-only
"""A file is what it does, and not what its text looks like: probes, and what follows from them."""

from pathlib import Path

import pytest

import iopf
from iopf import _probe, check
from iopf._check_pool import in_a_process
from iopf._cores import Core
from iopf._probe import PROBES, Question, answer, corrected, probe

FILES = Path(__file__).resolve().parent / "kernel_files"
SAMPLES = Path(iopf.__file__).resolve().parent / "samples"
TEXT = (FILES / "form-h.c").read_text()
FORMS = sorted(path.name for path in FILES.glob("form-*.c"))


def changed(text, old, new):
    assert 1 == text.count(old), old
    return text.replace(old, new)


def lost_in_an_int_form():
    """Only an error ends the report of a partial request; as text it has a return behind the put."""
    return changed(TEXT, "\t\tiopf_put_dev_fault_param(fp);\n\t\treturn err;\n",
                   "\t\tiopf_put_dev_fault_param(fp);\n\t\tif (err)\n\t\t\treturn err;\n")  # fmt: skip


def removal_with_a_helper():
    """The loop over the groups stands in a function of its own."""
    begin = TEXT.index("\tlist_for_each_entry_safe(group, next, &fp->faults, pending_node) {")
    loop = TEXT[begin : TEXT.index("\tmutex_unlock(&fp->lock);", begin)]
    text = changed(TEXT, loop, "\tiopf_drop_groups(fp, ops);\n")
    text = changed(
        text, "\tstruct iopf_group *group, *next;\n\n\tmutex_lock(&queue->lock);", "\n\tmutex_lock(&queue->lock);"
    )
    helper = (
        "static void iopf_drop_groups(struct iommu_fault_param *fp, const struct iommu_ops *ops)\n{\n"
        f"\tstruct device *dev = fp->dev;\n\tstruct iopf_group *group, *next;\n\n{loop}}}\n\n"
    )
    return changed(text, "void iopf_queue_remove_device(", helper + "void iopf_queue_remove_device(")


def partials_answered_by_a_helper():
    """Bad setup of a partial request is answered, in a form whose report is void and whose text has no trace of it."""
    text = (FILES / "form-f.c").read_text()
    stored = "\t\treport_partial_fault(fp, fault);\n"
    return changed(text, stored, "\t\tif (find_fault_handler(dev, evt))\n\t\t\treport_partial_fault(fp, fault);\n\t\telse\n"
                   "\t\t\tdev_iommu_ops(dev)->page_response(dev, evt, &(struct iommu_page_response){\n"
                   "\t\t\t\t.grpid = fault->prm.grpid, .pasid = fault->prm.pasid, .code = IOMMU_PAGE_RESP_INVALID });\n")  # fmt: skip


ABORT = "\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n"
REFUSED = "\tif (!h->domain->iopf_handler(group))\n\t\treturn 0;\n"


def aborted_by_a_helper(refused, nomem):
    """Two codes, neither of which stands where groups are answered in report."""
    helper = (
        "static void iopf_give_up(struct iopf_group *group, bool refused)\n{\n"
        f"\tiopf_group_response(group, refused ? IOMMU_PAGE_RESP_{refused} : IOMMU_PAGE_RESP_{nomem});\n}}\n\n"
    )
    text = changed(TEXT, ABORT, "\tiopf_give_up(group, group != &abort_group);\n")
    return changed(text, "int iommu_report_device_fault(", helper + "int iommu_report_device_fault(")


def put_twice_when_refused():
    """What a handler refuses costs the param a reference that report does not have."""
    return changed(TEXT, REFUSED, f"{REFUSED}\tiopf_put_dev_fault_param(fp);\n")


def put_once_when_refused():
    """The form of copies, whose error path puts what the group has put, mended."""
    return changed((FILES / "form-a.c").read_text(), "\tif (err)\n\t\tiopf_free_group(group);\n",
                   "\tif (err) {\n\t\trefcount_inc(&fp->users);\n\t\tiopf_free_group(group);\n\t}\n")  # fmt: skip


def locked_round_the_handler():
    """The param's lock, which every response takes."""
    return changed(TEXT, REFUSED, "\tmutex_lock(&fp->lock);\n\tif (!h->domain->iopf_handler(group)) {\n"
                   "\t\tmutex_unlock(&fp->lock);\n\t\treturn 0;\n\t}\n\tmutex_unlock(&fp->lock);\n")  # fmt: skip


def locked_round_the_flush():
    """The same lock, while works are waited for."""
    return changed(TEXT, "\tflush_workqueue(fp->queue->wq);\n",
                   "\tmutex_lock(&fp->lock);\n\tflush_workqueue(fp->queue->wq);\n\tmutex_unlock(&fp->lock);\n")  # fmt: skip


#: The facet that the text does not show, what it is, and a file in which it is so.
HIDDEN = {
    "lost_return": (True, lost_in_an_int_form),
    "removal": ("frees", removal_with_a_helper),
    "answers_partials": (True, partials_answered_by_a_helper),
    "refusal_breaks": (True, put_twice_when_refused),
    "response_waits": (True, locked_round_the_handler),
    "refusal_code": ("invalid", lambda: aborted_by_a_helper("INVALID", "FAILURE")),
    "nomem_code": ("invalid", lambda: aborted_by_a_helper("FAILURE", "INVALID")),
}


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """The files, by the facet that they hide."""
    folder = tmp_path_factory.mktemp("hidden")
    for facet, (_, make) in HIDDEN.items():
        (folder / f"{facet}.c").write_text(make())
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_what_its_text_says(form):
    """The control: no probe contradicts a text that shows what the file does."""
    assert () == probe(Core._from_source(FILES / form, "explore")), form
    assert len(FORMS) >= 14


@pytest.mark.parametrize("facet", HIDDEN)
def test_a_probe_sees_what_the_text_does_not_show(facet, hidden):
    """Exactly that facet, told with what was seen; the core that it is corrected to is not contradicted any more."""
    found, _ = HIDDEN[facet]
    core = Core._from_source(hidden / f"{facet}.c", "explore")
    told = {one.facet: one for one in probe(core)}
    # A partial that is only stored in a branch looks like a lost return, and is none: the probe says that, too.
    assert {facet} | ({"lost_return"} if facet == "answers_partials" else set()) == set(told)
    one = told[facet]
    assert (getattr(core.facets, facet), found) == (one.text, one.found)
    assert f"{facet} is " in str(one) and one.why in str(one)
    right = corrected(core, told.values())
    assert found == getattr(right.facets, facet) and () == probe(right)


def test_who_answers_is_asked(tmp_path):
    """Every error is left to the driver, whatever the text looked like; or report answers what it aborts, and still fails."""
    core = Core._from_source(FILES / "form-c.c", "explore", facets={"answers": "all"})
    assert [("answers", "nothing")] == [(one.facet, one.found) for one in probe(core)]
    core = Core._from_source(FILES / "form-d.c", "explore", facets={"answers": "nothing"})
    assert [("answers", "aborts")] == [(one.facet, one.found) for one in probe(core)]


def test_a_hazard_of_the_text_that_the_file_does_not_have_is_taken_back(tmp_path):
    """Copies that are put once: the text says that a refusal breaks the param, and a whole search says that nothing is
    wrong there. What is left of the form's hazards is left."""
    file = tmp_path / "io-pgfault.c"
    file.write_text(put_once_when_refused())
    core = Core._from_source(file, "explore")
    told = probe(core)
    assert [("refusal_breaks", True, False)] == [(one.facet, one.text, one.found) for one in told]
    assert {"refusal"} == {*core.hazards} - {*corrected(core, told).hazards}
    assert {*corrected(core, told).hazards} < {*core.hazards}


def test_a_flush_that_waits_for_itself_is_a_hazard(tmp_path):
    """With no answer inside a handler: the other half of it."""
    file = tmp_path / "io-pgfault.c"
    file.write_text(locked_round_the_flush())
    core = Core._from_source(file, "explore")
    (one,) = probe(core)
    assert ("response_waits", True, "a flush while a work is queued never returns") == (one.facet, one.found, one.why)
    assert "lock" in corrected(core, [one]).hazards and "lock" not in core.hazards


#: Bugs of which a hazard or a code is a part: they are in other paths, too, and stay bugs of those.
EVERYWHERE = {
    "every group puts twice": ("\tiopf_put_dev_fault_param(group->fault_param);\n",
                               "\tiopf_put_dev_fault_param(group->fault_param);\n\tiopf_put_dev_fault_param(group->fault_param);\n"),
    "a response does not unlock": ("\t\tlist_del_init(&group->pending_node);\n\t}\n\tmutex_unlock(&fp->lock);\n}\nEXPORT_SYMBOL_GPL(iopf_group_response)",
                                   "\t\tlist_del_init(&group->pending_node);\n\t}\n}\nEXPORT_SYMBOL_GPL(iopf_group_response)"),
    "nobody answers what is refused": (ABORT, ""),
}  # fmt: skip


@pytest.mark.parametrize("what", EVERYWHERE)
def test_what_is_wrong_in_other_paths_too_is_no_facet(what, tmp_path):
    """A reference that every group puts twice breaks more than refusals, a lock that is never let go more than answers in
    handlers; and a group that report does not answer gets its code from somebody else."""
    file = tmp_path / "io-pgfault.c"
    text = (FILES / "form-g.c").read_text()
    file.write_text(changed(text, *EVERYWHERE[what]))
    assert () == probe(Core._from_source(file, "explore"))


@pytest.mark.parametrize("facet", ["refusal_code", "nomem_code"])
def test_a_code_is_told_and_excuses_nothing(facet, hidden, command):
    """It stands among the facets, with what the text shows; the table has the failure, and so has a comparison."""
    scenarios = ("--scenario", "refusal", "--scenario", "remove-oom-group", "--scenario", "oom-flush", "--no-cache")
    code, out, _ = command("check", hidden / f"{facet}.c", *scenarios)
    assert 1 == code and "wrong-code" in out and f" {facet}=invalid" in out
    assert f"{facet} is failure by its text, and invalid by what it does: report answers what" in " ".join(out.split())
    assert 1 == command("check", hidden / f"{facet}.c", "--baseline", FILES / "form-h.c", *scenarios)[0]
    _, out, _ = command("check", FILES / "form-h.c", *scenarios)
    assert f"{facet}=" not in out  # what all do is not said


@pytest.mark.parametrize(("facet", "scenario", "hazard"), [("refusal_breaks", "refusal", "refusal"),
                                                           ("response_waits", "answer-in-handler", "lock")])  # fmt: skip
def test_check_shows_a_hazard_that_a_probe_found(facet, scenario, hazard, hidden, command):
    """The cell that contradicts the text makes somebody ask; it stays a failure, and a run is told of the hazard."""
    file = hidden / f"{facet}.c"
    code, out, _ = command("check", file, "--scenario", scenario, "--no-cache")
    assert 1 == code and f"{facet} is false by its text, and true by what it does" in " ".join(out.split())
    core = Core._from_source(file, "explore")
    assert hazard in corrected(core, probe(core)).hazards and hazard not in core.hazards


def test_a_search_that_did_not_end_decides_nothing(hidden, monkeypatch):
    """With one execution, what was seen may not be all: no facet changes by what may have been left out."""
    core = Core._from_source(hidden / "nomem_code.c", "explore")
    assert ["nomem_code"] == [one.facet for one in probe(core)]
    monkeypatch.setattr(_probe, "EXECUTIONS", 1)
    assert () == probe(core)


#: Bugs that look like another form, each in one path alone.
BUGS = {
    # A handler refuses, report fails, and nobody answers; what nobody handles is answered.
    "form-d": ("\tif (err)\n\t\tgoto abort;\n\treturn 0;\n", "\tif (err)\n\t\treturn err;\n\treturn 0;\n", "refusal", "lost-response"),
    "form-g": (ABORT, "", "refusal", "use-after-free"),
}  # fmt: skip


@pytest.mark.parametrize("form", BUGS)
def test_a_bug_in_one_path_is_no_other_form(form, tmp_path, command):
    """The answer of one path is lost. A form in which the driver answers would have it in all, so nothing is asked of the
    driver, and the table has the failure."""
    old, new, scenario, kind = BUGS[form]
    file = tmp_path / "io-pgfault.c"
    file.write_text(changed((FILES / f"{form}.c").read_text(), old, new))
    assert () == probe(Core._from_source(file, "explore"))
    code, out, _ = command("check", file, "--scenario", scenario, "--no-cache")
    assert 1 == code and kind in out


def test_what_did_not_happen_decides_nothing(tmp_path):
    """Nothing fails where removal that frees would show, since the file deadlocks before: it is what its text says."""
    file = tmp_path / "io-pgfault.c"
    removal = TEXT[TEXT.index("void iopf_queue_remove_device(") :]
    taken = "\tmutex_lock(&queue->lock);\n\tmutex_lock(&iommu->lock);\n"
    broken = TEXT.replace(removal, changed(removal, taken, taken + "\tmutex_lock(&iommu->lock);\n"))
    file.write_text(broken)
    core = Core._from_source(file, "explore")
    assert "frees" == core.facets.removal and () == probe(core)


def test_a_file_that_ends_the_process_in_which_it_is_asked_takes_nothing_with_it(tmp_path, monkeypatch):
    """It calls exit() at a partial request. It is asked in a process of its own, whatever made somebody ask: the table has
    its cells, and its facets are its text's."""
    file = tmp_path / "io-pgfault.c"
    text = changed((FILES / "form-e.c").read_text(), "\tif (WARN_ON(!fp))\n\t\treturn;\n\n\tif (!(fault",
                   "\tif (WARN_ON(!fp))\n\t\treturn;\n\n\tif (!(fault->prm.flags & IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE))\n"
                   "\t\texit(9);\n\n\tif (!(fault")  # fmt: skip
    file.write_text(changed(text, '#include "iommu-priv.h"\n', '#include "iommu-priv.h"\n\nextern void exit(int);\n'))
    core = Core._from_source(file, "explore")
    assert None is in_a_process(answer, Question(core, ()), 5.0)
    monkeypatch.setattr("iopf._probe.suspects", lambda cells, facets: True)
    table = check.check([core], ["partial", "remove-twice"])
    assert {"partial": True, "remove-twice": False} == {cell.scenario: cell.gone for cell in table.cells}
    assert [] == table.sources[0]["probed"]


def test_what_was_said_by_hand_is_not_asked(hidden):
    """The user's word stands."""
    core = Core._from_source(hidden / "removal.c", "explore")
    assert () == probe(core, ["removal"])
    told = {"lost_return", "removal", "answers", "answers_partials", "refusal_breaks", "response_waits"}
    assert {*told, "refusal_code", "nomem_code"} == set(PROBES)
    for facet in PROBES:
        assert facet not in [one.facet for one in probe(Core._from_source(FILES / "form-a.c", "explore"), [facet])]


def test_check_shows_the_contradiction_and_judges_the_file_as_what_it_does(hidden, command):
    """The line stands below the facets, which are the probe's; a facet that was said by hand is left as it is."""
    scenarios = ("--scenario", "partial", "--scenario", "free-queue-pending", "--no-cache")
    code, out, _ = command("check", hidden / "removal.c", *scenarios)
    assert 1 == code and " removal=frees" in out
    assert "removal is answers by its text, and frees by what it does" in out
    _, out, _ = command("check", hidden / "removal.c", "--facet", "removal=answers", *scenarios)
    assert " removal=answers" in out and "by what it does" not in out


def test_run_and_bench_refuse_what_a_probe_found(hidden, command):
    """In one line, and nothing ran: a partial request would free memory twice in this process."""
    trace = (SAMPLES / "perl.lackey.xz", "--maps", SAMPLES / "perl.maps")
    code, out, errors = command("run", *trace, "--core", hidden / "lost_return.c")
    assert (2, "", 1) == (code, out, errors.count("\n"))
    assert "can't run groups of several pages" in errors
    code, out, errors = command("bench", "--quick", "--json", "--core", hidden / "lost_return.c")
    assert 0 == code and "frees memory twice" in out
    assert "lost_return is false by its text" in errors
