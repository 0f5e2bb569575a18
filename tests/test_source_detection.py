# SPDX-License-Identifier: GPL-2.0-only
"""A user's own io-pgfault.c: the form is read from its text, and the file is compiled as it is, wherever it lies."""

import ctypes
import importlib.util
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from iopf import _source
from iopf._source import CoreSourceError, compile_core, detect

FILES = Path(__file__).resolve().parent / "kernel_files"

#: file: report, response, remove, lookup, pending, answers, removal, and the flags that are set
FORMS = {
    "form-a": ("int", "int", "int", "domain", "copies", "nothing", "refuses", set()),
    "form-b": ("int", "int", "void", "domain", "copies", "nothing", "answers", set()),
    "form-c": ("int", "int", "void", "domain", "groups", "nothing", "answers", set()),
    "form-d": ("int", "void", "void", "domain", "groups", "aborts", "answers", set()),
    "form-e": ("void", "void", "void", "domain", "groups", "all", "answers", set()),
    "form-e-lost-return": ("void", "void", "void", "domain", "groups", "all", "answers", {"lost_return"}),
    "form-e-vendor": ("void", "void", "void", "domain", "groups", "all", "frees", {"lost_return"}),
    "form-f": ("void", "void", "void", "handle", "groups", "all", "answers", set()),
    "form-f-lost-return": ("void", "void", "void", "handle", "groups", "all", "answers", {"lost_return"}),
    "form-g": ("int", "void", "void", "handle", "groups", "all", "answers", {"answers_partials"}),
    "form-h": ("int", "void", "void", "handle", "groups", "all", "frees", {"answers_partials"}),
    "form-i": ("int", "void", "void", "handle", "groups", "all", "frees", {"answers_partials", "kzalloc_obj"}),
    "form-j": ("int", "void", "void", "handle", "groups", "all", "frees",
               {"answers_partials", "kzalloc_obj", "dequeue", "response_unconditional"}),
    "form-j-backport": ("int", "void", "void", "handle", "groups", "all", "frees",
                        {"answers_partials", "dequeue", "response_unconditional"}),
}  # fmt: skip
FLAGS = ("response_unconditional", "dequeue", "answers_partials", "kzalloc_obj", "lost_return")


def beside(name):
    """A module that lies with the kernel files."""
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHANGES, TREES = beside("changes"), beside("trees")


def compile_quickly(path, runtime="explore", **options):
    """compile_core() where the runtime does not matter: for the one that takes half the time."""
    return compile_core(path, runtime, **options)


def text_of(form):
    return (FILES / f"{form}.c").read_text()


def summary(facets):
    return (facets.report, facets.response, facets.remove, facets.lookup, facets.pending, facets.answers,
            facets.removal, {flag for flag in FLAGS if getattr(facets, flag)})  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Compiled cores of a test are its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("CC", raising=False)
    return folder


@pytest.fixture
def kernel_tree(tmp_path):
    """A function that puts a form into a tree as a developer has it: the real headers lie around it, as #errors."""

    def plant(form, text=None):
        return TREES.plant(tmp_path / "linux", text_of(form) if text is None else text)

    return plant


@pytest.fixture(scope="module")
def compiled(kernel_trees):
    """The forms compiled for the runtimes on threads, and the changes for the explorer."""
    kernel_trees.compile(
        [(form, runtime) for form in FORMS for runtime in ("native", "plain")]
        + [(change.name, "explore") for change in CHANGES.CHANGES]
    )
    return kernel_trees


# --- detection ---


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_from_its_text(form):
    assert summary(detect(text_of(form))) == FORMS[form]


def test_the_table_covers_every_file():
    assert sorted(path.stem for path in FILES.glob("*.c")) == sorted(FORMS)


def test_the_files_are_what_the_generator_writes():
    generate = beside("generate")
    assert {form.name: generate.text(form) for form in generate.FORMS} == {form: text_of(form) for form in FORMS}


def test_our_own_core_is_a_form_too():
    source = _source._csrc() / "core" / "io-pgfault.c"
    facets = detect(source.read_text())
    assert (facets.lookup, facets.removal, facets.form) == ("counted-handle", "answers", "the reviewed design")


def test_form_f_which_no_file_stands_for():
    """v6.11 had attach handles and a void report."""
    text = text_of("form-g").replace("int iommu_report_device_fault(", "void iommu_report_device_fault(")
    assert detect(text).report == "void"
    assert detect(text).form.startswith("v6.11")


def test_a_vendor_tree_may_mix_facets():
    """Form E with the leak fix: a backport."""
    text = text_of("form-e").replace(
        "\t\tlist_del_init(&group->pending_node);\n\t}\n\tmutex_unlock(&fp->lock);\n\n\tlist_del(",
        "\t\tlist_del_init(&group->pending_node);\n\t\tiopf_free_group(group);\n\t}\n\tmutex_unlock(&fp->lock);\n\n\tlist_del(",
    )
    assert text != text_of("form-e")
    assert summary(detect(text)) == ("void", "void", "void", "domain", "groups", "all", "frees", set())


DECOYS = """
/* int iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	iopf_free_group(group);
} */
// static int iommu_page_response(struct iopf_group *group) { } \\
int iommu_queue_iopf(struct iommu_fault *fault, void *cookie) { }
static const char *const decoy __attribute__((unused)) =
	"void iopf_group_dequeue(struct iopf_group *group) { } /* \\" kzalloc_obj(x) */ // ";
#if 0
int iopf_queue_remove_device(struct iopf_queue *queue, struct device *dev)
{
	return iommu_attach_handle_get_for_fault(dev);
}
#ifdef NESTED
#else
void iopf_group_dequeue(struct iopf_group *group)
{
}
#endif
#endif
"""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_comments_strings_and_disabled_code_tell_nothing(form, where):
    text = DECOYS + text_of(form) if where == "before" else text_of(form) + DECOYS
    assert summary(detect(text)) == FORMS[form]


def test_if_0_keeps_its_else():
    text = "#if 0\nint broken(\n#else\n" + text_of("form-h") + "\n#endif\n"
    assert summary(detect(text)) == FORMS["form-h"]


def test_a_definition_may_be_broken_over_lines_and_annotated():
    text = text_of("form-g").replace(
        "int iommu_report_device_fault(struct device *dev, ",
        "int __must_check\niommu_report_device_fault(struct device *dev,\n\t",
    )
    assert summary(detect(text)) == FORMS["form-g"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: "int main(void)\n{\n\treturn 0;\n}\n", "not an io-pgfault.c"),
        (lambda t: "", "not an io-pgfault.c"),
        (lambda t: t.replace('"iommu-priv.h"', '"iommu-sva.h"'), "v6.8 or older"),
        (
            lambda t: t + "\nint iommu_queue_iopf(struct iommu_fault *fault, void *cookie)\n{\n\treturn 0;\n}\n",
            "v6.8 or older",
        ),
        (lambda t: t.replace('#include "iommu-priv.h"', ""), "before v6.9"),
        (lambda t: t.replace('#include "iommu-priv.h"', '/* #include "iommu-priv.h" */'), "before v6.9"),
        (lambda t: t + "\nint iommu_page_response(struct device *dev)\n{\n\treturn 0;\n}\n", "before v6.9"),
        (lambda t: t.replace("iopf_group_response", "iopf_answer"), "before v6.9"),
        (lambda t: t.replace("pending_node", "waiting_node"), "no pending_node"),
        (lambda t: t.replace("iopf_queue_discard_partial", "iopf_queue_drop"), "iopf_queue_discard_partial"),
        (lambda t: t.replace("iommu_attach_handle_get(", "iommu_handle_of("), "finds its handler neither"),
        (lambda t: t.replace("int iommu_report_device_fault(", "bool iommu_report_device_fault("), "returns 'bool'"),
    ],
)
def test_what_is_none_of_the_forms_is_refused_with_what_is_supported(change, says):
    with pytest.raises(CoreSourceError) as caught:
        detect(change(text_of("form-h")))
    assert says in str(caught.value)
    assert "Supported: drivers/iommu/io-pgfault.c of v6.9 or newer" in str(caught.value)


# --- facets ---


def test_facets_can_be_overridden_by_name_and_are_checked():
    facets = detect(text_of("form-g")).override(removal="frees", dequeue=True)
    assert (facets.removal, facets.dequeue) == ("frees", True)
    with pytest.raises(ValueError, match="no facet colour"):
        facets.override(colour="red")
    with pytest.raises(ValueError, match="facet removal is one of refuses, answers, frees"):
        facets.override(removal="maybe")
    with pytest.raises(ValueError, match="facet dequeue is True or False"):
        facets.override(dequeue="yes")


def test_macros_are_known_to_the_facets_header():
    known = (_source._csrc() / "forms" / "facets.h").read_text()
    for form in FORMS:
        for macro, value in detect(text_of(form)).macros().items():
            assert f"#ifndef {macro}\n" in known
            assert value in {"int", "void", "0", "1"} or f"#define {value} " in known


@pytest.mark.parametrize(
    ("form", "core"),
    [
        ("form-a", "refcount"),
        ("form-b", "remove-void"),
        ("form-c", "track-group"),
        ("form-d", "void-response"),
        ("form-e-lost-return", "v6.9"),
        ("form-g", "v6.12"),
        ("form-h", "v6.14"),
        ("form-j", "v7.2"),
    ],
)
def test_the_history_gives_its_cores_the_facets_that_detection_finds(form, core):
    """They are written apart: the headers in csrc/history/facets, and the rules here."""
    header = (_source._csrc() / "history" / "facets" / f"{core}.h").read_text()
    given = dict(re.findall(r"^#define (FACET_\w+) (\w+)$", header, re.M))
    assert given.pop("FACET_CLAIMS_CORRECT") == "0"
    ours = detect((_source._csrc() / "core" / "io-pgfault.c").read_text())
    assert {**ours.macros(), **given} == detect(text_of(form)).macros()


# --- compiling ---

needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "cc", "clang"))), reason="no C compiler")


@needs_cc
@pytest.mark.parametrize("runtime", ["native", "plain"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_compiles_beside_a_decoy_header_that_is_an_error(form, runtime, compiled):
    core = compiled.core(form, runtime)
    assert summary(core.facets) == FORMS[form]
    assert core.warnings == ""
    table = ctypes.CDLL(str(core.library))
    name = ctypes.c_char_p.in_dll(table, core.symbol)  # the table's first field
    assert name.value == b"io-pgfault.c"


@needs_cc
@pytest.mark.parametrize("change", CHANGES.CHANGES, ids=lambda change: change.name)
def test_a_wrong_line_still_compiles_and_is_still_the_form_that_it_was(change, compiled):
    unconditional = "does not ask" in change.name
    core = compiled.core(change.name, "explore")
    assert core.facets.override(response_unconditional=False) == detect(text_of(CHANGES.BASE))
    assert core.facets.response_unconditional == unconditional
    assert core.warnings == ""
    assert text_of(CHANGES.BASE).split("\n")[change.line(text_of(CHANGES.BASE)) - 1] not in ("", "{", "}")


@needs_cc
def test_nothing_is_written_beside_the_file(kernel_tree):
    path = kernel_tree("form-h")
    before = sorted(path.parent.iterdir())
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        core = compile_quickly(path)
    finally:
        path.parent.chmod(stat.S_IRWXU)
    assert sorted(path.parent.iterdir()) == before
    assert not core.library.is_relative_to(path.parent)


@needs_cc
def test_file_names_and_line_tables_show_the_users_path(compiled):
    library = compiled.core("form-h", "native").library
    assert str(compiled.paths["form-h"]).encode() in library.read_bytes()
    assert b".compiling-" not in library.read_bytes()


@needs_cc
def test_the_line_map_leads_to_the_users_lines(compiled):
    if not shutil.which("objdump"):
        pytest.skip("no binutils")
    path = compiled.paths["form-h"]
    text = Path(f"{compiled.core('form-h', 'native').library}.lines").read_text()
    files = re.findall(r"^F \w+ (.*)$", text, re.M)
    assert [name for name in files if name.startswith(str(path.parents[2]))] == [str(path)]
    lines = {int(n) for n in re.findall(rf"^L \w+ (\d+) {files.index(str(path))}\b", text, re.M)}
    source = path.read_text().split("\n")
    wanted = {i for i, line in enumerate(source, 1) if "flush_workqueue" in line or "kfree_rcu" in line}
    assert wanted <= lines


@needs_cc
def test_only_the_table_leaves_the_library(compiled):
    if not shutil.which("nm"):
        pytest.skip("no binutils")
    core = compiled.core("form-j", "native")
    symbols = subprocess.run(["nm", "-D", "--defined-only", core.library], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in symbols.stdout.splitlines()] == [core.symbol]


@needs_cc
def test_the_cache_knows_an_edit_a_facet_and_a_name(kernel_tree):
    path = kernel_tree("form-g")
    first = compile_quickly(path)
    assert (first.cached, compile_quickly(path).cached) == (False, True)
    others = [
        compile_quickly(path, facets={"removal": "frees"}),
        compile_quickly(path, name="mine"),
        compile_quickly(path, "plain"),
    ]
    path.write_text(path.read_text() + "\n/* edited */\n")
    others.append(compile_quickly(path))
    assert [other.cached for other in others] == [False] * 4
    assert len({first.library, *(other.library for other in others)}) == 5
    assert first.library.exists()


def compiled_elsewhere(path):
    """The library, compiled by a process that has ended: nobody uses it."""
    code = (
        "import sys\nfrom iopf._source import compile_core\nprint(compile_core(sys.argv[1], name='elsewhere').library)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@needs_cc
def test_the_cache_forgets_what_was_not_used_for_a_month(kernel_tree):
    path = kernel_tree("form-g")
    unused, used = compiled_elsewhere(path), compile_quickly(path, name="used")
    for library in (unused, used.library):
        os.utime(library.parent, (0, 0))
    assert compile_quickly(path, name="used").cached
    compile_quickly(path, name="new")
    assert (unused.exists(), used.library.exists()) == (False, True)


@needs_cc
def test_a_link_to_the_file_and_an_odd_name_compile(kernel_tree, tmp_path):
    path = kernel_tree("form-h")
    link = tmp_path / 'my "patched" pgfault ü.c'
    link.symlink_to(path)
    core = compile_quickly(link)
    assert core.name == link.name
    assert str(link).encode() in core.library.read_bytes()


@needs_cc
def test_an_include_from_the_users_tree_is_an_error_and_not_a_surprise(kernel_tree):
    path = kernel_tree("form-h")
    (path.parent / "private.h").write_text("#define HARMLESS 1\n")
    path.write_text(f'#include "{path.parent}/private.h"\n' + path.read_text())
    with pytest.raises(CoreSourceError, match=r"took .*private\.h from the file's own tree"):
        compile_core(path)


@needs_cc
def test_the_compilers_first_error_names_file_and_line(kernel_tree):
    path = kernel_tree("form-h")
    lines = path.read_text().split("\n")
    where = next(i for i, line in enumerate(lines) if "flush_workqueue(" in line)
    lines[where] = "\tflush_workqueue(fp->queue->wq;"
    path.write_text("\n".join(lines))
    with pytest.raises(CoreSourceError) as caught:
        compile_core(path)
    assert caught.value.first_error.startswith(f"{path}:{where + 1}:")
    assert caught.value.first_error in str(caught.value)
    assert "Supported:" in str(caught.value)
    assert ".compiling-" not in str(caught.value) + caught.value.output


@needs_cc
@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("flush_workqueue(fp->queue->wq);", "drain_workqueue_gently(fp->queue->wq);", "drain_workqueue_gently"),
        ("fp->dev = dev;", "fp->dev = dev;\n\tfp->response_pending = true;", "response_pending"),
        ("#include <linux/slab.h>", "#include <linux/slab.h>\n#include <linux/iova.h>", "linux/iova.h"),
    ],
)
def test_a_part_of_the_kernel_that_we_do_not_have_is_named(kernel_tree, old, new, names):
    path = kernel_tree("form-h", text_of("form-h").replace(old, new))
    with pytest.raises(CoreSourceError) as caught:
        compile_core(path)
    assert names in caught.value.first_error


@needs_cc
def test_wrong_facets_are_shown_when_the_compile_fails(kernel_tree):
    with pytest.raises(CoreSourceError) as caught:
        compile_core(kernel_tree("form-h"), facets={"remove": "int", "removal": "refuses"})
    assert "conflicting types" in caught.value.first_error
    assert "remove=int" in str(caught.value)


def test_a_missing_file_compiler_and_runtime_are_told_in_words(kernel_tree, tmp_path, monkeypatch):
    path = kernel_tree("form-h")
    with pytest.raises(CoreSourceError, match="No such file"):
        compile_core(tmp_path / "nothing.c")
    with pytest.raises(CoreSourceError, match="Is a directory"):
        compile_core(path.parent)
    with pytest.raises(CoreSourceError, match="compiler 'no-such-cc' can't be found"):
        compile_core(path, cc="no-such-cc")
    with pytest.raises(CoreSourceError, match="no runtime 'marble'"):
        compile_core(path, "marble")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CoreSourceError, match="there is no C compiler: install gcc"):
        compile_core(path)


def test_a_refused_file_is_named(kernel_tree):
    path = kernel_tree("form-h", "int main(void)\n{\n}\n")
    with pytest.raises(CoreSourceError, match=re.escape(str(path))):
        compile_core(path)


def test_errors_cross_process_boundaries():
    error = pickle.loads(pickle.dumps(CoreSourceError("no", number=2, first_error="e", output="o")))
    assert (str(error), error.errno, error.first_error, error.output) == ("no", 2, "e", "o")


@needs_cc
def test_a_cache_that_cannot_be_written_is_replaced(kernel_tree, tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a-file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    core = compile_quickly(kernel_tree("form-h"))
    assert core.library.is_relative_to(tmp_path / f"iopf-cores-{os.getuid()}")
