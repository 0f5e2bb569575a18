# SPDX-License-Identifier: GPL-2.0-only
"""What comes in is read as a whole or refused by name, whatever its bytes are."""

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import iopf
from iopf import inputs
from iopf._csrc_tools import csrc
from iopf.cli import main
from iopf.run import TraceError, read_maps, read_trace, run_trace

TEXT = b" L 00600000,8\n S 00601000,4\nI  00400000,3\n"
MAPS = (
    b"00400000-00402000 r-xp 00000000 08:01 11 /bin/x\n"
    b"00600000-00604000 rw-p 00000000 00:00 0 [heap]\n"
    b"7f0000000000-7f0000001000 r--p 00000000 08:01 12                         /opt/a%sb.so\n"
)
#: TEXT by zstd 1.5.4, and by lz4 1.9.4.
ZSTD = bytes.fromhex("28b52ffd242a050100a202070bc0eb7e996e7189583fdd0d30f13f7d7b40f1cbf5cd82c5fff5c5060069df81fb")
LZ4 = bytes.fromhex(
    "04224d186440a72900000070204c20303036300100512c380a20530e00f006313030302c340a49202030303430303030302c330a00000000858a"
    "a501"
)
LZ4_OLD = bytes.fromhex(
    "02214c182900000070204c20303036300100512c380a20530e00f006313030302c340a49202030303430303030302c330a"
)
#: A skippable frame, as pzstd writes before each of its own.
SKIPPABLE = b"\x50\x2a\x4d\x18\4\0\0\0abcd"


def has_zstd():
    """Can zstd be read here?"""
    try:
        inputs.PACKINGS[-1].new()
    except ImportError:
        return False
    return True


PACK = {"plain": bytes, "xz": lzma.compress, "gzip": gzip.compress, "bzip2": bz2.compress}
if has_zstd():
    PACK["zstd"] = lambda text: {TEXT: ZSTD, b"": b"\x28\xb5\x2f\xfd\x24\0\1\0\0\x99\xe9\xd8\x51"}[text]


def zipped(method):
    """A zip archive with a trace."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("trace", TEXT)
    return file.getvalue()


def tarred(mode):
    """A tar archive with a trace."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        member = tarfile.TarInfo("trace")
        member.size = len(TEXT)
        archive.addfile(member, io.BytesIO(TEXT))
    return file.getvalue()


DRMEMTRACE = b"""\
Output format:
<--record#-> <--instr#->: <---tid---> <record details>
------------------------------------------------------------
           1           0: T100 <marker: version 3>
           5           1: T100 ifetch       3 byte(s) @ 0x0000000000400000 48 89 e7             mov    %rsp, %rdi
"""
PINATRACE = b"#\n0x400000: W 0x601000\n0x400003: R 0x600000\n#eof\n"
PERF_MEM = (
    b"          prog  4242 [001]  1000.000001:          1    cpu/mem-loads,ldlat=30/P:           600000        5080021"
    b" |OP LOAD|LVL L1 hit|SNP N/A|TLB N/A|LCK N/A             400010 main+0x10 (/bin/x)\n"
)

REFUSED = {
    "lz4": (LZ4, "lz4-compressed"), "old-lz4": (LZ4_OLD, "lz4-compressed"),
    "zip": (zipped(zipfile.ZIP_DEFLATED), "a zip archive"), "stored-zip": (zipped(zipfile.ZIP_STORED), "a zip archive"),
    "tar": (tarred("w"), "a tar archive"), "tar.gz": (tarred("w:gz"), "a tar archive"),
    "tar.xz": (tarred("w:xz"), "a tar archive"), "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + TEXT, "a 7z archive"),
    "lzip": (b"LZIP\1" + TEXT, "lzip-compressed"), "lzma": (lzma.compress(TEXT, lzma.FORMAT_ALONE), "lzma-compressed"),
    "Z": (b"\x1f\x9d\x90" + TEXT, "compress"), "snappy": (b"\xff\x06\0\0sNaPpY" + TEXT, "snappy-compressed"),
    "perf.data": (b"PERFILE2" + TEXT, "recorded by perf"), "ELF": (b"\x7fELF\2\1\1\0\n" + TEXT, "an ELF file"),
    "twice": (gzip.compress(lzma.compress(TEXT)), "compressed twice, by xz"),
    "zlib": (b"\x78\x9c\x53\1\0" + TEXT, "binary data"), "utf-16": (TEXT.decode().encode("utf-16"), "binary data"),
    "latin-1": (b"caf\xe9\n" + TEXT, "binary data"), "nul": (b"\0\n" + TEXT, "binary data"),
    "drmemtrace": (DRMEMTRACE, "drmemtrace"), "drmemtrace, further on": (DRMEMTRACE.split(b"-\n")[1], "drmemtrace"),
    "pinatrace": (PINATRACE, "pinatrace"), "pinatrace.xz": (lzma.compress(PINATRACE), "pinatrace"),
    "perf script": (PERF_MEM, "perf script"), "perf script, no cpu": (PERF_MEM.replace(b"[001] ", b""), "perf script"),
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """The trace, to be written, and a map."""
    (tmp_path / "maps").write_bytes(MAPS % b"")
    return tmp_path / "trace", tmp_path / "maps"


@pytest.fixture
def cli(capsys):
    """Runs ``iopf run``: exit code, figures or None, what was said."""

    def run(trace, maps, *options):
        code = main(["run", str(trace), "--maps", str(maps), "--json", *options])
        output, error = capsys.readouterr()
        return code, json.loads(output) if output else None, error

    return run


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_a_packed_trace_is_read_whatever_it_is_called(files, cli, pack):
    """By what it begins with. The figures are those of the text."""
    trace, maps = files
    trace.write_bytes(pack(TEXT))
    code, found, error = cli(trace, maps)
    assert (0, 3, "") == (code, found["accesses"], error)


@pytest.mark.parametrize(
    "pack", [PACK[name] for name in PACK if name != "plain"], ids=[n for n in PACK if n != "plain"]
)
def test_every_member_of_a_packed_trace_is_read(files, cli, pack):
    """Also an empty one, and also when pieces of the file come byte by byte."""
    trace, maps = files
    trace.write_bytes(pack(TEXT) + pack(b"") + pack(TEXT) + pack(TEXT))
    code, found, error = cli(trace, maps)
    assert (0, 9, "") == (code, found["accesses"], error)

    class Slow(io.RawIOBase):
        def __init__(self):
            self.rest = trace.read_bytes()

        def read(self, size=-1):
            piece, self.rest = self.rest[:1], self.rest[1:]
            return piece

    assert TEXT * 3 == b"".join(read_trace(Slow()))


@pytest.mark.parametrize(
    "pack", [PACK[name] for name in PACK if name != "plain"], ids=[n for n in PACK if n != "plain"]
)
def test_what_follows_a_packed_trace_is_padding_or_an_error(pack):
    """Zeros fill up a block of a tape or of a file system; anything else would be left out."""
    assert TEXT == b"".join(read_trace(io.BytesIO(pack(TEXT) + bytes(64))))
    read = []
    with pytest.raises(TraceError, match=r"damaged compressed file: what follows its .* data is something else"):
        read.extend(read_trace(io.BytesIO(pack(TEXT) + TEXT)))
    assert [TEXT] == read


@pytest.mark.skipif(not has_zstd(), reason="no zstd here: pip install zstandard")
def test_a_zstd_file_may_begin_with_a_frame_to_skip():
    """As the one of a packer with several threads does."""
    assert TEXT * 2 == b"".join(read_trace(io.BytesIO(SKIPPABLE + ZSTD + SKIPPABLE + ZSTD)))


def test_without_zstd_the_message_says_what_to_install(files, cli, monkeypatch):
    """And nothing is read."""
    for module in ("zstandard", "compression.zstd", "compression"):
        monkeypatch.setitem(sys.modules, module, None)
    trace, maps = files
    for content in (ZSTD, SKIPPABLE + ZSTD):
        trace.write_bytes(content)
        code, found, error = cli(trace, maps)
        assert (2, None) == (code, found)
        assert "it is zstd-compressed" in error and "pip install 'iopf[zstd]'" in error and 1 == error.count("\n")


@pytest.mark.parametrize(("content", "name"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_trace_is_named_and_refused(files, cli, monkeypatch, content, name):
    """In one line, as a file and on standard input; no access in it is performed."""
    trace, maps = files
    trace.write_bytes(content)
    code, found, error = cli(trace, maps)
    assert (2, None) == (code, found)
    assert f"{trace}: it is" in error and name in error and 1 == error.count("\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, found, error = cli("-", maps)
    assert (2, None) == (code, found)
    assert "standard input: it is" in error and name in error and 1 == error.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        b"==1== Lackey, an example tool\n" + PINATRACE + TEXT,
        b"==1== Command: caf\xe9 \1\n" + TEXT,
        b"==1== Command: x\n\0\1\2binary output of the program\n" + TEXT,
        b"\n" + TEXT + DRMEMTRACE,
        b"0,8\n" + TEXT,
        b"hello from the program\n" + TEXT,
    ],
    ids=["pinatrace", "latin-1", "binary", "drmemtrace", "cut", "hello"],
)
def test_what_a_program_prints_in_between_makes_no_other_format_of_a_trace(text):
    """It is counted as malformed, as ever; the accesses are all there."""
    space = read_maps(io.BytesIO(MAPS % b""))
    assert 3 == run_trace(io.BytesIO(text), space).accesses


@pytest.mark.parametrize("pack", [PACK[name] for name in ("xz", "gzip", "bzip2")], ids=["xz", "gzip", "bzip2"])
def test_a_cut_trace_gives_the_figures_up_to_there_and_exit_code_2(files, cli, pack):
    """Wherever it is cut. The line within which it is cut is no access: it would be another one."""
    trace, maps = files
    whole = b"".join(b" L %08x,8\n" % (0x600000 + n * 8 % 0x4000) for n in range(100_000))
    packed = pack(whole[:-100_000]) + pack(whole[-100_000:])
    seen = set()
    for length in (len(packed) - 1, len(packed) - 9, len(packed) * 3 // 4, len(packed) // 2):
        trace.write_bytes(packed[:length])
        code, found, error = cli(trace, maps)
        assert 2 == code and 1 == error.count("\n")
        assert f"{trace}: damaged compressed file: it is cut, the end of its" in error
        if found is not None:
            assert "the figures are of what came before" in error
            read = []
            with pytest.raises(TraceError):
                read.extend(read_trace(trace))
            assert found["accesses"] == b"".join(read).count(b"\n") <= 100_000
            assert whole.startswith(b"".join(read)) and b"".join(read).endswith(b"\n")
            seen.add(found["accesses"])
            with pytest.raises(TraceError) as caught:
                run_trace(trace, maps)
            assert found["accesses"] == caught.value.result.accesses and not caught.value.result.complete
    assert len(seen) > 1


@pytest.mark.skipif(not has_zstd(), reason="no zstd here: pip install zstandard")
def test_a_cut_zstd_trace_is_an_error():
    """Its library is silent about it."""
    for length in range(5, len(ZSTD)):
        with pytest.raises(TraceError, match="it is cut, the end of its zstd data is missing"):
            list(read_trace(io.BytesIO(ZSTD[:length])))


@pytest.mark.parametrize("pack", [PACK[name] for name in ("xz", "gzip", "bzip2")], ids=["xz", "gzip", "bzip2"])
def test_a_small_file_that_unpacks_to_very_much_is_read_in_pieces(pack):
    """Also what the library has kept back for want of room."""
    packed = pack((b" L 00600000,8\n" * 8 + b"\n") * 40_000)
    sizes = list(map(len, read_trace(io.BytesIO(packed))))
    assert 40_000 * (14 * 8 + 1) == sum(sizes)
    assert max(sizes) < 3 << 20


@pytest.mark.parametrize("endless", ["/dev/zero", "/dev/urandom"])
def test_endless_files_are_unusable(files, cli, endless):
    """As a trace and as a map, in one line."""
    trace, maps = files
    trace.write_bytes(TEXT)
    for code, found, error in (cli(endless, maps), cli(trace, endless)):
        assert (2, None) == (code, found)
        assert f"{endless}: it is" in error and "binary data" in error and 1 == error.count("\n")


class Endless(io.RawIOBase):
    """The same piece again and again; it fails the test that goes on reading."""

    def __init__(self, piece):
        self.piece = piece * (1 + (1 << 16) // len(piece))
        self.left = 1 << 30

    def read(self, size=-1):
        self.left -= len(self.piece)
        assert self.left > 0, "read without end"
        return self.piece


def test_a_line_without_end_is_unusable():
    """Of a trace and of a map, also after lines that are right."""
    space = read_maps(io.BytesIO(MAPS % b""))
    with pytest.raises(TraceError, match="a line of more than 1 MiB"):
        run_trace(Endless(b"L"), space)
    with pytest.raises(TraceError, match="a line of more than 1 MiB"):
        read_maps(Endless(b"0"))
    with pytest.raises(TraceError, match="a line of more than 1 MiB") as caught:
        run_trace(io.BytesIO(TEXT + bytes(3 << 20)), space)
    assert 3 == caught.value.result.accesses


def test_lines_without_end_are_unusable():
    """Those that are no access, and a map that says the same again and again."""
    space = read_maps(io.BytesIO(MAPS % b""))
    with pytest.raises(TraceError, match="no line is an access"):
        run_trace(Endless(b"y" * 1023 + b"\n"), space)
    with pytest.raises(TraceError, match="more than 256 MiB"):
        read_maps(Endless(b"00400000-00402000 r-xp " + b"x" * 100_000 + b"\n"))


def test_a_closed_or_a_nonblocking_standard_input_is_unusable(monkeypatch):
    """What has nothing to give yet is not at its end."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(TraceError, match="standard input: it is closed"):
        list(read_trace("-"))

    class Nothing(io.RawIOBase):
        def read(self, size=-1):
            return None

    with pytest.raises(TraceError, match="without blocking"):
        list(read_trace(Nothing()))


#: Everything that str.splitlines() or a text file takes for the end of a line, and bytes that are no UTF-8.
ODD = {
    "CR": b"\r", "VT": b"\v", "FF": b"\f", "FS": b"\x1c", "GS": b"\x1d", "RS": b"\x1e", "NEL": "\x85".encode(),
    "LS": "\u2028".encode(), "PS": "\u2029".encode(), "latin-1": b"\xe9", "NEL alone": b"\x85", "SOH": b"\1",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_line_of_a_map_ends_at_a_line_feed_and_nowhere_else(files, odd):
    """Whatever the path holds; as a path, as a binary file, and as a text file."""
    _, maps = files
    maps.write_bytes(MAPS % odd)
    with open(maps, "rb") as binary, open(maps, encoding="utf-8") as text:
        spaces = [read_maps(maps), read_maps(binary), read_maps(text)]
    spaces.append(read_maps(io.StringIO((MAPS % odd).decode(errors="surrogateescape"), newline="\n")))
    for space in spaces:
        assert [0x400000, 0x600000, 0x7F0000000000] == [area.start for area in space.areas]


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, bz2.compress], ids=["xz", "gzip", "bzip2"])
def test_a_packed_map_is_read_and_an_archive_refused(pack):
    """As a trace."""
    assert 3 == len(read_maps(io.BytesIO(pack(MAPS % b""))).areas)
    with pytest.raises(TraceError, match="it is a zip archive: it should be a copy of /proc/PID/maps"):
        read_maps(io.BytesIO(zipped(zipfile.ZIP_DEFLATED)))
    with pytest.raises(TraceError, match="cut"):
        read_maps(io.BytesIO(pack(MAPS % b"")[:-5]))


def test_a_text_file_is_no_trace():
    """It has lost bytes already."""
    with pytest.raises(TypeError, match="mode 'rb'"):
        list(read_trace(io.StringIO(TEXT.decode())))


def test_no_module_splits_lines_at_anything_but_a_line_feed():
    """splitlines() also splits at form feeds, U+0085, U+2028 and more, which file names may hold."""
    found = [
        path
        for folder in (Path(iopf.__file__).parent, csrc())
        for path in folder.rglob("*.py")
        if "splitlines(" in path.read_text(encoding="utf-8") or "universal_newlines" in path.read_text(encoding="utf-8")
    ]
    assert [] == found
