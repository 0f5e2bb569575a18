# SPDX-License-Identifier: GPL-2.0-only
"""Each trap that the build has met, armed again in a copy of the tree: what it does about it now.

Those that build for a while are marked ``long``; those that need a network or a clean environment are in ``.ci/run``.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import iopf
from iopf import scenarios
from iopf.explore import explore

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(iopf.__file__).resolve().parent

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="these are tests of a checkout")


@pytest.fixture(scope="module")
def units():
    """csrc/build.py, the list of units."""
    spec = importlib.util.spec_from_file_location("iopf_test_build", ROOT / "csrc" / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


#: An editable installation would find a module that is missing in the copy where it was installed from.
ONLY_WHAT_IS_HERE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path
                    if not getattr(finder, "__module__", "").startswith("__editable__")]
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree, with the extensions that this run uses."""
    ignore = shutil.ignore_patterns("__pycache__", "*.so", "*.so.lines", "build")
    for folder in ("csrc", "iopf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    for file in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy2(ROOT / file, tmp_path / file)
    for extension in PACKAGE.glob("_*.so"):
        shutil.copy2(extension, tmp_path / "iopf" / extension.name)
    (tmp_path / "sitecustomize.py").write_text(ONLY_WHAT_IS_HERE)
    return tmp_path


#: For an interpreter without site, whose finder of an editable installation would find what is not in the copy.
SITE = f"import sys; sys.path += {[path for path in sys.path if path.endswith('-packages')]!r}; "


def python(tree, *arguments, **environment):
    """Runs an interpreter in the copy, on the package that is in it."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("IOPF_ALLOW_STALE", "IOPF_SANITIZE") and (key != "LD_PRELOAD" or "asan" in value)
    }
    env |= {"PYTHONPATH": str(tree), **environment}
    return subprocess.run([sys.executable, *arguments], cwd=tree, env=env, capture_output=True, text=True, timeout=600)


def build(tree, *commands, **environment):
    """Runs setup.py in the copy."""
    pytest.importorskip("setuptools", minversion="77")
    pytest.importorskip("cffi")
    return python(tree, "setup.py", *commands, **environment)


class TestDeclarations:
    """Without a pyproject.toml pip installed a wheel with no extension in it, and exited with 0."""

    @pytest.fixture
    def project(self):
        tomllib = pytest.importorskip("tomllib")
        return tomllib.loads((ROOT / "pyproject.toml").read_text())

    def test_the_build_backend_and_what_it_needs_are_declared(self, project):
        system = project["build-system"]
        assert "setuptools.build_meta" == system["build-backend"]
        assert {"setuptools", "cffi"} == {need.split(">")[0] for need in system["requires"]}

    def test_cffi_is_all_that_a_run_needs(self, project):
        assert ["cffi"] == [need.split(">")[0] for need in project["project"]["dependencies"]]

    def test_setup_py_names_an_extension_for_each_flavour(self, units):
        names = [flavour.name for flavour in units.flavours()]
        assert {"native", "plain"} <= set(names)
        assert len(names) == len(set(names))

    def test_the_versions_agree(self, project):
        assert project["project"]["version"] == iopf.__version__

    def test_the_sdist_takes_sources_and_tests(self):
        manifest = (ROOT / "MANIFEST.in").read_text()
        for line in ("graft csrc", "graft tests"):
            assert line in manifest.splitlines()


#: What distributions compile with: Fedora's and Debian's hardening, in the forms in which they are given.
DISTRIBUTION = (
    "-O3 -flto=auto -ffat-lto-objects -fexceptions -Werror=format-security -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3"
    " -Wp,-D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full"
    " -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer"
)


class TestFlagsOfADistribution:
    """-flto takes code away from its unit's flags, -Wp,-D_FORTIFY_SOURCE=3 broke the explorer's own memcpy."""

    def test_what_is_overridden_is_said_in_a_line(self, units):
        said = units.overridden(DISTRIBUTION.split())
        assert said is not None and "\n" not in said
        for flag in ("-flto=auto", "-ffat-lto-objects", "-Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3", "-O3"):
            assert f"{flag} " in said
        assert ("-fcf-protection=full" in said) == bool(units.EXPLORE_FLAGS)
        assert "-fstack-protector-strong" not in said
        assert units.overridden(["-g", "-O2", "-fstack-protector-strong", "-fno-omit-frame-pointer"]) is None

    @pytest.mark.parametrize(
        "flag",
        ["-flto", "-flto=auto", "-ffat-lto-objects", "-fno-fat-lto-objects", "-fuse-linker-plugin", "-fwhole-program"],
    )
    def test_no_unit_and_no_link_is_optimised_across_units(self, units, flag):
        assert ["gcc", "-O2"] == units.without_link_time(["gcc", flag, "-O2"])

    @pytest.mark.parametrize(
        "flag",
        [
            "-D_FORTIFY_SOURCE=3",
            "-D_FORTIFY_SOURCE",
            "-Wp,-D_FORTIFY_SOURCE=2",
            "-Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=3",
        ],
    )
    def test_only_what_is_explored_is_not_fortified(self, units, flag):
        assert (["gcc", "-DX"], [flag]) == units.without_fortify(["gcc", flag, "-DX"])
        explored = {unit.name for flavour in units.flavours() for unit in flavour.units if units.is_explored(unit)}
        assert {f"core-{name}" for name in units.CORES} == explored
        assert not any(units.is_explored(unit) for unit in units.run_flavour("native").units)

    def test_a_core_that_is_compiled_later_stands_them(self, tmp_path, monkeypatch):
        """In CFLAGS, which is not asked, and in CC, which is: the same verdict."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        form = ROOT / "tests" / "kernel_files" / "form-j.c"
        for name in ("CFLAGS", "CC"):
            monkeypatch.setenv(name, f"gcc {DISTRIBUTION}" if name == "CC" else DISTRIBUTION)
            core = iopf.Core.from_source(form)
            assert "pass" == explore(scenarios.build("partial"), core=core).verdict

    @pytest.mark.long
    def test_a_build_with_them_explores_and_runs(self, tree):
        """The explored cores are called for every access, and the build says once what it overrides."""
        done = build(tree, "build_ext", "--inplace", "--force", CFLAGS=DISTRIBUTION, LDFLAGS="-Wl,-z,relro -Wl,-z,now")
        assert 0 == done.returncode, done.stderr
        assert 1 == done.stderr.count("flags that are overridden: -flto=auto -ffat-lto-objects")
        for command in (("explore", "partial"), ("check", "--scenario", "partial")):
            done = python(tree, "-m", "iopf", *command)
            assert 0 == done.returncode, done.stderr


class TestUnits:
    """Objects are named after their source: two units in one directory would link each other's."""

    def test_each_unit_of_a_flavour_has_a_name_of_its_own_and_sources_that_are_there(self, units):
        for flavour in units.flavours():
            names = [unit.name for unit in flavour.units]
            assert len(names) == len(set(names))
            for unit in flavour.units:
                assert unit.sources
                stems = [Path(source).name for source in unit.sources]
                assert len(stems) == len(set(stems)), unit.name
                for source in unit.sources:
                    assert (units.CSRC / source).is_file(), source

    def test_every_c_file_is_a_source_or_included_by_one(self, units):
        """A file that nobody compiles rots."""
        sources = {source for flavour in units.flavours() for unit in flavour.units for source in unit.sources}
        texts = "\n".join(path.read_text() for path in units.dependencies())
        for path in units.CSRC.rglob("*.c"):
            name = str(path.relative_to(units.CSRC))
            assert name in sources or f'{path.name}"' in texts or f'"{path.stem}"' in texts, name

    def test_a_build_depends_on_every_file_under_csrc(self, units):
        """A header edit was ignored without ``depends=``."""
        depends = set(units.dependencies())
        kinds = {".c", ".h"}
        assert {path for path in units.CSRC.rglob("*") if path.suffix in kinds} <= depends
        assert units.CSRC / "build.py" in depends

    def test_the_modules_get_these_dependencies(self, units):
        pytest.importorskip("cffi")
        ffi = units.ffi_module(units.flavours()[0])
        _, _, _, keywords = ffi._assigned_source
        assert {path.resolve() for path in map(Path, keywords["depends"])} == {
            p.resolve() for p in units.dependencies()
        }

    def test_no_shim_takes_the_name_of_a_header_that_glibc_includes(self, units):
        """``linux/errno.h``, ``linux/types.h`` and ``linux/limits.h`` are not ours to have: glibc includes them."""
        shims = {path.name for path in (units.CSRC / "include" / "linux").glob("*.h")}
        assert set() == shims & {"errno.h", "types.h", "limits.h"}


class TestAssertions:
    """Python's own CFLAGS carry -DNDEBUG: the asserts of the C code were gone."""

    def test_pythons_flags_are_what_the_trap_needs(self):
        flags = sysconfig.get_config_var("CFLAGS") or ""
        if "-DNDEBUG" not in flags:
            pytest.skip("this Python was built without -DNDEBUG")
        assert "-DNDEBUG" in flags

    def test_ours_undo_it(self, units):
        assert ("-UNDEBUG" in units.CFLAGS, "-UNDEBUG" in iopf.build_info()["flags"].split()) == (True, True)

    def test_the_compiler_sees_ours_last(self, tree):
        """Dry: a compiler that only notes how it was called."""
        compiler = tree / "cc"
        compiler.write_text('#!/bin/sh\necho "$@" >> calls\nexit 1\n')
        compiler.chmod(0o755)
        done = build(tree, "-q", "build_ext", CC=str(compiler), CFLAGS="-DNDEBUG")
        calls = (tree / "calls").read_text().split()
        assert done.returncode != 0
        assert calls.index("-UNDEBUG") > max(i for i, flag in enumerate(calls) if flag == "-DNDEBUG")


class TestFaces:
    """A header with ``#define X expression`` is no cdef: the build leaves such values to the compiler."""

    @pytest.fixture
    def cdef(self, units, tmp_path, monkeypatch):
        def cdef(text):
            (tmp_path / "face.h").write_text(text)
            monkeypatch.setattr(units, "CSRC", tmp_path)
            return units.face_cdef("face.h")

        return cdef

    @pytest.mark.parametrize(
        ("define", "expected"),
        [
            ("#define A 5", "#define A 5"),
            ("#define A 0x10", "#define A 0x10"),
            ("#define A (1 << 4)", "#define A ..."),
            ("#define A B", "#define A ..."),
            ("#define A 1u", "#define A ..."),
            ("#define A 5 /* five */", "#define A 5"),
        ],
    )
    def test_numbers_stay_and_expressions_are_asked_of_the_compiler(self, cdef, define, expected):
        found = cdef(f"int hidden;\n/* cdef-begin */\n{define}\nint shown;\n/* cdef-end */\nint hidden_too;\n")
        assert [expected, "int shown;"] == [line.rstrip() for line in found.splitlines() if line.strip()]

    def test_a_face_without_its_markers_is_an_error(self, cdef):
        with pytest.raises(ValueError, match="cdef-begin"):
            cdef("int shown;\n")

    def test_constants_have_the_compilers_values(self):
        """A wrong number in a cdef is noticed when the constant is read: read them all."""
        from iopf import _runtime

        lib = _runtime.get("native").lib
        assert all(isinstance(getattr(lib, name), int) for name in dir(lib) if name.isupper())


class TestErrors:
    """No compiler, another platform, a stale or missing extension: an error that says what to do."""

    IMPORT = "import iopf; iopf.Queue"

    def test_a_copy_of_the_tree_works(self, tree):
        """The control: what the tests below break is whole before."""
        done = python(tree, "-c", self.IMPORT + "; print(iopf.__file__)")
        assert (0, f"{tree}/iopf/__init__.py\n", "") == (done.returncode, done.stdout, done.stderr)

    @pytest.mark.parametrize("file", ["csrc/core/io-pgfault.c", "csrc/include/linux/iommu.h", "csrc/build.py"])
    def test_a_stale_extension_says_so_and_what_to_do(self, tree, file):
        with (tree / file).open("a") as source:
            source.write("# edited\n" if file.endswith(".py") else "/* edited */\n")
        done = python(tree, "-c", self.IMPORT)
        assert 1 == done.returncode
        last = done.stderr.splitlines()[-1]
        assert last.startswith(
            "iopf._extension.MissingExtension: the extension iopf._native was built from other sources"
        )
        assert "pip install ." in last
        assert 0 == python(tree, "-c", self.IMPORT, IOPF_ALLOW_STALE="1").returncode

    @pytest.mark.parametrize("broken", [False, True], ids=["missing", "broken"])
    def test_a_missing_or_broken_extension_says_what_to_do(self, tree, broken):
        for extension in (tree / "iopf").glob("_*.so"):
            if broken:
                extension.write_bytes(b"no module")
            else:
                extension.unlink()
        done = python(tree, "-c", self.IMPORT)
        last = done.stderr.splitlines()[-1]
        assert (1, True) == (
            done.returncode,
            last.startswith("iopf._extension.MissingExtension: the extension iopf._native"),
        )
        assert "can't be loaded" in last and "pip install ." in last and "gcc" in last

    @pytest.mark.parametrize("arguments", [("info",), ("explore", "--list"), ("check", "--help"), ()])
    def test_the_command_line_says_it_in_one_line(self, tree, arguments):
        """No traceback at a user: exit 2, and what to do."""
        for extension in (tree / "iopf").glob("_*.so"):
            extension.unlink()
        done = python(tree, "-m", "iopf", *arguments)
        assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
        assert (
            done.stderr.startswith("iopf: the extension iopf._native can't be loaded")
            and "pip install ." in done.stderr
        )

    def test_importing_the_package_alone_needs_none(self, tree):
        """So a broken build does not end every pytest run of its environment, through the plugin. A name does need it."""
        for extension in (tree / "iopf").glob("_*.so"):
            extension.unlink()
        for program in ("import iopf", "import iopf.pytest_plugin", "import iopf; dir(iopf); iopf.MissingExtension"):
            done = python(tree, "-c", program)
            assert (0, "") == (done.returncode, done.stderr)
        done = python(tree, "-c", "import iopf\ntry: iopf.Queue\nexcept iopf.MissingExtension: print('caught')")
        assert (0, "caught\n", "") == (done.returncode, done.stdout, done.stderr)

    def test_another_platform_says_so(self, tree):
        done = python(tree, "-c", "import sys; sys.platform = 'darwin'; " + self.IMPORT)
        assert (
            "iopf._extension.MissingExtension: iopf runs on Linux only, this is darwin" == done.stderr.splitlines()[-1]
        )

    def test_another_platform_says_so_when_built(self, tree):
        pytest.importorskip("setuptools", minversion="77")
        program = (
            "import sys, runpy, setuptools\nfrom setuptools.command import build_ext\n"
            "sys.argv = ['setup.py', '-q', 'build_ext']\nsys.platform = 'darwin'\n"
            "runpy.run_path('setup.py', run_name='__main__')"
        )
        done = python(tree, "-c", program)
        assert (True, True) == (done.returncode != 0, "this is darwin: iopf uses futexes" in done.stderr)

    def test_no_compiler_says_what_to_install(self, tree):
        done = build(tree, "-q", "build_ext", CC="no-such-compiler")
        assert 0 != done.returncode
        assert "apt install gcc" in done.stderr and "dnf install gcc" in done.stderr
        assert "apk add gcc musl-dev linux-headers" in done.stderr

    @pytest.mark.parametrize("how", ["setup.py", "pip"])
    def test_old_setuptools_says_what_it_takes(self, tree, how):
        """65 dies in setup() over the license in pyproject.toml: the sentence has to come before."""
        pytest.importorskip("setuptools", minversion="77")
        run = {
            "setup.py": "import runpy, sys; sys.argv = ['setup.py', '-q', 'build_ext']; runpy.run_path('setup.py', run_name='__main__')",
            "pip": "import setuptools.build_meta as backend; backend.get_requires_for_build_wheel()",
        }[how]
        done = python(tree, "-c", f"import setuptools; setuptools.__version__ = '65.5.0'; {run}")
        assert 0 != done.returncode and "Traceback" not in done.stderr
        assert "iopf needs setuptools 77 or newer, this is 65.5.0: pip install -U setuptools" in done.stderr

    def test_missing_headers_of_Linux_are_named(self):
        """musl's compiler has none of its own."""
        if shutil.which("musl-gcc") is None:
            pytest.skip("needs musl-gcc")
        csrc = ROOT / "csrc"
        command = ["musl-gcc", "-std=gnu11", "-fsyntax-only", f"-I{csrc}/runtime/native", f"-I{csrc}/include",
                   f"-I{csrc}/runtime", csrc / "runtime" / "shared" / "futex.c"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert 0 != done.returncode and "the headers of Linux are missing" in done.stderr

    def test_a_machine_without_fibers_gets_all_but_the_explorer(self, tree):
        """What needs the explorer says so in one line; the rest works."""
        (tree / "iopf" / next(PACKAGE.glob("_explore*.so")).name).unlink()
        program = "import iopf; iopf.Queue('q').close(); import iopf.explore; print('fine')"
        assert "fine\n" == python(tree, "-S", "-c", SITE + program).stdout
        for arguments in (["explore", "partial"], ["check"]):
            done = python(tree, "-S", "-c", SITE + f"from iopf.cli import main; raise SystemExit(main({arguments}))")
            assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done
            assert "The build leaves the explorer out" in done.stderr

    def test_the_build_leaves_out_the_explorer_where_it_has_no_fibers(self, tree):
        """It says so. With fibers it is built: the control."""
        pytest.importorskip("setuptools", minversion="77")
        program = (
            "import sys, runpy; from setuptools.command import build_ext as b\n"
            "b.build_ext.build_extensions = lambda self: print('BUILDS', *(e.name for e in self.extensions))\n"
            "sys.argv = ['setup.py', '-q', 'build_ext']; runpy.run_path('setup.py', run_name='__main__')"
        )
        whole = python(tree, "-c", program)
        assert "BUILDS iopf._native iopf._plain iopf._explore\n" in whole.stdout and "left out" not in whole.stderr, (
            whole
        )
        done = python(tree, "-c", program, CFLAGS="-DIOPF_FIBER_NONE")
        assert "BUILDS iopf._native iopf._plain\n" in done.stdout
        assert "the explorer is left out: its fiber switch has no form for this machine" in done.stderr

    @pytest.mark.parametrize("end", ["error", "interrupt"])
    def test_two_files_are_compiled_at_a_time_and_none_after_an_error_or_an_interrupt(self, tree, end, eventually):
        """The compiler is one that waits until it runs a second time: alone it would wait for ever.

        1. The first file is compiled, alone: what every file would show is shown once.
        2. Two files are being compiled.
        3. Both fail; or Ctrl-C comes, to all processes of the terminal.
        4. The build ends, says why, and no further file was begun.
        """
        pytest.importorskip("setuptools", minversion="77")
        pytest.importorskip("cffi")
        begun, compiler = tree / "begun", tree / "compiler"
        compiler.write_text(f"""#!/bin/sh
            case " $* " in *" -c "*) ;; *) exec {shutil.which("gcc") or "cc"} "$@" ;; esac
            mkdir "{begun}/$$"
            [ "$(ls "{begun}" | wc -l)" -ge 2 ] || exec {shutil.which("gcc") or "cc"} "$@"
            until [ "$(ls "{begun}" | wc -l)" -ge 3 ]; do sleep 0.01; done
            {"sleep 600" if end == "interrupt" else "echo 'no such thing' >&2; exit 1"}
        """)
        compiler.chmod(0o755)
        begun.mkdir()
        env = {**os.environ, "CC": str(compiler), "PYTHONPATH": str(tree)}
        run = subprocess.Popen(
            [sys.executable, "setup.py", "-q", "build_ext", "-j2"],
            cwd=tree,
            env=env,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            eventually(lambda: run.poll() is not None or len(list(begun.iterdir())) >= 3)
        except BaseException:  # no two files were compiled at a time
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            raise
        assert run.poll() is None or end == "error"
        if end == "interrupt":
            os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=300)[1]
        assert 0 != run.returncode and 3 == len(list(begun.iterdir())), said
        if end == "error":
            assert "no such thing" in said and "apt install gcc" in said

    @pytest.mark.parametrize("value", ["nonsense", "address,thread", "memory"])
    def test_sanitizers_that_there_are_not_are_named(self, tree, value):
        done = build(tree, "-q", "build_ext", IOPF_SANITIZE=value)
        assert (True, True) == (done.returncode != 0, f"IOPF_SANITIZE={value}: takes 'address'" in done.stderr)


@pytest.mark.skipif(not (ROOT / ".ci" / "run").exists(), reason="the gate is no part of a distribution")
class TestGate:
    """.ci/run takes the names of its steps."""

    def run(self, *arguments):
        return subprocess.run([ROOT / ".ci" / "run", *arguments], capture_output=True, text=True, check=False)

    def test_every_step_is_there_and_every_one_that_is_there_is_listed(self):
        """So none is forgotten when all are run."""
        listed = self.run("--list").stdout.split()
        text = (ROOT / ".ci" / "run").read_text()
        assert sorted(listed) == sorted(re.findall(r"^step_([\w-]+)\(\)", text, re.MULTILINE))
        needed = {name for line in re.findall(r"^ *need (.*?)(?: *#.*)?$", text, re.MULTILINE) for name in line.split()}
        assert needed == set(re.findall(r"^make_([\w-]+)\(\)", text, re.MULTILINE))

    def test_what_steps_need_is_made_once_also_when_its_maker_needs_something(self, tmp_path):
        """The gate's own need(), with makers that only tell."""
        need = re.search(r"^need\(\) \{\n.*?^\}\n", (ROOT / ".ci" / "run").read_text(), re.MULTILINE | re.DOTALL)[0]
        makers = (
            "make_a() { echo a; }; make_b() { need a; echo b; }; make_c() { need a b; echo c; }; need c; need b a c"
        )
        done = subprocess.run(
            ["bash", "-c", f"work={tmp_path}; {need}{makers}"], capture_output=True, text=True, check=True
        )
        assert ["a", "b", "c"] == done.stdout.split()

    def test_a_step_that_is_none_is_refused_before_anything_is_made(self):
        done = self.run("lint", "nonsense")
        assert (1, "") == (done.returncode, done.stdout) and "no step nonsense: there are readme" in done.stderr


@pytest.mark.long
class TestBuilds:
    """What takes a compiler and a minute."""

    def test_a_header_edit_builds_again(self, tree):
        """Whatever its date is, one constant reaches every flavour; without an edit nothing is compiled."""
        for extension in (tree / "iopf").glob("_*.so"):
            extension.unlink()
        assert 0 == build(tree, "-q", "build_ext", "--inplace").returncode
        assert 0 == python(tree, "-c", "import iopf").returncode
        objects = {path: path.stat().st_mtime_ns for path in (tree / "build").rglob("*.o")}
        assert len(objects) > 10
        assert 0 == build(tree, "-q", "build_ext", "--inplace").returncode
        assert objects == {path: path.stat().st_mtime_ns for path in (tree / "build").rglob("*.o")}

        header = tree / "csrc" / "api" / "run.h"
        text = header.read_text()
        assert "#define IOPF_FAILURE 2" in text
        header.write_text(text.replace("#define IOPF_FAILURE 2", "#define IOPF_FAILURE 9"))
        os.utime(header, (1_000_000_000, 1_000_000_000))  # as from an archive: older than every object
        assert 1 == python(tree, "-c", "import iopf").returncode
        assert 0 == build(tree, "-q", "build_ext", "--inplace").returncode
        done = python(tree, "-c", "import iopf; print(int(iopf.ResponseCode.FAILURE))")
        assert ("9\n", "") == (done.stdout, done.stderr)

    def test_a_build_elsewhere_leaves_the_checkout_importable(self, tree):
        """After ``pip install .`` a run from the checkout imports the source package: the modules lie beside it."""
        for extension in (tree / "iopf").glob("_*.so"):
            extension.unlink()
        assert 0 == build(tree, "-q", "build").returncode
        assert 0 == python(tree, "-c", "import iopf; iopf.Queue('q').close()").returncode

    def test_the_wheel_is_one_for_all_pythons_and_has_everything(self, tree):
        assert 0 == build(tree, "-q", "bdist_wheel").returncode
        (wheel,) = (tree / "dist").glob("*.whl")
        free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        assert free_threaded or wheel.name.split("-")[2:4] == ["cp310", "abi3"]
        names = zipfile.ZipFile(wheel).namelist()
        for name in (
            "iopf/_native.abi3.so",
            "iopf/_plain.abi3.so",
            "iopf/py.typed",
            "iopf/_csrc/core/io-pgfault.c",
            "iopf/_csrc/include/linux/iommu.h",
            "iopf/_csrc/api/run.h",
            "iopf/_csrc/build.py",
        ):
            assert free_threaded or name in names, name

    def test_parallel_builds_link_their_own_objects(self, tree):
        """``build_ext -j3`` linked objects of another flavour, silently: each module says which runtime it is."""
        for extension in (tree / "iopf").glob("_*.so"):
            extension.unlink()
        assert 0 == build(tree, "-q", "build_ext", "--inplace", "-j3").returncode
        done = python(tree, "-c", "import iopf; print(*iopf.build_info()['flavours'][:2])")
        assert ("native plain\n", "") == (done.stdout, done.stderr)
