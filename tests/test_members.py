# SPDX-License-Identifier: GPL-2.0-only
"""What the headers of a kernel tree add to the structs that the file uses, and how a file is compiled with it."""

import importlib.util
import shlex
import shutil
from pathlib import Path

import pytest

from iopf import Core, Device, Inline, Queue, _members, _source, cli
from iopf._bench import Rig
from iopf._members import Member, added_by
from iopf._source import CoreSourceError, detect, prepare
from iopf.check import check
from iopf.explore import Scenario, explore

ROOT = Path(__file__).resolve().parent
FILES = ROOT / "kernel_files"
FORM = (FILES / "form-g.c").read_text()
CSRC = _source._csrc()
needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "cc", "clang"))), reason="no compiler")


def beside(name):
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TREES = beside("trees")
PUT = next(change for change in TREES.CHANGES.CHANGES if change.name == "a stored partial keeps the reference")
OURS = "struct iopf_group {\n\tstruct list_head faults;\n\tu32 a, b;\n};\nstruct iommu_domain {\n\tint type;\n};\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


def group(*lines):
    """A header with a struct iopf_group of these lines."""
    return "struct iopf_group {\n" + "".join(f"\t{line}\n" for line in lines) + "};\n"


def added(*lines):
    found = added_by([group(*lines)], [OURS])
    return [member.text for member in found.members], len(found.refused)


@pytest.fixture
def planted(tmp_path):
    """A function: a kernel tree with this file, and with these members in its struct iopf_group."""

    def plant(text, *lines, priv=""):
        path = TREES.plant(tmp_path / "linux", text)
        (tmp_path / "linux" / _members.HEADERS[0]).write_text("#include <linux/nowhere.h>\n" + group(*lines))
        (tmp_path / "linux" / _members.HEADERS[1]).write_text(priv)
        return path

    return plant


# --- reading ---


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bool response_pending;", ["bool response_pending"]),
        ("unsigned long\tflags ;", ["unsigned long flags"]),
        ("u32 x : 3, y:1;", ["u32 x : 3", "u32 y : 1"]),
        ("u64 x[4];", ["u64 x[4]"]),
        ("void *cookie2, **more;", ["void *cookie2", "void **more"]),
        ("struct iopf_owner __rcu *owner;", ["struct iopf_owner *owner"]),
        ("const struct iommu_ops *ops2;", ["struct iommu_ops *ops2"]),
        ("struct list_head owners;", ["struct list_head owners"]),
        ("struct mutex lock ____cacheline_aligned;", ["struct mutex lock"]),
        ("refcount_t users;", ["refcount_t users"]),
        ("enum iopf_state state;", ["unsigned int state"]),
        ("u32 b, c; /* b is known */", ["u32 c"]),
        ("/* bool commented; */ bool real; // bool other;", ["bool real"]),
        ("u32 a;", []),
    ],
)
def test_plain_members_are_read(line, expected):
    """Numbers, pointers, lists and locks, however they are written; what our struct has is none."""
    assert (expected, 0) == added(line)


@pytest.mark.parametrize(
    "line",
    [
        "struct unknown thing;",
        "struct { int x; } inner;",
        "union { int x; void *y; };",
        "int (*done)(struct iopf_group *group);",
        "u32 x[SIZE];",
        "struct list_head heads : 3;",
        "typeof(int) x;",
    ],
)
def test_what_is_not_plain_is_told_and_not_guessed(line):
    assert ([], 1) == added(line)


def test_conditions_in_a_struct_do_not_hide_a_member():
    lines = ("#ifdef CONFIG_X", "bool one;", "#else", "bool two;", "#endif")
    assert (["bool one", "bool two"], 0) == added(*lines)


def test_structs_that_nobody_lengthens_are_not_changed():
    """A device is iopf's own: a member at its end would lie in what comes after it."""
    ours = f"{OURS}struct device {{\n\tint type;\n}};\n"
    found = added_by(["struct device {\n\tint type;\n\tbool x;\n};\nstruct other {\n\tint y;\n};\n"], [ours])
    assert () == found.members
    assert ("struct device: bool x (iopf allocates this struct itself)",) == found.refused


def test_what_a_driver_allocates_begins_as_zeroes_or_is_begun_by_the_file():
    """A lock of a domain that another file of the patch initialises is none that could be taken."""
    header = "struct iommu_domain {\n\tint type;\n\tu32 hits;\n\tatomic_t *at;\n\tstruct mutex guard, other;\n};\n"
    uses = "domain->hits = 1; mutex_lock(&domain->guard); domain->at = &domain->other;"
    found = added_by([header], [OURS], uses)
    assert ["u32 hits", "atomic_t *at"] == [one.text for one in found.members]
    assert [f"struct iommu_domain: struct mutex guard, other ({_members._NOT_BEGUN})"] == list(found.refused)
    found = added_by([header], [OURS], f"{uses} mutex_init(&domain->guard); mutex_init(&domain->other);")
    assert 4 == len(found.members) and () == found.refused
    text = "struct iommu_domain: spinlock_t guard"
    assert _members.by_hand(text) == _members.by_hand(text, "spin_lock_init(&d->guard);")
    with pytest.raises(ValueError, match=_members._NOT_BEGUN):
        _members.by_hand(text, "spin_lock(&d->guard);")


def test_odd_headers_do_no_harm():
    """Braces that do not close, no struct at all, half a comment."""
    for text in (
        "",
        "struct iopf_group {",
        "}}};;;",
        "/*",
        "struct iopf_group { bool x; /* ",
        "\0\xff" * 100,
        "#" * 1000,
    ):
        assert () == added_by([text], [OURS]).members


def test_our_own_headers_add_nothing_to_themselves():
    """Each member of each struct is found: the parser reads what it will be given."""
    texts = [(CSRC / "include" / name).read_text() for name in ("linux/iommu.h", "iommu-priv.h")]
    found = added_by(texts, texts)
    assert () == found.members == found.refused
    known = _members._bodies(_members.without_comments(texts[0]))
    names = [name for one in _members._declarations(known["iopf_group"]) for name in _members._names(one)]
    assert {"last_fault", "faults", "fault_count", "pending_node", "attach_handle", "cookie"} <= set(names)
    assert set(_members.STRUCTS) <= set(known)


def test_every_struct_that_is_extended_has_a_table_of_its_members():
    """So that a trace can say the name; and every struct is found where the member goes."""
    types = (CSRC / "forms" / "layout.c").read_text()
    ours = (CSRC / "include" / "linux" / "iommu.h").read_text()
    for struct in _members.STRUCTS:
        member = Member(struct, "bool novel", "novel")
        assert f"IOPF_CORE_MEMBER(struct {struct}, novel)" in _members.types_with([member], types)
        body = _members._bodies(_members.without_comments(_members.header_with([member], ours)))[struct]
        assert "bool novel" in _members._declarations(body)
    bits = Member("iopf_group", "u32 novel : 1", "novel")
    assert _members.types_with([], types) == _members.types_with([bits], types)


def test_only_what_the_file_mentions_is_taken_or_told():
    """A kernel's header has hundreds of members and structs that are none of the file's business."""
    header = group("bool used;", "bool unused;", "struct odd strange;") + "struct iommu_domain {\n\tint geometry;\n};\n"
    found = added_by([header], [OURS], "group->used = 1;")
    assert (["bool used"], (), ()) == ([one.text for one in found.members], found.refused, found.more)
    found = added_by([header], [OURS], "group->strange = domain->geometry;")
    assert ["int geometry"] == [one.text for one in found.members] and 1 == len(found.refused)


def test_structs_and_constants_that_are_new_are_taken_whole():
    """Also one that has a struct of ours in it, as a backport with a padded interface does; what our headers or the file
    have themselves is not."""
    header = (
        '#define IOPF_MINE (1u << 3)\n#define IOPF_OTHER 2\n#define IOPF_CALL(x) x\n#define IOPF_TEXT "a"\n'
        "struct iopf_group_extend {\n\tstruct iopf_group group;\n\tbool pending;\n};\n"
        "struct iopf_odd {\n\tstruct unknown x;\n};\nstruct iopf_unused {\n\tint x;\n};\n"
    )
    code = "struct iopf_group_extend *e; struct iopf_odd *o; int x = IOPF_MINE + IOPF_CALL(IOPF_TEXT);"
    found = added_by([header], [OURS], code)
    assert ["struct iopf_group_extend", "#define IOPF_MINE"] == found.described
    assert "struct iopf_group group;\n\tbool pending;" in dict(found.more)["struct iopf_group_extend"]
    assert ["struct iopf_odd (something in it is of a type that iopf does not have)"] == list(found.refused)
    assert [] == added_by([header], [OURS], code, {"iopf_group_extend", "IOPF_MINE", "iopf_odd"}).described
    own = f"struct iopf_group_extend {{\n\tint x;\n}};\n{code}"
    assert ["#define IOPF_MINE"] == added_by([header], [OURS], own).described


# --- compiling ---

USES = FORM.replace(
    "\tINIT_LIST_HEAD(&group->pending_node);\n",
    "\tINIT_LIST_HEAD(&group->pending_node);\n\tgroup->response_pending = true;\n\tINIT_LIST_HEAD(&group->owners);\n"
    "\tspin_lock_init(&group->guard);\n",
)
MEMBERS = ("bool response_pending;", "struct list_head owners;", "spinlock_t guard;")


@needs_cc
def test_a_file_that_uses_a_member_of_its_trees_header_compiles(planted):
    """And not without it."""
    assert FORM != USES
    core = prepare(planted(USES, *MEMBERS), "explore")
    assert ["bool response_pending", "struct list_head owners", "spinlock_t guard"] == [
        member.text for member in core.added.members
    ]
    assert core.compile().library.exists()
    (core.source.parent.parent.parent / _members.HEADERS[0]).write_text(group("bool response_pending;"))
    with pytest.raises(CoreSourceError, match="owners"):
        prepare(core.source, "explore").compile()


@needs_cc
def test_a_file_whose_group_is_in_a_struct_of_its_header_compiles(planted):
    """And a constant of it."""
    text = FORM.replace(
        "\tINIT_LIST_HEAD(&group->pending_node);\n",
        "\tINIT_LIST_HEAD(&group->pending_node);\n\tif (0)\n"
        "\t\tcontainer_of(group, struct iopf_group_extend, group)->pending = IOPF_MINE;\n",
    )
    header = "#define IOPF_MINE (1u << 3)\nstruct iopf_group_extend {\n\tstruct iopf_group group;\n\tu32 pending;\n};\n"
    core = prepare(planted(text, priv=header), "explore")
    assert ["struct iopf_group_extend", "#define IOPF_MINE"] == core.added.described
    assert core.compile().library.exists()


@needs_cc
@pytest.mark.parametrize("runtime", ["native", "plain"])
def test_members_are_there_on_every_runtime(planted, runtime):
    assert prepare(planted(USES, *MEMBERS), runtime).compile().library.exists()


# As wide as a cache line: whatever lay behind the struct would be written.
LENGTHENED = "".join(
    f"struct {struct} {{\n\tu64 hits[8];\n}};\n" for struct in ("dev_iommu", "iommu_domain", "iommu_attach_handle")
)
HITS = FORM.replace(
    "\tgroup->attach_handle = h;\n",
    "\tgroup->attach_handle = h;\n\tmemset(h->domain->hits, 0x11, sizeof(h->domain->hits));\n"
    "\tmemset(h->hits, 0x22, sizeof(h->hits));\n\tdev->iommu->hits[7] += 1;\n",
)


@needs_cc
@pytest.mark.parametrize("runtime", ["native", "plain"])
def test_what_a_driver_allocates_is_as_long_as_the_file_has_it(planted, runtime):
    """And zeroed, where people run the file and where they time it: nothing that lies behind is written."""
    assert FORM != HITS
    core = Core._of_source(planted(HITS, priv=LENGTHENED), runtime)
    with Queue("q", workers=1, core=core, runtime=runtime) as queue:
        devices = [Device(f"d{n}") for n in range(8)]
        for device in devices:
            queue.add(device)
            device.attach(Inline(), pasid=1)
        for grpid in range(32):
            for device in devices:
                device.report(addr=0x1000, grpid=grpid, pasid=1)
        for device in devices:
            assert ["SUCCESS"] * 32 == [one.code.name for one in device.responses]
            queue.remove(device)
    with Rig(core, runtime) as rig:
        assert rig.groups(1000) > 0


@needs_cc
def test_the_explorer_names_what_headers_lengthened(planted):
    """A count that two reporters raise without a lock is raced for; what each reaches alone is in bounds."""
    scenario = Scenario("two reporters")
    queue = scenario.queue()
    device = scenario.device(queue, handler="inline", pasid=1)
    scenario.task("one").report(device, grpid=1, pasid=1)
    scenario.task("two").report(device, grpid=2, pasid=1)
    core = Core._of_source(planted(HITS, priv=LENGTHENED), "explore")
    result = explore(scenario, core=core, all_failures=True)
    assert {"data-race"} == {failure.kind for failure in result.failures}
    told = " ".join(str(failure) for failure in result.failures)
    assert "device#1.iommu.hits+56" in told and "domain#1.hits" in told and "handle#1.hits" in told
    alone = Scenario("one reporter")
    queue = alone.queue()
    device = alone.device(queue, handler="inline", pasid=1)
    alone.task("one").report(device, grpid=1, pasid=1)
    assert "pass" == explore(alone, core=core).verdict


@needs_cc
def test_what_can_not_be_taken_over_is_told_where_the_compile_fails(planted):
    """With the reason, beside the compiler's first error."""
    text = FORM.replace(
        "\tINIT_LIST_HEAD(&group->pending_node);\n", "\tINIT_LIST_HEAD(&group->pending_node);\n\tgroup->odd.x = 1;\n"
    )
    with pytest.raises(CoreSourceError) as caught:
        prepare(planted(text, "struct strange odd;"), "explore").compile()
    assert "struct iopf_group: struct strange odd (of a type that iopf does not have)" in str(caught.value)


def test_a_header_that_adds_something_else_gives_another_core(planted):
    """The key of what is kept; what the header says besides does not matter."""
    first = prepare(planted(USES, *MEMBERS), "explore")
    header = first.source.parent.parent.parent / _members.HEADERS[0]
    header.write_text(group("u32 response_pending;", *MEMBERS[1:]))
    second = prepare(first.source, "explore")
    assert first.digest != second.digest and first.behaviour != second.behaviour
    header.write_text(
        "#define MORE 1\n" + group("/* one */ u32 response_pending;", *MEMBERS[1:], "bool nobody_uses_it;")
    )
    third = prepare(first.source, "explore")
    assert (second.digest, second.behaviour) == (third.digest, third.behaviour)


def test_a_file_in_no_tree_has_no_headers(tmp_path):
    """Whatever lies beside it."""
    path = tmp_path / "io-pgfault.c"
    path.write_text(FORM)
    (tmp_path / "iommu-priv.h").write_text(group("bool x;"))
    assert [] == _members.own_headers(path) and not prepare(path, "explore").added


def test_private_headers_count_too_and_unreadable_ones_are_none(planted):
    core = prepare(planted(f"{FORM}/* y */ enum {{ x }};\n", priv=group("bool x;", "bool y;")), "explore")
    assert ["bool x"] == [member.text for member in core.added.members]
    for name in _members.HEADERS:
        path = core.source.parent.parent.parent / name
        path.unlink()
        path.mkdir()
    assert not prepare(core.source, "explore").added


# --- by hand ---


def helper_of(path, body):
    path.write_text(body)
    return path


@pytest.fixture
def command(capsys):
    """A command line in this process: exit code, output, errors."""

    def command(*arguments):
        code = cli.main(["check", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


ONE = ("--core", "iopf", "--scenario", "partial")
NEEDS = FORM.replace(
    "\tINIT_LIST_HEAD(&group->pending_node);\n",
    "\tINIT_LIST_HEAD(&group->pending_node);\n\tgroup->response_pending = MINE;\n",
)


@needs_cc
def test_members_and_headers_can_be_said_by_hand(command, tmp_path):
    """Both are needed, both are shown, and what is said wins over what a header of the tree has."""
    source, header = helper_of(tmp_path / "f.c", NEEDS), helper_of(tmp_path / "mine.h", "#define MINE true\n")
    member = "struct iopf_group: bool response_pending"
    assert 2 == command(source, *ONE, "--member", member)[0]
    assert 2 == command(source, *ONE, "--include", header)[0]
    code, output, _ = command(source, *ONE, "--member", member, "--include", header)
    assert 0 == code and f"members={member}" in output and f"include={header}" in output
    assert f"its headers add: {member}" in output
    path = TREES.plant(tmp_path / "linux", FORM)
    (tmp_path / "linux" / _members.HEADERS[0]).write_text(group("u32 response_pending;", "u32 other;"))
    core = prepare(path, "explore", facets={"members": member})
    assert ["bool response_pending"] == [one.text for one in core.added.members]


@needs_cc
def test_a_replay_has_what_was_said_by_hand(tmp_path, capsys):
    """The line to paste names it, and the token alone does."""
    source, header = (
        helper_of(tmp_path / "f.c", PUT.apply(NEEDS)),
        helper_of(tmp_path / "mine.h", "#define MINE true\n"),
    )
    facets = {"members": "struct iopf_group: bool response_pending", "include": str(header)}
    table = check([Core._of_source(source, "explore", facets=facets)], ["partial"])
    (finding,) = table.cells[0].findings
    assert f"--facet include={header}" in finding.command and "members=struct iopf_group" in finding.command
    assert 1 == cli.main(["replay", finding.token])
    assert 1 == cli.main(shlex.split(finding.command)[1:])
    capsys.readouterr()


def test_what_is_included_is_in_the_key(tmp_path):
    source, header = helper_of(tmp_path / "f.c", FORM), helper_of(tmp_path / "mine.h", "")
    digests = [prepare(source, "explore").digest]
    for text in ("", "#define X 1\n", "#define X 2\n"):
        header.write_text(text)
        one = prepare(source, "explore", facets={"include": str(header)})
        digests += [one.digest, one.behaviour]
    assert len(digests) == len(set(digests))
    header.unlink()
    with pytest.raises(CoreSourceError, match=r"mine\.h, which is to be included: No such file"):
        prepare(source, "explore", facets={"include": str(header)})


@needs_cc
def test_an_error_in_what_is_included_is_shown_there(command, tmp_path):
    source, header = helper_of(tmp_path / "f.c", FORM), helper_of(tmp_path / "mine.h", "\nint broken(\n")
    code, output, errors = command(source, *ONE, "--include", header)
    assert (2, "") == (code, output) and "can't compile what iopf compiles" not in errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--member", "response_pending"), "takes 'struct iopf_group: bool response_pending'"),
        (("--member", "struct dev_iommu: spinlock_t x"), "whoever allocates this struct initialises it"),
        (("--member", "struct device: bool x"), "can be added to struct iopf_group, struct iommu_fault_param"),
        (("--member", "struct iopf_group: struct odd x"), "its type is none that iopf has"),
        (("--member", "struct iopf_group: bool x; }; int y"), "takes 'struct iopf_group: bool response_pending'"),
        (("--include", "/no/such.h"), "--include /no/such.h: there is no such file"),
        (("--include", ""), "there is no such file"),
        (("--call", "flush=x"), "takes dequeue=NAME"),
        (("--call", "dequeue=a b"), "takes dequeue=NAME"),
        (("--call", "dequeue=nothing"), "no file here defines nothing()"),
        (("--facet", "dequeue_name=1x"), "facet dequeue_name is the name of a function"),
        (("--facet", 'include=a"b'), "facet include is paths of files"),
    ],
)
def test_what_can_not_be_had_is_refused(command, tmp_path, options, says):
    source = helper_of(tmp_path / "f.c", FORM)
    code, output, errors = command(source, *ONE, *options)
    assert (2, "") == (code, output)
    assert says in errors and "Traceback" not in errors
    if options[0] != "--facet":
        assert 2 == command(*ONE, *options)[0]


# --- the call that takes a group from removal ---

DEQUEUE = (FILES / "form-j.c").read_text()
RENAMED = DEQUEUE.replace("iopf_group_dequeue", "iopf_group_take_ownership")
_AT = "void iopf_group_take_ownership(struct iopf_group *group)\n{"
_BODY = RENAMED.partition(_AT)[2].partition("\n}\n")[0]
#: It leaves the unlinking to another function.
SPLIT = RENAMED.replace(
    f"{_AT}{_BODY}\n}}\n",
    f"static void unlink_group(struct iopf_group *group)\n{{{_BODY}\n}}\n\n{_AT}\n\tunlink_group(group);\n}}\n",
)
#: Two that could be it.
TWO = f"{SPLIT}\nvoid iopf_group_show(struct iopf_group *group)\n{{\n}}\n"


def test_a_call_with_another_name_is_found_by_what_it_does():
    """It unlinks a group; or, where removal frees groups, it is the only one that is new. Else nothing is guessed."""
    assert RENAMED != SPLIT and "unlink_group" in SPLIT
    found = [(facets.dequeue, facets.dequeue_name) for facets in map(detect, (DEQUEUE, RENAMED, SPLIT, TWO))]
    assert [(True, ""), (True, "iopf_group_take_ownership"), (True, "iopf_group_take_ownership"), (False, "")] == found
    for form in FILES.glob("*.c"):
        assert "" == detect(form.read_text()).dequeue_name
    answers = f"{FORM}\nvoid iopf_group_show(struct iopf_group *group)\n{{\n}}\n"
    assert not detect(answers).dequeue


@needs_cc
def test_a_renamed_call_is_no_new_failure(command, tmp_path):
    """And where it can't be told, that is said, and no core is blamed for it: --call says which it is."""
    base, rows = FILES / "form-j.c", ("--scenario", "move-held-answer", "--scenario", "remove-held-group")
    for text in (RENAMED, SPLIT):
        code, output, _ = command(helper_of(tmp_path / "f.c", text), "--baseline", base, *rows)
        assert 0 == code and "dequeue_name=iopf_group_take_ownership" in output
    source = helper_of(tmp_path / "two.c", TWO)
    code, output, errors = command(source, "--baseline", base, *rows)
    assert (2, "") == (code, output)
    assert "iopf_group_take_ownership() and iopf_group_show()" in errors and "--call dequeue=NAME" in errors
    # What would be told without the question: a bug of the core's that is none.
    code, output, _ = command(source, *rows, "--facet", "dequeue=false")
    assert 1 == code and "use-after-free" in output and "the driver kept its contract" in output
    assert "use-after-free" not in command(source, *rows, "--call", "dequeue=iopf_group_take_ownership")[1]
    code, output, _ = command(source, "--baseline", base, *rows, "--call", "dequeue=iopf_group_take_ownership")
    assert 0 == code and "2 cells compared: no difference" in output
