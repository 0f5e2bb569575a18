# SPDX-License-Identifier: GPL-2.0-only
"""Which columns a command line of ``iopf check`` asks for: files, trees, revisions, cores by name, and a baseline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._cores import Core, cores
from ._files import read_small
from ._hints import unknown
from .check import Column
from .exceptions import CoreSourceError

if TYPE_CHECKING:
    from ._revisions import Revision, Tree

__all__ = ["Columns", "chosen"]


@dataclass
class Columns:
    """What will be checked, and what of it is judged."""

    columns: list[Core | str | Column] = field(default_factory=list)
    baseline: Core | str | Column | None = None
    #: of ``columns``, those that a comparison judges
    judged: list[Core | str | Column] = field(default_factory=list)
    #: revisions by the label of their column
    revisions: dict[str, Revision] = field(default_factory=dict)
    #: commits that are no column, since they change nothing of what the file is compiled from; that of the one before
    folded: list[tuple[Revision, str]] = field(default_factory=list)
    #: more than one commit was asked for: each is compared with those before it
    is_range: bool = False
    #: of each column of a range, those before it: of a merge several, of the first one none
    before: dict[str, list[str]] = field(default_factory=dict)
    #: how the baseline was chosen, when nobody named it
    note: str = ""


def _defines(path: str | os.PathLike[str], name: str) -> bool:
    from ._facets import defines

    try:
        return defines(read_small(path, "a core's source").decode(errors="replace"), name)
    except (OSError, ValueError):  # said where it is read to be compiled
        return False


class _Chooser:
    def __init__(self, facets: Mapping[str, str | bool], dequeue: str | None):
        self.facets, self.dequeue = facets, dequeue
        #: a file defines the function that --call names
        self.called = False
        self.files = 0
        self.tree: Tree | None = None

    def file(self, path: str | os.PathLike[str], name: str | None = None) -> Core:
        self.files += 1
        file = os.path.basename(path)
        if name is None and file in cores():
            name = f"./{file}"
        facets = dict(self.facets)
        if self.dequeue and _defines(path, self.dequeue):
            self.called = True
            facets |= {"dequeue": True, "dequeue_name": self.dequeue}
        return Core._of_source(path, "explore", facets=facets, name=name)

    def source(self, path: str) -> Core:
        """A file, or the file of a tree."""
        from pathlib import PurePath

        from ._revisions import FILE, Tree

        whole = PurePath(os.path.abspath(path))
        if os.path.isdir(path):
            self.tree = Tree(path)
            if not os.path.isfile(os.path.join(path, FILE)):
                raise ValueError(f"{path}: Is a directory, and no kernel tree: it has no {FILE}")
            path = os.path.join(path, FILE)
        elif whole.parts[-3:] == PurePath(FILE).parts:
            self.tree = self.tree or Tree(whole.parents[2])
        return self.file(path)

    def named(self, name: str) -> Core | str:
        """What --core names: a core of the build, or a file."""
        known = cores()
        if name in known:
            return name
        if name.endswith(".c") or os.path.sep in name or os.path.exists(name):
            return self.source(name)
        raise ValueError(f"{unknown('core', name, known)}; also a file")

    def revision(self, found: Revision) -> Core:
        if found.path is None:
            from ._revisions import FILE

            raise CoreSourceError(f"{found.short} has no {FILE}")
        return self.file(found.path, found.short)

    def compared_with(self, name: str) -> tuple[Core | str, Revision | None]:
        """What --baseline names: a core of the build, a file, a tree, or a revision of the tree that is checked."""
        known = cores()
        if name in known:
            return name, None
        if os.path.exists(name):
            return self.source(name), None
        if self.tree is not None:
            try:
                (found,) = self.tree.revisions([self.tree.commit(name)])
            except ValueError as error:
                raise ValueError(f"--baseline {name}: no core, no file, and: {error}") from error
            return self.revision(found), found
        hint = "" if name.endswith(".c") or os.path.sep in name else " (a revision needs a TREE to be of)"
        raise ValueError(f"--baseline: {unknown('core', name, known)}; and no such file{hint}")


def chosen(
    sources: Sequence[str],
    named: Sequence[str],
    revisions: Sequence[str],
    baseline: str | None,
    facets: Mapping[str, str | bool],
    bisect: bool,
    dequeue: str | None = None,
) -> Columns:
    """The columns. ValueError and CoreSourceError say what can't be used.

    :param dequeue: the function that takes the place of iopf_group_dequeue(), in those files that have it
    """
    choose, result = _Chooser(facets, dequeue), Columns()
    sources, named = list(dict.fromkeys(sources)), list(dict.fromkeys(named))
    if revisions:
        _add_revisions(choose, result, sources, revisions)
    elif bisect and not sources and not named:
        from ._revisions import FILE, Tree, find_tree

        tree = find_tree(".")
        if tree is None:
            raise ValueError(f"--bisect: there is no {FILE} here, and no SOURCE to judge")
        choose.tree = Tree(tree)
        result.columns.append(choose.file(tree / FILE))
    else:
        result.columns += [choose.source(path) for path in sources]
    result.judged = list(result.columns)
    if baseline is None and bisect and choose.tree is not None and not revisions:
        baseline = _good(choose.tree)
        if baseline is not None:
            result.note = f"the baseline is {baseline[:12]}, the good revision of this bisection"
    others: list[Core | str] = [choose.named(name) for name in named]
    if not others and not result.columns:
        others = list(cores())
        if baseline is not None:
            raise ValueError("--baseline: what is compared with it is missing: a SOURCE, a TREE, --rev or --core")
    elif not others and baseline is None and not revisions:
        others = ["iopf"]
    result.columns += others
    result.judged = result.judged or list(others)
    if baseline is not None:
        result.baseline, found = choose.compared_with(baseline)
        if found is not None:
            result.revisions.setdefault(found.short, found)
    if (facets or dequeue) and not choose.files:
        raise ValueError("--facet is about a SOURCE, and there is none (as are --member, --include and --call)")
    if dequeue and not choose.called:
        raise ValueError(f"--call dequeue={dequeue}: no file here defines {dequeue}()")
    return result


def _good(tree: Tree) -> str | None:
    good = tree.good_of_bisect()
    return good if good is not None and tree.has_file(good) else None


def _add_revisions(choose: _Chooser, result: Columns, sources: Sequence[str], revisions: Sequence[str]) -> None:
    from pathlib import Path

    from ._revisions import Tree, find_tree

    if len(sources) > 1 or (sources and not os.path.isdir(sources[0])):
        raise ValueError(f"--rev is about one TREE, and not {' '.join(sources)}")
    tree = choose.tree = Tree(sources[0] if sources else find_tree(".") or Path.cwd())
    commits: dict[str, list[str] | None] = {}
    for text in revisions:
        for commit, parents in tree.commits(text).items():
            commits[commit] = commits.get(commit) or parents
    result.is_range = len(commits) > 1
    # By commit its column, and by column what is in it.
    labels: dict[str, str] = {}
    behaviours: dict[str, str] = {}
    last: str | None = None
    for found in tree.revisions(commits):
        result.revisions[found.short] = found
        parents = commits[found.commit]
        named_before = [last] if last is not None else []
        before = named_before if parents is None else [labels[parent] for parent in parents if parent in labels]
        result.before[found.short] = before = list(dict.fromkeys(before))
        last = labels[found.commit] = found.short
        try:
            core = choose.revision(found)
        except CoreSourceError as error:
            if not result.is_range:
                raise
            result.columns.append(Column(found.short, None, str(error)))
            continue
        behaviours[found.short] = behaviour = core.prepared_for("explore").behaviour
        same = next((label for label in before if behaviours.get(label) == behaviour), None)
        if same is not None:
            result.folded.append((found, same))
            last = labels[found.commit] = same
            continue
        result.columns.append(Column(found.short, core, lenient=result.is_range))
