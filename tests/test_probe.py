# SPDX-License-Identifier: GPL-2.0-only
"""A file is what it does, and not what its text looks like: probes, and what follows from them."""

from pathlib import Path

import pytest

import iopf
from iopf import check
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


#: The facet that the text does not show, what it is, and a file in which it is so.
HIDDEN = {
    "lost_return": (True, lost_in_an_int_form),
    "removal": ("frees", removal_with_a_helper),
    "answers_partials": (True, partials_answered_by_a_helper),
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


ABORT = "\tiopf_group_response(group, IOMMU_PAGE_RESP_FAILURE);\n"
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
    monkeypatch.setattr(check, "suspects", lambda cells, facets: True)
    table = check.check([core], ["partial", "remove-twice"])
    assert {"partial": True, "remove-twice": False} == {cell.scenario: cell.gone for cell in table.cells}
    assert [] == table.sources[0]["probed"]


def test_what_was_said_by_hand_is_not_asked(hidden):
    """The user's word stands."""
    core = Core._from_source(hidden / "removal.c", "explore")
    assert () == probe(core, ["removal"])
    assert {"lost_return", "removal", "answers", "answers_partials"} == set(PROBES)


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
