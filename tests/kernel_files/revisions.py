# SPDX-License-Identifier: GPL-2.0-only
"""A repository with ten revisions of a kernel-style file and of the headers that are its own, made with git.

Revision FIRST_BAD drops a put; BROKEN does not compile; what the others change is no bug.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = "drivers/iommu/io-pgfault.c"
HEADER = "include/linux/iommu.h"
PRIVATE = "drivers/iommu/iommu-priv.h"


def beside(name):
    """A module that lies with the kernel files."""
    spec = importlib.util.spec_from_file_location(f"kernel_files_{name}", HERE / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHANGES = beside("changes")
PUT = next(change for change in CHANGES.CHANGES if change.name == "a stored partial keeps the reference")

_INIT = "\tINIT_LIST_HEAD(&group->pending_node);\n"
_USES = f"{_INIT}\tgroup->response_pending = true;\n"
_OWNERS = f"{_USES}\tINIT_LIST_HEAD(&group->owners);\n"
BASE = (HERE / f"{CHANGES.BASE}.c").read_text()


def header(*members):
    """A header as a kernel has it: it includes what is not here, and has the struct with these members."""
    lines = "".join(f"\t{member};\n" for member in members)
    return (
        "#include <linux/nowhere.h>\n#ifdef CONFIG_IOMMU_IOPF\nstruct iopf_group {\n\tstruct iopf_fault last_fault;\n"
        f"\tstruct list_head faults;\n\t/* a comment; with a semicolon */\n{lines}}};\n#endif\n"
    )


def _revisions():
    """(subject, what is written), the oldest first."""
    one, two = ("bool response_pending",), ("bool response_pending", "struct list_head owners")
    uses, owners = BASE.replace(_INIT, _USES), BASE.replace(_INIT, _OWNERS)
    assert BASE.count(_INIT) == 1
    bad = PUT.apply(owners)
    return (
        ("the file", {FILE: BASE, HEADER: header(), PRIVATE: '#error "a header of the kernel tree"\n'}),
        ("a member, and nobody uses it", {HEADER: header(*one)}),
        ("the member is used", {FILE: uses}),
        ("a header says more, and nothing of it is the file's", {HEADER: header(*one) + "#define MORE 1\n"}),
        ("another member, and its use", {FILE: owners, HEADER: header(*two)}),
        ("a comment on top: every line moves", {FILE: f"/* moved */\n\n{owners}"}),
        ("a put is dropped", {FILE: f"/* moved */\n\n{bad}"}),
        ("it does not compile", {FILE: f"{bad}\nint broken(void) {{ return missing; }}\n"}),
        ("it compiles again", {FILE: bad}),
        ("a private header", {PRIVATE: header("u32 cookie2"), FILE: f"{bad}\n/* the end */\n"}),
    )


REVISIONS = _revisions()
FIRST_BAD, BROKEN = 6, 7
#: The one that is no column of its own.
FOLDED = 3


class Repository:
    """The repository in a directory; ``commits`` are those of REVISIONS. Between them are commits of other files."""

    def __init__(self, folder, below=""):
        self.folder = folder
        self.tree = folder / below
        self.tree.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.commits = []
        for number, (subject, files) in enumerate(REVISIONS):
            for path, text in files.items():
                (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
                (self.tree / path).write_text(text)
            self.commits.append(self.commit(subject))
            (self.tree / "MAINTAINERS").write_text(f"{number}\n")
            self.commit(f"another file, {number}")

    def git(self, *arguments, check=True, **options):
        """What git prints; the user's settings are none of ours."""
        env = {
            **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
            "GIT_AUTHOR_DATE": "@1700000000 +0000", "GIT_COMMITTER_DATE": "@1700000000 +0000", **options.pop("env", {}),
        }  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], cwd=self.tree, capture_output=True, text=True, env=env, check=False, **options
        )
        assert not check or not done.returncode, done.stderr
        return done.stdout if check else done

    def commit(self, subject):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD").strip()
