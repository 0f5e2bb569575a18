# SPDX-License-Identifier: GPL-2.0-only
"""What the suite covers of C and of Python: builds this checkout for it, runs the tests, prints the figures by file.

In a checkout that nobody uses meanwhile: ``python .ci/coverage.py [PYTEST ARGUMENT...]``. Needs setuptools, cffi, pytest,
pytest-xdist, coverage and gcovr, and gcov beside the compiler.

C is counted in the run half and in the explorer, not in what is explored (IOPF_COVERAGE in csrc/build.py says why): of a
core the figure is what the run half's tests run of it. Left out are tests that a tracer disturbs, or that compile their own.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

#: What stands below it is named.
WANTED = 90.0

LEFT_OUT = ("tests/mutation", "tests/test_types.py", "tests/test_tracing.py", "tests/test_packaging_traps.py")

#: A subinterpreter can't load the tracer, and a process that may hardly open a file can't write what it counted. Without
#: optimisation there are calls in a trace that are jumps else, and the history's README has traces.
DISTURBED = (
    "tests/test_catalogue.py::test_the_readme_of_the_history_is_what_the_catalogue_says",
    "tests/test_import.py::test_a_subinterpreter_is_refused_with_a_sentence",
    "tests/test_cli_fuzz.py::test_few_files_may_be_opened",
)

ROOT = Path(__file__).resolve().parent.parent


def run(*command, **environment):
    """Runs a command in the checkout; its standard output."""
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False
    )


def of_python():
    """Lines that count and lines that ran, by file."""
    run(sys.executable, "-m", "coverage", "combine", "-q")
    run(sys.executable, "-m", "coverage", "json", "-q", "-o", "build/coverage-python.json")
    files = json.loads((ROOT / "build" / "coverage-python.json").read_text())["files"]
    return {name: (file["summary"]["num_statements"], file["summary"]["covered_lines"]) for name, file in files.items()}


def of_c():
    """The same for C: the sum over all flavours, since one source is compiled for each."""
    run(sys.executable, "-m", "gcovr", "-r", ".", "--filter", "csrc/", "--json-summary", "build/coverage-c.json",
        "--gcov-ignore-errors=all", "--gcov-ignore-parse-errors=all", "--merge-mode-functions=merge-use-line-min", "build")  # fmt: skip
    files = json.loads((ROOT / "build" / "coverage-c.json").read_text())["files"]
    return {file["filename"]: (file["line_total"], file["line_covered"]) for file in files}


def show(what, files):
    """The figure of all, and a line for each file that has less than it should."""
    lines, ran = (sum(file[part] for file in files.values()) for part in (0, 1))
    if not ran:
        raise SystemExit(f"nothing of {what} was counted")
    print(f"\n{what}: {100 * ran / lines:.1f} % of {lines:,} lines in {len(files)} files")
    low = sorted(
        (100 * ran / lines, lines, name) for name, (lines, ran) in files.items() if lines and 100 * ran / lines < WANTED
    )
    for percent, lines, name in low:
        print(f"  {percent:5.1f} %  {lines:5}  {name}")
    if not low:
        print(f"  no file below {WANTED:g} %")


def main():
    """Builds, runs, shows. The exit code is that of the tests: what fails covers nothing that can be relied on."""
    for old in (*ROOT.glob(".coverage*"), ROOT / "build"):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    built = run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", IOPF_COVERAGE="1")
    if built.returncode:
        raise SystemExit("the build for coverage failed")
    tests = run(
        sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider",
        "-o", "faulthandler_timeout=600", *(f"--ignore={path}" for path in LEFT_OUT),
        *(f"--deselect={name}" for name in DISTURBED), *(sys.argv[1:] or ["tests"]),
        IOPF_COVERAGE="1", COVERAGE_FILE=str(ROOT / ".coverage"), PYTHONPATH=str(ROOT),
    )  # fmt: skip
    lines = tests.stdout.splitlines()
    print("\n".join([line for line in lines if line.startswith(("FAILED", "ERROR"))] + lines[-1:]))
    show("Python", of_python())
    show("C", of_c())
    return tests.returncode


if __name__ == "__main__":
    raise SystemExit(main())
