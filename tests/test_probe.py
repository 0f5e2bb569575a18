# SPDX-License-Identifier: GPL-2.0-only
"""A file is what it does, and not what its text looks like: probes, and what follows from them."""

import subprocess
import sys
from pathlib import Path

import pytest

import iopf
from iopf._cores import Core
from iopf._probe import PROBES, corrected, probe

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
    """Report fails and does not answer: the driver has to, whatever the text looked like. And the other way round."""
    core = Core._from_source(FILES / "form-c.c", "explore", facets={"answers": "all"})
    assert [("answers", "nothing")] == [(one.facet, one.found) for one in probe(core)]
    for form, answers in (("form-h", "all"), ("form-e", "all"), ("form-d", "aborts")):
        core = Core._from_source(FILES / f"{form}.c", "explore", facets={"answers": "nothing"})
        assert ("answers", answers) in [(one.facet, one.found) for one in probe(core)], form


def test_what_was_said_by_hand_is_not_asked(hidden):
    """The user's word stands."""
    core = Core._from_source(hidden / "removal.c", "explore")
    assert () == probe(core, ["removal"])
    assert {"lost_return", "removal", "answers", "answers_partials"} == set(PROBES)


def command(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "iopf", *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


def test_check_shows_the_contradiction_and_judges_the_file_as_what_it_does(hidden, tmp_path):
    """The line stands below the facets, which are the probe's; a facet that was said by hand is left as it is."""
    scenarios = ("--scenario", "partial", "--scenario", "free-queue-pending", "--no-cache")
    done = command("check", hidden / "removal.c", *scenarios, cwd=tmp_path)
    assert 1 == done.returncode and " removal=frees" in done.stdout, done.stdout + done.stderr
    assert "removal is answers by its text, and frees by what it does" in done.stdout
    done = command("check", hidden / "removal.c", "--facet", "removal=answers", *scenarios, cwd=tmp_path)
    assert " removal=answers" in done.stdout and "by what it does" not in done.stdout


def test_run_and_bench_refuse_what_a_probe_found(hidden, tmp_path):
    """In one line, and nothing ran: a partial request would free memory twice in this process."""
    trace = (SAMPLES / "perl.lackey.xz", "--maps", SAMPLES / "perl.maps")
    done = command("run", *trace, "--core", hidden / "lost_return.c", cwd=tmp_path)
    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n")), done
    assert "can't run groups of several pages" in done.stderr
    done = command("bench", "--quick", "--json", "--core", hidden / "lost_return.c", cwd=tmp_path)
    assert 0 == done.returncode and "frees memory twice" in done.stdout
    assert "lost_return is false by its text" in done.stderr
