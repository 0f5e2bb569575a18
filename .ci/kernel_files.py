# SPDX-License-Identifier: GPL-2.0-only
"""An installed iopf checks kernel-style files outside the checkout: the verdicts of a revision, a wrong line found.

kernel_files.py FOLDER WORK: FOLDER is tests/kernel_files of a checkout, WORK an empty directory outside it. Each file
lies in a kernel tree of its own, beside a header of the name that it includes, which is an #error. Nothing is in the
cache of compiled cores, and each check may take 20 seconds of processor time, compiling included.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

files, work = (Path(argument).resolve() for argument in sys.argv[1:])
sys.path.insert(0, str(files))
from changes import BASE, CHANGES  # noqa: E402
from forms import SAME_AS  # noqa: E402

SECONDS = 20
#: A one-line change and a scenario that shows it.
CHANGE, SHOWN = "a response leaves the group pending", "flush-then-remove"


def check(name, text, *options):
    """``iopf check`` of a text, as data."""
    folder = work / name / "drivers" / "iommu"
    folder.mkdir(parents=True)
    (folder / "iommu-priv.h").write_text('#error "a header of the kernel tree"\n')
    (folder / "io-pgfault.c").write_text(text)
    begin = sum(os.times()[2:4])
    done = subprocess.run(
        [sys.executable, "-m", "iopf", "check", str(folder / "io-pgfault.c"), "--json", *options],
        cwd=work,
        env={**os.environ, "XDG_CACHE_HOME": str(work / "cache")},
        capture_output=True,
        text=True,
    )
    seconds = sum(os.times()[2:4]) - begin
    if done.returncode not in (0, 1):
        sys.exit(f"{name}: exit code {done.returncode}\n{done.stderr}")
    if seconds > SECONDS:
        sys.exit(f"{name}: {seconds:.1f} s of processor time, and {SECONDS} are allowed")
    data = json.loads(done.stdout)
    print(f"{name}: {len(data['cells'])} cells, {seconds:.1f} s, exit code {done.returncode}")
    return done.returncode, data


def verdicts(data, core):
    """What a core does in each scenario; the kinds of its failures are compared in tests/test_check.py."""
    return {cell["scenario"]: cell["verdict"] for cell in data["cells"] if cell["core"] == core}


found = Path(
    subprocess.run(
        [sys.executable, "-c", "import iopf; print(iopf.__file__)"],
        cwd=work,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
)
if found.is_relative_to(files.parents[1]):
    sys.exit(f"{found} is in the checkout")
for file in sorted(files.glob("*.c")):
    revision = SAME_AS.get(file.stem)
    _, data = check(file.stem, file.read_text(), *(("--core", revision) if revision else ()))
    if revision and verdicts(data, "io-pgfault.c") != verdicts(data, revision):
        sys.exit(
            f"{file.stem} is not what {revision} is:\n{verdicts(data, 'io-pgfault.c')}\n{verdicts(data, revision)}"
        )
base = (files / f"{BASE}.c").read_text()
change = next(change for change in CHANGES if change.name == CHANGE)
for name, text, expected in ("unchanged", base, 0), ("changed", change.apply(base), 1):
    code, data = check(name, text, "--scenario", SHOWN)
    if code != expected:
        sys.exit(f"{BASE} {name}: exit code {code} and not {expected}: {verdicts(data, 'io-pgfault.c')}")
