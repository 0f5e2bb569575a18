# SPDX-License-Identifier: GPL-2.0-only
"""Builds the extensions: cffi's modules over the units that csrc/build.py lists."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import setuptools
from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext

# Before setup(): an older one fails there over pyproject.toml, whose license is an expression.
if int(setuptools.__version__.partition(".")[0]) < 77:
    raise SystemExit(f"iopf needs setuptools 77 or newer, this is {setuptools.__version__}: pip install -U setuptools")

from setuptools.errors import CompileError, PlatformError
from setuptools.modified import newer_group

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "csrc"))
import build as units  # noqa: E402
import compilers  # noqa: E402
import lines  # noqa: E402

NEEDS = (
    "iopf is built from C when it is installed: it needs Linux, gcc (12 or newer) or clang (14 or newer), and the headers of this"
    " Python and of Linux (<linux/futex.h>, <linux/membarrier.h>).\n  Debian, Ubuntu: apt install gcc libc6-dev"
    " python3-dev\n  Fedora: dnf install gcc python3-devel\n  Alpine: apk add gcc musl-dev linux-headers python3-dev"
)


class BuildUnits(build_ext):
    """Compiles each extension's units into objects of its own, then links the module with them."""

    def run(self):
        if not sys.platform.startswith("linux"):
            raise PlatformError(f"this is {sys.platform}: iopf uses futexes and membarrier. {NEEDS}")
        super().run()
        self._copy_beside_the_sources()

    def build_extensions(self):
        # Python's own flags are for the compiler that it was built with; another one may not know them all.
        for command in ("compiler", "compiler_so", "linker_so"):
            program, *flags = getattr(self.compiler, command)
            setattr(self.compiler, command, [program, *compilers.known([program], flags)])
        message = units.overridden(os.environ.get("CFLAGS", "").split())
        if message:
            self.warn(message)
        self.compiler.linker_so = units.without_link_time(self.compiler.linker_so)
        command, self.fortify = units.without_fortify(units.without_link_time(self.compiler.compiler_so))
        self.compiler.compiler_so = command
        if not self._has_fibers():
            self.warn(
                "the explorer is left out: its fiber switch has no form for this machine"
                " (csrc/runtime/explore/machine/fiber.h). Everything else is built, and works without it"
            )
            self.extensions = [ext for ext in self.extensions if ext.name != "iopf._explore"]
        # Files are compiled several at a time, whichever extension they are of; the extensions are linked one by one.
        jobs, self.parallel = self.parallel, None
        self.begun, self.first, self.error = None, None, None
        with ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as self.pool:
            try:
                super().build_extensions()
            except BaseException as error:
                self.error = error
                raise

    @staticmethod
    def _flavour(ext):
        return next(flavour for flavour in units.flavours() if f"iopf._{flavour.name}" == ext.name)

    def _begin_all(self):
        """Begins to compile what all extensions are made of: one unit, the modules, which are large, the other units."""
        (ext, flavour, unit), *others = [
            (ext, flavour, unit)
            for ext in sorted(self.extensions, key=lambda ext: not self._flavour(ext).line_map)
            for flavour in [self._flavour(ext)]
            for unit in flavour.units
        ]
        first = self._begin(flavour, unit)
        self.begun = {each.name: [self._begin_module(each)] for each in self.extensions}
        self.begun[ext.name].append(first)
        for ext, flavour, unit in others:
            self.begun[ext.name].append(self._begin(flavour, unit))

    def _has_fibers(self):
        (unit,) = (unit for unit in units.explore_flavour().units if unit.name == "runtime")
        try:
            done = subprocess.run(
                [
                    *self.compiler.compiler_so,
                    *(f"-I{units.CSRC / folder}" for folder in unit.include),
                    "-fsyntax-only",
                    "-x",
                    "c",
                    str(units.CSRC / "runtime" / "explore" / "machine" / "fiber.h"),
                ],
                capture_output=True,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError:  # no compiler: the first compile says what to install
            return True
        return b"the fiber switch has no form for this machine" not in done.stderr

    def build_extension(self, ext):
        if self.begun is None:
            self._begin_all()
            # The one with a line map comes first: that is made while the others are compiled.
            for each in self.extensions:
                if self._flavour(each).line_map:
                    self._build(each)
        if ext.name in self.begun:
            self._build(ext)

    def _build(self, ext):
        try:
            ext.extra_objects = [obj for begun in self.begun.pop(ext.name) for obj in self._finish(*begun)]
        except CompileError as error:
            raise CompileError(f"{error}\n{NEEDS}") from error
        sources, ext.sources = ext.sources, []  # what is left to do is to link
        ext.depends = [*ext.depends, *sources]
        try:
            super().build_extension(ext)
        finally:
            ext.sources = sources
        if self._flavour(ext).line_map:
            built = self.get_ext_fullpath(ext.name)
            try:
                lines.write_line_map(built, f"{built}.lines")
            except lines.NoLines as error:
                self.warn(f"traces of the explorer will show addresses and no lines: {error}")

    def _submit(self, sources, **arguments):
        """Compiles files when it is their turn; after an error or an interrupt nothing begins that has not begun."""

        def compile_now():
            if self.error is not None:
                raise self.error
            try:
                return self.compiler.compile(sources, **arguments)
            except BaseException as error:
                self.error = self.error or error
                raise

        compiling = self.pool.submit(compile_now)
        if self.first is None:  # it is compiled alone: an error that every file would show is shown once
            self.first = compiling
            wait([compiling])
        return compiling

    def _begin_module(self, ext):
        """Begins to compile the module that cffi has made, unless the extension is newer than all that it is made of."""
        if not (self.force or newer_group([*ext.sources, *ext.depends], self.get_ext_fullpath(ext.name))):
            return [], [], None, ""
        compiling = self._submit(
            ext.sources,
            output_dir=self.build_temp,
            include_dirs=ext.include_dirs,
            macros=ext.define_macros,
            debug=self.debug,
            # The same however it is built: pip builds in a directory of its own.
            extra_postargs=[
                *self.fortify,
                f"-ffile-prefix-map={self.build_temp}/=",
                *compilers.flags_for(self.compiler.compiler_so[:1], ext.extra_compile_args),
            ],
        )
        return self.compiler.object_filenames(ext.sources, output_dir=self.build_temp), [compiling], None, ""

    def _begin(self, flavour, unit):
        """Begins to compile a unit, unless nothing that the build depends on has changed; _finish() takes what it returns."""
        fortify = [] if units.is_explored(unit) else self.fortify
        flags = compilers.flags_for(
            self.compiler.compiler_so[:1],
            [*fortify, *units.CFLAGS, *flavour.flags, *units.instrumented(flavour, unit), *unit.flags],
        )
        wanted = "coverage" if os.environ.get("IOPF_COVERAGE") else os.environ.get("IOPF_SANITIZE", "")
        # What is the same however it is asked for is compiled once.
        key = re.sub(r"\W+", "-", wanted) if units.instrumented(flavour, unit) else "release"
        output = Path(self.build_temp) / f"{flavour.name}-{key}" / unit.name
        csrc = os.path.relpath(units.CSRC)
        sources = [os.path.join(csrc, source) for source in unit.sources]
        objects = self.compiler.object_filenames(sources, output_dir=str(output))
        # By content: files from an archive or another branch may be older than the objects of what they replace.
        made_from = f"{units.sources_hash()} {hashlib.sha256((ROOT / 'setup.py').read_bytes()).hexdigest()}"
        made_from += f" {self.compiler.compiler_so} {flags}"
        stamp = output / "made-from"
        if not self.force and all(map(os.path.exists, [stamp, *objects])) and stamp.read_text() == made_from:
            return objects, [], stamp, made_from
        stamp.unlink(missing_ok=True)
        compiling = [
            self._submit(
                [source],
                output_dir=str(output),
                include_dirs=[os.path.join(csrc, folder) for folder in unit.include],
                macros=list(unit.macros),
                extra_postargs=flags,
            )
            for source in sources
        ]
        return objects, compiling, stamp, made_from

    @staticmethod
    def _finish(objects, compiling, stamp, made_from):
        """The objects of a unit, when all are there. CompileError of the first that could not be compiled."""
        for done in compiling:
            done.result()
        if compiling and stamp is not None:
            stamp.write_text(made_from)
        return objects

    def _copy_beside_the_sources(self):
        """So that a checkout stays importable after ``pip install .``, which builds here and installs elsewhere."""
        for ext in self.extensions:
            built = Path(self.build_lib) / self.get_ext_filename(ext.name)
            for file in (built, Path(f"{built}.lines")):
                beside = ROOT / "iopf" / file.name
                if not file.exists() or file.resolve() == beside.resolve() or not os.access(beside.parent, os.W_OK):
                    continue
                new = beside.with_name(f"{beside.name}.new")
                shutil.copyfile(file, new)
                os.replace(new, beside)


free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

#: The C sources ship, as package data: a core can be compiled later. Every folder of data has to be named.
csrc = [
    "iopf._csrc",
    *(
        f"iopf._csrc.{'.'.join(folder.relative_to(units.CSRC).parts)}"
        for folder in sorted(units.CSRC.rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__"
    ),
]

setup(
    packages=[*find_packages(include=["iopf", "iopf.*"]), "iopf.samples", *csrc],
    package_dir={"iopf": "iopf", "iopf._csrc": "csrc"},
    package_data={
        "iopf": ["py.typed"],
        "iopf.explore": ["*.md", "*.css", "*.js"],
        "iopf.samples": ["*"],
        **{package: ["*.c", "*.h", "*.md"] for package in csrc},
    },
    cffi_modules=[f"csrc/build.py:ffi_{flavour.name}" for flavour in units.flavours()],
    cmdclass={"build_ext": BuildUnits},
    options={} if free_threaded else {"bdist_wheel": {"py_limited_api": "cp310"}},
)
