# SPDX-License-Identifier: GPL-2.0-only
"""Trees and revisions: a repository is made with git, and ``iopf check`` reads from its object store."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iopf import _revisions, cli
from iopf._revisions import FILE, Tree, find_tree

ROOT = Path(__file__).resolve().parent.parent
FILES = Path(__file__).resolve().parent / "kernel_files"
ROWS = ("partial", "refusal")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


def beside(name):
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", FILES / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REPOSITORY = beside("revisions")
FIRST_BAD, BROKEN, FOLDED = REPOSITORY.FIRST_BAD, REPOSITORY.BROKEN, REPOSITORY.FOLDED


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where this module's cache is: every test but those about it may take what another has found."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The ten revisions; no test changes it."""
    return REPOSITORY.Repository(tmp_path_factory.mktemp("repository") / "linux")


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(home / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return home / "cache"


@pytest.fixture
def command(capsys):
    """A command line in this process: exit code, output, errors."""

    def command(*arguments, rows=ROWS):
        options = [option for row in rows for option in ("--scenario", row)]
        code = cli.main(["check", *(str(argument) for argument in arguments), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def data(command):
    """The same with --json: exit code and data."""

    def data(*arguments, rows=ROWS):
        code, output, errors = command(*arguments, "--json", rows=rows)
        assert output, errors
        return code, json.loads(output)

    return data


def unusable(result, *words):
    code, output, errors = result
    assert (2, "") == (code, output)
    assert "Traceback" not in errors and errors.startswith("iopf: "), errors
    for word in words:
        assert word in errors


def short(repository, number):
    return repository.commits[number][:12]


def cells(table, row):
    return {cell["core"]: cell for cell in table["cells"] if cell["scenario"] == row}


# --- a tree ---


def test_a_tree_is_its_file_with_what_its_headers_add(data, repository):
    """The work tree as it is, whatever is committed."""
    code, table = data(repository.tree)
    assert 1 == code
    source = table["cores"][0]["source"]
    assert str(repository.tree / FILE) == source["path"]
    # What the file does not mention (cookie2) is nothing to it.
    expected = ["bool response_pending", "struct list_head owners"]
    assert [f"struct iopf_group: {member}" for member in expected] == source["members"]


def test_what_is_no_tree_is_told(command, tmp_path, monkeypatch):
    unusable(command(tmp_path), f"{tmp_path}: Is a directory, and no kernel tree: it has no {FILE}")
    unusable(command(tmp_path, "--rev", "HEAD"), f"{tmp_path}: git says: ", "not a git repository")
    unusable(command(tmp_path / "none", "--rev", "HEAD"), "--rev is about one TREE")
    monkeypatch.setenv("PATH", str(tmp_path))
    unusable(command(tmp_path, "--rev", "HEAD"), "git, which is not installed")


def test_the_tree_around_a_directory_is_found(repository, tmp_path):
    assert repository.tree == find_tree(repository.tree / "drivers" / "iommu") == find_tree(repository.tree)
    assert find_tree(tmp_path) is None


# --- revisions ---


def test_a_range_has_a_column_for_each_commit_that_touches_the_file_or_its_headers(data, repository):
    """In their order, each with the members of its own headers; what changes nothing that is compiled is told, and what
    does not compile has no verdict. Each is set beside the one before it."""
    code, table = data(repository.tree, "--rev", f"{repository.commits[0]}..HEAD")
    assert 1 == code
    wanted = [short(repository, number) for number in range(1, 10) if number != FOLDED]
    assert wanted == [core["name"] for core in table["cores"]]
    assert [(commit, commit[:12] if number != FOLDED else short(repository, 2)) for number, commit in
            enumerate(repository.commits) if number] == [(one["commit"], one["core"]) for one in table["revisions"]]  # fmt: skip
    assert [subject for subject, _ in REPOSITORY.REVISIONS[1:]] == [one["subject"] for one in table["revisions"]]
    members = [len(core.get("source", {}).get("members", ())) for core in table["cores"]]
    assert [0, 1, 2, 2, 2, 2, 2, 2] == members
    partial = {name: cell["verdict"] for name, cell in cells(table, "partial").items()}
    expected = ["pass"] * 4 + ["fail", "inconclusive", "fail", "fail"]
    assert expected == list(partial.values())
    broken = cells(table, "partial")[short(repository, BROKEN)]
    assert "missing" in broken["why"] and f"{short(repository, BROKEN)}/{FILE}" in broken["why"]
    changes = {change["cores"][0]: [one["kind"] for one in change["differences"]] for change in table["changes"]}
    assert {short(repository, FIRST_BAD): ["new failure"]} == {name: kinds for name, kinds in changes.items() if kinds}
    before = {change["cores"][0]: change["baseline"] for change in table["changes"]}
    assert short(repository, FIRST_BAD) == before[short(repository, BROKEN + 1)]  # not the one that says nothing


def test_a_range_is_told_commit_by_commit(command, repository):
    code, output, errors = command(
        repository.tree, "--rev", f"{repository.commits[1]}..{repository.commits[FIRST_BAD]}"
    )
    assert (1, "") == (code, errors)
    name = short(repository, FIRST_BAD)
    assert f"\n{name} a put is dropped\nnew failure: leak of param" in output
    assert f"{short(repository, FOLDED)} a header says more" in output and "nothing new in it for " in output
    assert "Traceback" not in output


def test_a_commit_is_set_beside_its_parents_and_not_beside_one_of_another_branch(data, tmp_path):
    """A branch that does not have the bug mends nothing, and its merge with the one that has is no change of that one.
    A, when it is asked for, too, is before the first of each branch."""
    repository = REPOSITORY.Repository(tmp_path / "linux")
    fork, bad = repository.commits[FIRST_BAD - 1], repository.commits[FIRST_BAD]
    file = repository.tree / FILE
    repository.git("checkout", "-q", "-b", "side", fork)
    file.write_text(f"{file.read_text()}\n/* harmless */\n")
    side = repository.commit("side: harmless")
    repository.git("checkout", "-q", "-B", "main", bad)
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    merge = repository.git("rev-parse", "HEAD").strip()

    def changes(*revisions):
        _, table = data(repository.tree, *(word for one in revisions for word in ("--rev", one)))
        return {
            (change["cores"][0], change["baseline"]): [one["kind"] for one in change["differences"]]
            for change in table["changes"]
        }

    fork, bad, side, merge = (commit[:12] for commit in (fork, bad, side, merge))
    expected = {(merge, bad): [], (merge, side): ["new failure"]}
    assert expected == changes(f"{fork}..HEAD")
    assert {**expected, (bad, fork): ["new failure"], (side, fork): []} == changes(fork, f"{fork}..HEAD")


def test_the_second_time_nothing_is_compiled_or_explored(data, repository, monkeypatch):
    """But for the revision that does not compile."""
    data(repository.tree, "--rev", f"{repository.commits[0]}..HEAD")
    compiled = []
    real = _revisions.Tree

    from iopf import _source

    def compile(self, given_up=None):
        compiled.append(self.shown)
        return _source._compiled(self, given_up)

    monkeypatch.setattr(_source.Prepared, "compile", compile)
    monkeypatch.setattr("iopf._check_pool.explore_all", lambda jobs, *rest: pytest.fail("it is explored"))
    assert real is Tree
    _, table = data(repository.tree, "--rev", f"{repository.commits[0]}..HEAD")
    assert {short(repository, BROKEN)} == set(compiled)
    assert all(cell["cached"] for cell in table["cells"] if cell["core"] != short(repository, BROKEN))


def test_one_revision_is_one_column_and_its_failure_can_be_replayed(data, repository, capsys):
    code, table = data(repository.tree, "--rev", "HEAD", rows=["partial"])
    (core,) = table["cores"]
    assert (1, repository.git("rev-parse", "HEAD").strip()[:12]) == (code, core["name"])
    assert 1 == cli.main(["replay", cells(table, "partial")[core["name"]]["findings"][0]["token"]])
    assert "leak" in capsys.readouterr().out
    code, table = data(
        repository.tree, "--rev", repository.commits[0], "--rev", repository.commits[2], rows=["partial"]
    )
    assert (0, 2) == (code, len(table["cores"]))


def test_a_revision_that_does_not_compile_alone_is_unusable(command, repository):
    unusable(command(repository.tree, "--rev", repository.commits[BROKEN]), "missing", short(repository, BROKEN))


def test_a_message_does_nothing_to_a_terminal_or_a_log(command, tmp_path):
    """Whoever wrote the commit wrote its first line: what is no printable character is shown as what it is."""
    repository = REPOSITORY.Repository(tmp_path / "linux")
    (repository.tree / FILE).write_text(f"{(repository.tree / FILE).read_text()}\n")
    repository.commit("a \x1b[2J\x1b]0;title\a b \r::error::lie \u202e c \u2028 d")
    _, output, errors = command(repository.tree, "--rev", "HEAD~1..HEAD", rows=["partial"])
    assert r"a \x1b[2J\x1b]0;title\x07 b \r::error::lie \u202e c \u2028 d" in output
    assert not [char for char in output + errors if not char.isprintable() and char != "\n"]


def test_nothing_is_checked_out_or_written(repository, command, tmp_path):
    """Neither in the work tree nor in what git keeps; a work tree that was changed does not matter, nor a bare copy."""

    def state():
        return sorted(
            (str(path), path.lstat().st_mtime_ns) for path in repository.folder.rglob("*") if not path.is_dir()
        )

    before = state()
    command(repository.tree, "--rev", f"{repository.commits[0]}..HEAD", rows=["partial"])
    assert before == state()
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert 0 == command(tmp_path / "bare.git", "--rev", repository.commits[2], rows=["partial"])[0]
    clone = tmp_path / "clone"
    repository.git("clone", "-q", ".", str(clone))
    (clone / FILE).write_text("nothing\n")
    assert 1 == command(clone, "--rev", "HEAD", rows=["partial"])[0]
    unusable(command(clone, rows=["partial"]), "This is not an io-pgfault.c")


def test_a_kernel_in_a_directory_of_a_repository_is_found(command, tmp_path):
    """Its paths are from there."""
    repository = REPOSITORY.Repository(tmp_path / "all", "some where/linux")
    code, output, _ = command(
        repository.tree, "--rev", f"{repository.commits[0]}..{repository.commits[2]}", rows=["partial"]
    )
    assert 0 == code and short(repository, 2) in output


def test_a_revision_without_the_file_has_no_verdict(data, command, repository, tmp_path):
    clone = tmp_path / "clone"
    repository.git("clone", "-q", ".", str(clone))
    other = REPOSITORY.Repository.__new__(REPOSITORY.Repository)
    other.folder = other.tree = clone
    other.git("rm", "-q", FILE)
    gone = other.commit("the file is gone")
    unusable(command(clone, "--rev", gone), f"{gone[:12]} has no {FILE}")
    _, table = data(clone, "--rev", f"{repository.commits[BROKEN + 1]}..{gone}", rows=["partial"])
    assert f"{gone[:12]} has no {FILE}" == cells(table, "partial")[gone[:12]]["why"]


@pytest.mark.parametrize("name", [
    "", "-h", "--help", "--all", "-", "--output=/tmp/x", "HEAD\n--all", "HEAD;touch x", "$(touch x)", "`touch x`",
    "no-such", "HEAD:drivers", "HEAD^{tree}", "A...B", "...", "HEAD\udcff", "x" * 5000, "-..HEAD", "HEAD..--all",
    "..--output=x", "@{-1}", ":/nothing", "^HEAD",
])  # fmt: skip
def test_a_name_of_a_revision_is_never_an_option_or_a_command(command, repository, monkeypatch, tmp_path, name):
    """Refused in a sentence; nothing else happens."""
    monkeypatch.chdir(tmp_path)
    code, output, errors = command(repository.tree, f"--rev={name}")
    assert (2, "") == (code, output), errors
    assert ("Traceback" not in errors and "evision" in errors) or "range" in errors, errors
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["with space", "ünï", "a'b", "a$b", "--x", "a\tb"])
def test_odd_names_that_git_has_are_taken(command, repository, tmp_path, name):
    """As far as git lets a branch or a tag have them."""
    clone = tmp_path / "clone"
    repository.git("clone", "-q", ".", str(clone))
    made = subprocess.run(
        ["git", "update-ref", "--stdin", "-z"], input=f"create refs/tags/{name}\0{repository.commits[2]}\0".encode(),
        cwd=clone, check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        assert name in ("with space", "a\tb")
        return
    assert 0 == command(clone, f"--rev=refs/tags/{name}", rows=["partial"])[0]
    if name.startswith("-"):
        unusable(command(clone, f"--rev={name}"), "is no revision")


def test_a_range_without_such_a_commit_is_told(command, repository):
    unusable(command(repository.tree, "--rev", "HEAD..HEAD"), f"no commit of this range touches {FILE}")
    unusable(command(repository.tree, "--rev", "HEAD..HEAD~2"), f"no commit of this range touches {FILE}")


def test_a_range_that_is_too_long_is_told(command, repository, monkeypatch):
    monkeypatch.setattr(_revisions, "MAX_REVISIONS", 3)
    unusable(command(repository.tree, "--rev", f"{repository.commits[0]}..HEAD"), "9 commits touch", "3 at most")


def test_the_environment_of_a_hook_names_no_other_repository(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    given = [("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", other / "index")]
    given.append(("GIT_LITERAL_PATHSPECS", "1"))
    for name, value in given:
        monkeypatch.setenv(name, str(value))
    assert repository.commits[2] == Tree(repository.tree).commit(repository.commits[2][:20])
    assert [repository.commits[2]] == list(
        Tree(repository.tree).commits(f"{repository.commits[1]}..{repository.commits[2]}")
    )


# --- the baseline is a revision ---


def test_a_tree_is_compared_with_a_revision_of_it(data, command, repository):
    """Moved lines are none; a core's name comes before a tag's."""
    code, table = data(repository.tree, "--baseline", repository.commits[2])
    assert 1 == code and table["comparison"]["baseline"] == short(repository, 2)
    assert [("new failure", "partial")] == [(d["kind"], d["scenario"]) for d in table["comparison"]["differences"]]
    assert 0 == command(repository.tree, "--baseline", repository.commits[FIRST_BAD])[0]
    pair = (repository.tree, "--rev", repository.commits[5], "--baseline", repository.commits[4])
    code, output, _ = command(*pair)
    assert 0 == code and "2 cells compared: no difference" in output
    unusable(command(repository.tree, "--baseline", "no-such"), "no core, no file, and: no revision 'no-such'")
    # Of a range each column is judged.
    code, table = data(
        repository.tree, "--rev", f"{repository.commits[0]}..HEAD", "--baseline", repository.commits[0]
    )  # fmt: skip
    bad = [short(repository, number) for number in (FIRST_BAD, BROKEN + 1, BROKEN + 2)]
    assert (1, bad) == (code, [d["core"] for d in table["comparison"]["differences"] if d["kind"] == "new failure"])
    assert "changes" not in table
    baseline = short(repository, FIRST_BAD)
    _, table = data(repository.tree, "--rev", f"{repository.commits[0]}..HEAD", "--baseline", baseline)
    assert [f"{baseline} (baseline)"] == [core["name"] for core in table["cores"] if baseline in core["name"]][:1]
    assert baseline in [core["name"] for core in table["cores"]]


# --- bisecting ---


def bisect(repository, tree, good, bad, *options):
    """``git bisect run`` in a clone: what it says."""
    repository.git("clone", "-q", ".", str(tree))
    clone = REPOSITORY.Repository.__new__(REPOSITORY.Repository)
    clone.folder = clone.tree = tree
    clone.git("bisect", "start", bad, good)
    line = [sys.executable, "-m", "iopf", "check", "--bisect", *options]
    done = clone.git("bisect", "run", *line, check=False, env={"PYTHONPATH": str(ROOT)})
    return done.stdout + done.stderr, clone


def test_a_bisection_finds_the_commit_that_dropped_the_put(repository, tmp_path):
    """It runs what the manual has; one revision does not compile, and is skipped."""
    out, _ = bisect(repository, tmp_path / "clone", repository.commits[0], "HEAD", "--scenario", "partial")
    assert f"{repository.commits[FIRST_BAD]} is the first bad commit" in out, out


def test_a_bisection_asks_what_is_new_since_the_good_revision(repository, tmp_path, command):
    """A failure that was there already is none, or the first commit after the good one would be blamed."""
    rows = ("--scenario", "bad-setup-partial", "--scenario", "partial")
    out, clone = bisect(repository, tmp_path / "clone", repository.commits[0], "HEAD", *rows)
    assert f"the baseline is {short(repository, 0)}, the good revision of this bisection" in out
    assert f"{repository.commits[FIRST_BAD]} is the first bad commit" in out, out
    assert repository.commits[0] == Tree(clone.tree).good_of_bisect()
    assert Tree(repository.tree).good_of_bisect() is None
    for source in (clone.tree, clone.tree / FILE):  # named, it is the same
        assert "the good revision of this bisection" in command(source, "--bisect", rows=["refusal"])[1]


def test_bisecting_what_is_no_tree_says_neither(command, tmp_path, monkeypatch, repository):
    """125; a tree from inside is found, and outside of a bisection its file alone decides."""
    monkeypatch.chdir(tmp_path)
    code, output, errors = command("--bisect")
    assert (125, "") == (code, output) and "no SOURCE to judge" in errors
    monkeypatch.chdir(repository.tree / "drivers" / "iommu")
    assert 1 == command("--bisect", rows=["partial"])[0]
    assert 0 == command("--bisect", rows=["refusal"])[0]
    assert 125 == command("--bisect", "--rev", repository.commits[BROKEN], rows=["partial"])[0]


def test_the_manual_has_the_line():
    """The one that the test above runs, for who has a tree."""
    text = (ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else pytest.skip("of a checkout")
    assert re.search(r"git bisect run python -m iopf check --bisect", text)


# --- where files are put ---


def test_the_files_of_a_revision_are_put_once_and_mended(repository, cache):
    tree = Tree(repository.tree)
    (found,) = tree.revisions([repository.commits[2]])
    assert cache / "revisions" / short(repository, 2) / FILE == found.path
    inode = found.path.stat().st_ino
    assert inode == tree.revisions([repository.commits[2]])[0].path.stat().st_ino
    text = found.path.read_text()
    found.path.write_text("changed")
    assert text == tree.revisions([repository.commits[2]])[0].path.read_text()
    extra = found.path.with_name("iommu-priv.h")
    extra.unlink()
    assert tree.revisions([repository.commits[2]])[0].path.with_name("iommu-priv.h").exists()


def test_those_that_nobody_used_for_long_go(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_revisions, "MAX_KEPT", 2)
    tree = Tree(repository.tree)
    for age, number in ((300, 0), (200, 1), (100, 2)):
        (found,) = tree.revisions([repository.commits[number]])
        home = found.path.parents[2]
        os.utime(home, (os.stat(home).st_atime - age, os.stat(home).st_mtime - age))
    tree.revisions([repository.commits[4]])
    there = {path.name for path in (tmp_path / "cache" / "revisions").iterdir()}
    assert {short(repository, 4), short(repository, 2)} == there


def test_what_is_none_of_them_stays_where_they_are_kept(repository, monkeypatch, tmp_path):
    """IOPF_CACHE_DIR may name a directory in which the user has a directory "revisions" of another kind."""
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    own = tmp_path / "cache" / "revisions" / "thesis"
    own.mkdir(parents=True)
    os.utime(own, (0, 0))
    Tree(repository.tree).revisions([repository.commits[0]])
    assert own.is_dir() and (own.parent / short(repository, 0)).is_dir()


def test_no_place_for_them_is_told(repository, command, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc/none")
    unusable(command(repository.tree, "--rev", "HEAD"), "No place for the files of revisions", "Set IOPF_CACHE_DIR")


def test_a_file_that_is_too_large_is_refused(repository, monkeypatch):
    monkeypatch.setattr(_revisions, "MAX_TEXT", 100)
    with pytest.raises(ValueError, match="at most 0 MiB; this is larger"):
        Tree(repository.tree).revisions([repository.commits[0]])
