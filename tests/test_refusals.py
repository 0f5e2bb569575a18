# SPDX-License-Identifier: GPL-2.0-only
"""Who gives the wrong file is told what it is, and an error is told at the user's own line."""

import shutil
from pathlib import Path

import pytest

from iopf import _refusals, cores
from iopf._source import CoreSourceError, _csrc, prepare

FILES = Path(__file__).resolve().parent / "kernel_files"
FORM = (FILES / "form-g.c").read_text()
CSRC = _csrc()
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


def refused(path, text=None, **options):
    """What is said of a file."""
    if text is not None:
        path.write_text(text)
    with pytest.raises(CoreSourceError) as caught:
        prepare(path, "explore", **options).compile()
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- what it is ---

PATCH = """From 1234 Mon Sep 17 00:00:00 2001
Subject: [PATCH] iommu: a put

--- a/drivers/iommu/io-pgfault.c
+++ b/drivers/iommu/io-pgfault.c
@@ -1,2 +1,2 @@ int iommu_report_device_fault(struct device *dev)
-old
+new
"""
GUARDED = "/* a comment */\n#ifndef X_H\n#define X_H\nstruct x {\n\tint y;\n};\n#endif\n"
NEIGHBOUR = "#include <linux/iommu.h>\n\nint iommu_attach_device(struct iommu_domain *domain,\n\t\t\tstruct device *dev)\n{\n\treturn 0;\n}\n"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.patch", PATCH, "This is a patch, and not a file: apply it"),
        ("io-pgfault.c", PATCH, "This is a patch"),
        ("iommu.h", "struct x;\n", "This is a header"),
        ("anything", GUARDED, "This is a header"),
        ("iommu.c", NEIGHBOUR, "This is drivers/iommu/iommu.c"),
        ("other.c", "int main(void)\n{\n\treturn 0;\n}\n", "This is not an io-pgfault.c"),
        ("io-pgfault.c", "", "This is not an io-pgfault.c"),
    ],
)
def test_what_a_file_is_that_is_none_of_the_forms_is_told(tmp_path, name, text, says):
    """With what is supported, and where the one is that is meant."""
    said = refused(tmp_path / name, text)
    assert says in said and "Supported: " in said
    if not says.startswith("This is not"):
        assert "io-pgfault.c" in said.partition(says)[2]


def test_the_file_beside_it_is_named(tmp_path):
    beside = tmp_path / "io-pgfault.c"
    beside.write_text(FORM)
    for name, text in (("iommu.c", NEIGHBOUR), ("iommu-priv.h", GUARDED), ("iova.c", "int main(void)\n{\n}\n")):
        assert f"what is checked is {beside}" in refused(tmp_path / name, text)


def test_a_form_is_never_taken_for_something_else():
    """Each of the files, and ours."""
    for path in [*FILES.glob("*.c"), CSRC / "core" / "io-pgfault.c"]:
        assert prepare(path, "explore").facets and None is _refusals.conflict(path.read_text())


CONFLICT = "<<<<<<< HEAD\n\tint a;\n=======\n\tint b;\n>>>>>>> theirs\n"


@pytest.mark.parametrize(
    "text", [CONFLICT, CONFLICT.replace("\n", "\r\n"), CONFLICT.replace("=======", "||||||| base\n=======")]
)
def test_a_merge_that_nobody_finished_is_told_with_its_line(tmp_path, text):
    """Also in a file whose functions are all there, before any compiler sees it."""
    said = refused(tmp_path / "io-pgfault.c", FORM + text, cc="false")
    assert f":{FORM.count(chr(10)) + 1}: a merge conflict is not resolved" in said


@pytest.mark.parametrize(
    "text", ["=======\n", "<<<<<<< a\n", ">>>>>>> a\n=======\n<<<<<<< a\n", " <<<<<<< a\n=======\n>>>>>>> b\n"]
)
def test_half_a_conflict_is_none(text):
    assert None is _refusals.conflict(text)


@pytest.mark.parametrize(
    "piece", ["<<<<<<< a\n", "a ", "a\n", "int x(", "#ifndef a\n", "iommu_attach_device(", "{", "(", "@@ "]
)
def test_a_large_file_is_told_as_soon_as_a_small_one(piece):
    """Of four megabytes of the same: each look goes over it once. It would never end else."""
    text = piece * ((4 << 20) // len(piece))
    assert None is _refusals.conflict(text)
    _refusals.what_it_is(Path("x.c"), text)
    _refusals.unfinished(text)


@pytest.mark.parametrize(
    ("change", "reasons", "not_said"),
    [
        (lambda t: t.replace('#include "iommu-priv.h"', ""), ['it does not include "iommu-priv.h"'], "exports"),
        (lambda t: t.replace("iopf_group_response", "iopf_answer"), ["it has no iopf_group_response()"], "include"),
        (
            lambda t: t + "\nint iommu_page_response(struct device *dev)\n{\n\treturn 0;\n}\n",
            ["it exports iommu_page_response()"],
            "has no",
        ),
        (
            lambda t: t.replace("iopf_group_response", "x").replace('#include "iommu-priv.h"', ""),
            ['does not include "iommu-priv.h"', "and has no iopf_group_response()"],
            "exports",
        ),
    ],
)
def test_a_form_from_before_v69_is_told_by_what_it_is_known_for(tmp_path, change, reasons, not_said):
    """That reason and no other, and a core of the build that has such a form."""
    said = refused(tmp_path / "io-pgfault.c", change(FORM))
    before = said.partition("--core locking")[0]
    assert "before v6.9" in before and all(reason in before for reason in reasons) and not_said not in before
    assert "locking" in cores()


def test_the_oldest_form_is_told_with_the_core_that_has_it(tmp_path):
    """Of each reason; the core's own file is refused so, too."""
    assert "it defines iommu_queue_iopf()" in refused(CSRC / "history" / "v5.14.c")
    assert "exports iommu_page_response()" in refused(CSRC / "history" / "lkml-v8.c")
    said = refused(tmp_path / "a.c", FORM.replace('"iommu-priv.h"', '"iommu-sva.h"'))
    assert 'it includes "iommu-sva.h". --core v5.14' in said and "v5.14" in cores()


# --- where an error is ---

_PLACE = "\tINIT_LIST_HEAD(&group->pending_node);\n"
UNDEFINED = FORM.replace(_PLACE, f"{_PLACE}\tcontainer_of(group, struct iopf_group_extend, group)->x = 1;\n")
LINE = UNDEFINED[: UNDEFINED.index("iopf_group_extend")].count("\n") + 1


@pytest.mark.parametrize("compiler", COMPILERS)
def test_an_error_in_a_macro_of_ours_is_told_at_the_line_that_uses_it(tmp_path, compiler):
    """Not in our header, which the user neither has nor wrote; and no compiler is blamed."""
    path = tmp_path / "io-pgfault.c"
    said = refused(path, UNDEFINED, cc=compiler)
    first = said.split("\n")[1].strip()
    assert first.startswith(f"{path}:{LINE}:") and "struct iopf_group_extend" in first
    assert "can't compile what iopf compiles" not in said and "Facets: " in said


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(
    "end", ["\nint broken(void)\n{\n\treturn 0;\n", "\nint broken(\n", "\n/* { */ int broken[] = {\n"]
)
def test_a_file_that_is_cut_off_is_told_so(tmp_path, compiler, end):
    """The first error is in what comes after it, which is ours."""
    path = tmp_path / "io-pgfault.c"
    said = refused(path, FORM + end, cc=compiler)
    assert "can't compile what iopf compiles" not in said
    first = said.split("\n")[1].strip()
    assert first.startswith(f"{path}:"), said


def test_the_error_of_another_place_stays_there():
    """A macro of the user's own header, an error that no macro leads to, another error's macro."""
    source = "/u/io-pgfault.c"
    use = f"{source}:7:2: note: in expansion of macro 'container_of'"
    header = "/i/container_of.h:11:3: error: bad thing"
    assert f"{source}:7:2: error: bad thing (in container_of)" == _refusals.in_the_file(
        header, f"{header}\n x\n{use}\n", source
    )
    assert None is _refusals.in_the_file(header, f"{header}\n/i/b.h:1:1: error: other\n{use}\n", source)
    assert None is _refusals.in_the_file(header, f"{header}\n/other.c:7:2: note: in expansion of macro 'x'\n", source)
    assert None is _refusals.in_the_file(header, "nothing of it", source)
    assert None is _refusals.unfinished("int x(void) { return (1); }")
