# SPDX-License-Identifier: GPL-2.0-only
"""The cache of compiled cores: bounded, shared by processes, and not in the way where it can't be had.

A compiler that only writes a file would do for most of this, so the entries are made by hand where nothing is loaded.
"""

import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iopf import _cache, _source
from iopf._source import CoreSourceError, compile_core

FORM = Path(__file__).resolve().parent / "kernel_files" / "form-j.c"
needs_cc = pytest.mark.skipif(not any(map(shutil.which, ("gcc", "cc", "clang"))), reason="no compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The place that the user named, and a temporary directory of the test's own."""
    monkeypatch.setenv("IOPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("LD_PRELOAD", raising=False)  # not into the compiler
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(_cache, "_told", set())
    monkeypatch.setattr(_cache, "_full", {})
    return tmp_path / "cache"


@pytest.fixture
def fallback(tmp_path):
    """The last of the places."""
    return tmp_path / "temporary" / f"iopf-cores-{os.getuid()}"


@pytest.fixture
def place(cache):
    found = next(_cache.places())
    assert found.usable() and found.root == cache
    return found


def finished(folder, size=10):
    """What a compile leaves, of so many bytes."""
    folder.mkdir(parents=True)
    (folder / "core.so").write_bytes(b"x" * size)
    (folder / "core.so.sha256").write_text(_cache._hash_of(folder / "core.so"))
    (folder / "warnings.txt").write_text("")
    return folder


def let_go(home):
    """As if the process that uses the entry had ended."""
    os.close(_cache._held.pop(home / "core.so"))


def install(place, digest, tmp_path, age=0, used=False, size=10):
    home = _cache.install(place, digest, finished(tmp_path / "made" / digest, size))
    if not used:
        let_go(home)
    os.utime(home, (os.stat(home).st_mtime - age,) * 2)
    return home


# --- bounded ---


@pytest.mark.parametrize("bound", ["MAX_ENTRIES", "MAX_BYTES"])
def test_the_least_recently_used_entries_go(place, tmp_path, monkeypatch, bound):
    """By number and by bytes; what was used again stays, whenever it was made."""
    monkeypatch.setattr(_cache, bound, {"MAX_ENTRIES": 3, "MAX_BYTES": 3500}[bound])
    homes = [install(place, f"entry{i}", tmp_path, age=100 - i, size=1000) for i in range(3)]
    assert _cache.find(place, "entry0") == homes[0]  # used now
    let_go(homes[0])
    install(place, "new", tmp_path, size=1000)
    assert {"entry0", "entry2", "new"} == {path.name for path in place.root.iterdir()}


def test_what_somebody_uses_stays_however_old_it_is(place, tmp_path, monkeypatch):
    """Another process holds it: only when that has ended, it goes."""
    monkeypatch.setattr(_cache, "MAX_ENTRIES", 1)
    home = install(place, "held", tmp_path, age=1000)
    code = (
        "import sys\nfrom iopf import _cache\n"
        "place = next(_cache.places())\nprint(_cache.find(place, 'held') is not None, flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert "True\n" == child.stdout.readline()
    os.utime(home, (0, 0))
    install(place, "new1", tmp_path)
    assert home.exists()
    child.communicate("")
    install(place, "new2", tmp_path)
    assert not home.exists()


def test_what_killed_processes_left_goes_after_an_hour(place, tmp_path):
    """The scratch directory of a compile that was killed, and an entry that was half removed; not those of now."""
    for name, age in ((".compiling-old", 4000), (".removing-old", 4000), (".compiling-now", 0)):
        (place.root / name).mkdir()
        os.utime(place.root / name, (os.stat(place.root).st_mtime - age,) * 2)
    install(place, "new", tmp_path)
    assert {".compiling-now", "new"} == {path.name for path in place.root.iterdir()}


def test_a_directory_of_the_users_own_in_the_place_that_was_named_stays(place, tmp_path, monkeypatch):
    """IOPF_CACHE_DIR may name a directory that is there for something else, too, whatever lies there and however old."""
    monkeypatch.setattr(_cache, "MAX_ENTRIES", 1)
    for name in ("thesis", "a" * 32, "results", "revisions"):
        (place.root / name).mkdir()
        (place.root / name / "own").write_text("")
        os.utime(place.root / name, (0, 0))
    install(place, "old", tmp_path, age=1000)
    install(place, "new", tmp_path)
    assert {"thesis", "a" * 32, "results", "revisions", "new"} == {path.name for path in place.root.iterdir()}


# --- shared ---


def test_a_damaged_entry_that_somebody_replaced_meanwhile_is_left_alone(place, tmp_path):
    """Two saw the damage and compiled; the slower one takes what the faster one has put there."""
    first = _cache.install(place, "entry", finished(tmp_path / "a"))
    inode = (first / "core.so").stat().st_ino
    assert first == _cache.install(place, "entry", finished(tmp_path / "b"))
    assert inode == (first / "core.so").stat().st_ino
    (first / "core.so").write_bytes(b"damaged")
    assert _cache.find(place, "entry") is None
    _cache.install(place, "entry", finished(tmp_path / "c"))
    assert _cache.find(place, "entry") == first and inode != (first / "core.so").stat().st_ino
    assert ["entry"] == [path.name for path in place.root.iterdir()]
    let_go(first)


def test_installing_and_evicting_at_once_gives_only_whole_entries(place, tmp_path, monkeypatch):
    """Threads install and find in a cache that has room for two: what find() gives is whole, and stays so while it is
    held. A descriptor of its own is a holder of its own, as in another process."""
    monkeypatch.setattr(_cache, "MAX_ENTRIES", 2)
    errors, barrier = [], threading.Barrier(4)

    def work(number):
        barrier.wait()
        for turn in range(25):
            digest = f"entry{(number + turn) % 5}"
            home = _cache.install(place, digest, finished(tmp_path / f"made{number}" / f"{turn}"))
            if not _cache._is_whole(home):
                errors.append(digest)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [] == errors
    assert not list(place.root.glob(".*"))
    for library in list(_cache._held):
        let_go(library.parent)


# --- where it can't be had ---


class NoExec:
    """statvfs() of a file system that is mounted noexec."""

    def __init__(self, root):
        self.root, self.real = root, os.statvfs

    def __call__(self, path):
        real = self.real(path)
        if not Path(path).is_relative_to(self.root):
            return real
        return os.statvfs_result((*real[:8], real.f_flag | os.ST_NOEXEC, real.f_namemax))


@needs_cc
def test_a_noexec_mount_is_left_out_and_that_is_said_once(cache, fallback, monkeypatch, caplog):
    """Its libraries can't be loaded: the next place serves."""
    monkeypatch.setattr(os, "statvfs", NoExec(cache))
    with caplog.at_level(logging.WARNING, "iopf.cache"):
        assert compile_core(FORM).library.is_relative_to(fallback)
        assert compile_core(FORM).cached
    assert [
        f"IOPF_CACHE_DIR={cache}: it is mounted noexec, and cores are loaded from there."
        " Compiled cores are kept elsewhere."
    ] == [record.getMessage() for record in caplog.records]


@needs_cc
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_full_disk_is_left_for_the_next_place(cache, fallback, monkeypatch, caplog, number):
    """Where we write, and where the compiler does: its message is understood, and no facets are blamed."""
    write_text = Path.write_text

    def full(self, text):
        if self.is_relative_to(cache):
            raise OSError(number, os.strerror(number))
        return write_text(self, text)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert compile_core(FORM).library.is_relative_to(fallback)
    assert os.strerror(number) in caplog.text
    shutil.rmtree(fallback)
    monkeypatch.setattr(_cache, "_full", {})
    compiler = fallback.parent / "cc"
    compiler.write_text(
        f'#!/bin/sh\ncase "$PWD" in {cache}*) echo "core.o: {os.strerror(number)}" >&2; exit 1;; esac\nexec cc "$@"\n'
    )
    compiler.chmod(0o700)
    assert compile_core(FORM, cc=str(compiler)).library.is_relative_to(fallback)


def test_no_room_anywhere_is_said_with_every_place_and_the_reason(cache, fallback, monkeypatch):
    """And with what to set; not with facets."""

    def full(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CoreSourceError) as caught:
        compile_core(FORM)
    assert errno.ENOSPC == caught.value.errno
    for part in (f"{cache}: No space left", f"{fallback}: No space left", "Set IOPF_CACHE_DIR"):
        assert part in str(caught.value)
    assert "facet" not in str(caught.value)


@needs_cc
def test_what_lies_complete_in_a_read_only_place_is_used(cache, fallback, monkeypatch):
    """A cache that was filled when an image was built; what is missing in it is compiled elsewhere."""
    ready = compile_core(FORM)
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(cache))
    assert (True, ready.library) == ((again := compile_core(FORM)).cached, again.library)
    assert compile_core(FORM, name="another").library.is_relative_to(fallback)


def test_a_place_where_others_can_write_is_not_trusted(cache, caplog):
    """What lies there is run."""
    cache.mkdir()
    cache.chmod(0o777)
    place = next(_cache.places())
    assert not place.usable() and not place.readable and "others can write there" in caplog.text


# --- the key ---


def digest_of(monkeypatch, **changes):
    """The directory's name for a compile that finds its entry at once."""
    asked = []

    def find(place, digest):
        asked.append(digest)
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(_cache, "find", find)
        for name, value in changes.pop("env", {}).items():
            patch.setenv(name, value)
        for target, name, value in changes.pop("patch", ()):
            patch.setattr(target, name, value)
        with pytest.raises(LookupError):
            compile_core(changes.pop("path", FORM), **changes)
    return asked[0]


@needs_cc
def test_all_that_goes_into_a_core_is_in_its_key(monkeypatch, tmp_path):
    """The content, the path, the facets, the name, the runtime, the compiler with its version and what steers it, our
    sources, and the extension that it is linked with, by content."""
    other = tmp_path / FORM.name
    other.write_text(FORM.read_text() + "\n")
    copy = tmp_path / "copy" / FORM.name
    copy.parent.mkdir()
    shutil.copy(FORM, copy)
    build = _source._tool("build")
    changes = [
        {"path": other},
        {"path": copy},
        {"facets": {"removal": "answers"}},
        {"name": "x"},
        {"runtime": "plain"},
        {"cc": "cc -O1"},
        {"env": {"CPATH": "/nowhere"}},
        {"patch": [(_source, "_version", lambda command: "99")]},
        {"patch": [(build, "sources_hash", lambda: "others")]},
        {"patch": [(_source, "_extension_hash", lambda path, changed: "others")]},
    ]
    digests = [digest_of(monkeypatch), *(digest_of(monkeypatch, **change) for change in changes)]
    assert len(digests) == len(set(digests))
    assert digests[0] == digest_of(monkeypatch)


@needs_cc
@pytest.mark.parametrize("way", ["CC -include", "facet include", "CPATH", "compiler"])
def test_what_is_included_by_whatever_way_is_in_the_key_too(monkeypatch, tmp_path, way):
    """A header that another one includes, one that CC or a variable brings in, and a compiler that is a script: what it
    was before is never taken for what it is. A path in CC is one from here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CC", raising=False)
    inner, outer, source = tmp_path / "inner.h", tmp_path / "outer.h", tmp_path / "source" / "f.c"
    source.parent.mkdir()
    source.write_text(("#include <outer.h>\n" if way == "CPATH" else "") + FORM.read_text())
    outer.write_text('#include "inner.h"\n')
    script = tmp_path / "compiler"

    def write(number):
        inner.write_text(f"#define SOMETHING {number}\n")
        script.write_text(f'#!/bin/sh\nexec cc -DSOMETHING={number} "$@"\n')
        script.chmod(0o755)

    changes = {
        "CC -include": {"cc": "cc -include outer.h"},
        "facet include": {"facets": {"include": str(outer)}},
        "CPATH": {"env": {"CPATH": str(tmp_path)}},
        "compiler": {"cc": "./compiler"},
    }[way]
    digests = []
    for number in (1, 1, 2000):
        write(number)
        digests.append(digest_of(monkeypatch, path=source, **changes))
    assert digests[1] != digests[2]
    if way != "compiler":  # whose time of change is all that is known of it
        assert digests[0] == digests[1]
    for name, value in changes.pop("env", {}).items():
        monkeypatch.setenv(name, value)
    assert compile_core(source, **changes).library.exists()
    copy = tmp_path / "elsewhere" / "g.c"
    copy.parent.mkdir()
    shutil.copy(source, copy)
    one, other = (_source.prepare(path, **changes) for path in (source, copy))
    assert one.behaviour == other.behaviour and one.digest != other.digest


# --- advice follows the cause ---


@pytest.mark.parametrize(
    ("script", "number", "says", "not_said"),
    [
        ("exit 1", errno.EINVAL, "ended with exit 1 and said nothing. Is it a C compiler?", "acet"),
        ("kill -9 $$", errno.ENOMEM, "was ended by signal 9: is there too little memory?", "acet"),
        (
            "echo 'cc: internal compiler error: Killed signal terminated program cc1' >&2; exit 4",
            errno.ENOMEM,
            "broke down: is there too little memory?",
            "acet",
        ),
        (
            "echo 'cc: error: unrecognized command-line option' >&2; exit 1",
            errno.EINVAL,
            "The error is not in the file",
            "Facets",
        ),
        (
            "echo '/usr/include/stdio.h:1:2: error: bad' >&2; exit 1",
            errno.EINVAL,
            "The error is not in the file",
            "Facets",
        ),
        (f"echo '{FORM}:7:2: error: bad' >&2; exit 1", errno.EINVAL, "If the facets are wrong", "not in the file"),
    ],
    ids=["silent", "killed", "breaks down", "option", "header", "file"],
)
def test_advice_follows_the_cause(tmp_path, script, number, says, not_said):
    """Facets are the matter of an error in the file, and of no other one."""
    compiler = tmp_path / "cc"
    compiler.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 1 && exit\n{script}\n')
    compiler.chmod(0o700)
    with pytest.raises(CoreSourceError) as caught:
        compile_core(FORM, cc=str(compiler))
    assert number == caught.value.errno and says in str(caught.value) and not_said not in str(caught.value)


@pytest.mark.parametrize("kind", ["/dev/zero", "/dev/null", "fifo", "large"])
def test_a_source_is_a_regular_file_of_a_size_that_a_source_has(tmp_path, kind):
    """A device never ends, and a pipe may be waited for for ever."""
    path = Path(kind)
    if not path.is_absolute():
        path = tmp_path / "io-pgfault.c"
        if kind == "fifo":
            os.mkfifo(path)
        else:
            path.touch()
            os.truncate(path, 1 << 40)
    with pytest.raises(CoreSourceError, match=r"is a regular file|is at most 4 MiB"):
        compile_core(path)
