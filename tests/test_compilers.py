# SPDX-License-Identifier: GPL-2.0-only
"""The build's flags, as each compiler takes them."""

import shutil
import subprocess

import pytest

from iopf._csrc_tools import tool

compilers = tool("compilers")
build = tool("build")
ALL = sorted({flag for flavour in build.flavours() for unit in flavour.units for flag in (*build.CFLAGS, *unit.flags)})
INSTALLED = [name for name in ("gcc", "clang") if shutil.which(name)]


@pytest.mark.parametrize("name", INSTALLED)
def test_every_flag_of_every_unit_is_one_that_the_compiler_knows(name):
    """Without a warning. The control is a flag of the other one."""
    include = [f"-I{build.CSRC}/runtime/explore/primitives"]

    def said(flags):
        return subprocess.run(
            [name, *flags, "-Werror", *include, "-fsyntax-only", "-x", "c", "/dev/null"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr

    assert "" == said(compilers.flags_for([name], ALL))
    assert "" != said(ALL if name == "clang" else ["-fno-slp-vectorize"])


@pytest.mark.parametrize("name", INSTALLED)
def test_flags_of_Pythons_own_compiler_that_clang_has_not_are_left_out(name):
    """And no other one, nor any of gcc's for gcc."""
    given = ["-O2", "-shared", "-Wl,-z,now", "-fno-such-flag-of-gcc", "-specs=/none", "-L/tmp", "file.o"]
    left = ["-O2", "-shared", "-Wl,-z,now", "-L/tmp", "file.o"]
    known = compilers.known([name], given)
    assert known == given if name == "gcc" else set(left) <= set(known) and "-fno-such-flag-of-gcc" not in known


def test_what_cannot_be_run_is_no_clang():
    """The compile that follows says what is missing."""
    assert not compilers.is_clang("/no/such/compiler")
