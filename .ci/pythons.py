# SPDX-License-Identifier: GPL-2.0-only
"""Lists the CPythons from 3.10 on that are installed here: one line each, version and path."""

import os
import subprocess
from pathlib import Path

PROBE = (
    "import sys, sysconfig; print(sys.implementation.name, *sys.version_info[:2],"
    " int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))"
)

folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
found: dict[tuple[int, int], str] = {}
for folder in folders:
    for minor in range(10, 30):
        python = folder / f"python3.{minor}"
        if not os.access(python, os.X_OK):
            continue
        run = subprocess.run([python, "-c", PROBE], capture_output=True, text=True)
        if run.returncode:
            continue
        name, major, real_minor, free_threaded = run.stdout.split()
        if name == "cpython" and free_threaded == "0" and int(real_minor) >= 10:
            found.setdefault((int(major), int(real_minor)), str(python))
for version, python in sorted(found.items()):
    print("{}.{}".format(*version), python)
