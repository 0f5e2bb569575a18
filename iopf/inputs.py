# SPDX-License-Identifier: GPL-2.0-only
"""Files that come in: unpacked, or refused by name.

What a file is, its first bytes say, never its name. xz, gzip, bzip2 and zstd (where Python or the zstandard package has
it) are unpacked as they are read, all members of a file that has several. Everything else that is no text is refused,
and so are the texts of other tracers: one sentence says what it is, and what to do. A file that is cut or damaged gives
its whole lines up to there, then the error.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from .run import TraceResult

__all__ = ["Source", "TraceError", "lines", "name_of", "no_map", "no_trace", "pieces", "shown"]

#: What is read at once, before it is unpacked; what is handed on at once; what is looked at to tell what a text is.
READ, PIECE, HEAD = 1 << 16, 1 << 20, 1 << 16
#: A longer line belongs to neither a trace nor a map: such a file may have no line ends at all.
LONGEST_LINE = 1 << 20

Source = Union[str, "os.PathLike[str]", IO[bytes]]


class TraceError(ValueError):
    """The trace or the maps can't be used; the message says why, in one line."""

    #: figures of what was performed before the trace was found to be cut or damaged; None: nothing was
    result: TraceResult | None = None


# --- what is packed ---


@dataclass(frozen=True)
class _Packing:
    """A way to pack that can be read."""

    name: str
    magic: bytes
    #: returns an object with decompress(), eof and unused_data; ImportError says what to install
    new: Callable[[], Any]
    #: of the packed file at once: the output of one call can't be limited in every library
    step: int = READ


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # Python 3.14

        return zstd.ZstdDecompressor()
    except ImportError:
        pass
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def _damage() -> tuple[type[Exception], ...]:
    """What the libraries raise for a damaged file. zlib.error and lzma.LZMAError have no parent in common."""
    found: list[type[Exception]] = [lzma.LZMAError, zlib.error, OSError, EOFError]
    for module in ("compression.zstd", "zstandard"):
        if module in sys.modules:
            found.append(sys.modules[module].ZstdError)
    return tuple(found)


PACKINGS = (
    _Packing("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    _Packing("gzip", b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    _Packing("bzip2", b"BZh", bz2.BZ2Decompressor),
    _Packing("zstd", b"\x28\xb5\x2f\xfd", _zstd, 1 << 10),
)

#: What is told by its first bytes and refused: where they are, what they are, the name.
REFUSED = (
    (0, b"\x04\x22\x4d\x18", "lz4-compressed"),
    (0, b"\x02\x21\x4c\x18", "lz4-compressed"),
    (0, b"PK\3\4", "a zip archive"),
    (0, b"PK\5\6", "a zip archive"),
    (0, b"PK\7\x08", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\7", "a rar archive"),
    (0, b"LZIP", "lzip-compressed"),
    (0, b"\x89LZO\0", "lzop-compressed"),
    (0, b"\x5d\0\0", "lzma-compressed"),
    (0, b"\x1f\x9d", "compressed by compress (.Z)"),
    (0, b"\xff\x06\0\0sNaPpY", "snappy-compressed"),
    (257, b"ustar", "a tar archive"),
    (0, b"PERFILE2", "recorded by perf"),
    (0, b"2ELIFREP", "recorded by perf"),
    (0, b"\x7fELF", "an ELF file"),
)


def _packing_of(start: bytes) -> _Packing | None:
    # A skippable frame of zstd comes first where several threads have packed; lz4 has the same, and never first.
    if len(start) >= 4 and 0x50 <= start[0] <= 0x5F and start[1:4] == b"\x2a\x4d\x18":
        return PACKINGS[-1]
    return next((packing for packing in PACKINGS if start.startswith(packing.magic)), None)


class _Reader:
    """The file as it is, in pieces; it knows how much was read, for progress."""

    def __init__(self, raw: IO[bytes]):
        self._read: Callable[[int], bytes | None] = getattr(raw, "read1", raw.read)
        self._again = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """Some bytes, b"" at the end."""
        if self._again:
            piece, self._again = self._again[:size], self._again[size:]
            return piece
        piece_or_none = self._read(size)
        if piece_or_none is None:
            raise TraceError("nothing there yet, and it is opened without blocking")
        if isinstance(piece_or_none, str):
            raise TypeError("a trace is a binary file: open it with mode 'rb'")
        self.position += len(piece_or_none)
        return bytes(piece_or_none)

    def unread(self, piece: bytes) -> None:
        """It comes again."""
        self._again = piece + self._again

    def start(self, size: int) -> bytes:
        """The next bytes, which stay; fewer than size at the end of the file only."""
        start = b""
        while len(start) < size and (piece := self.read(size - len(start))):
            start += piece
        self.unread(start)
        return start


def _unpacked(reader: _Reader, packing: _Packing) -> Iterator[bytes]:
    """All members of a packed file, one after the other."""
    damage = _damage()
    first = True
    while start := reader.start(len(packing.magic)):
        if not first and not start.strip(b"\0"):  # padding, to the size of a block
            reader.read(len(start))
            continue
        if _packing_of(start) is not packing:
            raise TraceError(f"damaged compressed file: what follows its {packing.name} data is something else")
        first = False
        member = packing.new()
        while not member.eof:
            packed = reader.read(packing.step)
            if not packed:
                raise TraceError(f"damaged compressed file: it is cut, the end of its {packing.name} data is missing")
            try:
                yield from _member(packing, member, packed)
            except damage as error:
                raise TraceError(f"damaged compressed file: {error}") from error
        reader.unread(member.unused_data)


def _member(packing: _Packing, member: Any, packed: bytes) -> Iterator[bytes]:
    """What comes out for these bytes, in pieces where the library can: a few may stand for very many."""
    if packing.name == "gzip":  # zlib keeps what there was no room for, in its own memory and in unconsumed_tail
        yield (piece := member.decompress(packed, PIECE))
        while not member.eof and (member.unconsumed_tail or len(piece) == PIECE):
            yield (piece := member.decompress(member.unconsumed_tail, PIECE))
    elif hasattr(member, "needs_input"):
        yield member.decompress(packed, PIECE)
        while not member.eof and not member.needs_input:
            yield member.decompress(b"", PIECE)
    else:  # the zstandard package
        yield member.decompress(packed)


def _whole_lines(content: Iterator[bytes]) -> Iterator[bytes]:
    """Cut at line ends: the line within which a file is cut says something else than it did. The last one may have
    none."""
    rest = b""
    for piece in content:
        end = piece.rfind(b"\n") + 1
        if end:
            yield rest + piece[:end]
            rest = piece[end:]
        else:
            rest += piece
        if len(rest) > LONGEST_LINE:
            raise TraceError(f"a line of more than {LONGEST_LINE >> 20} MiB: this is no text")
    if rest:
        yield rest


# --- what is text, and whose ---

_LACKEY = re.compile(rb" *[ILSM] +[0-9a-fA-F]{1,16},\d+\r?$|(==|--|\*\*)\d+\1")
_NOT_TEXT = re.compile(rb"[\0-\x07\x0e-\x1a\x1c-\x1f]")
#: Texts of other tracers, by a line of theirs.
_TEXTS = (
    (re.compile(rb" *<--record#-> |^ *\d+ +\d+: +T\d+ +[<\w]"), "the view of a drmemtrace (DynamoRIO)"),
    (re.compile(rb"0x[0-9a-f]+: [RW] 0x[0-9a-f]+"), "what Pin's pinatrace prints"),
    (re.compile(rb" *\S.* +\d+(?:/\d+)? +(?:\[\d+\] +)?\d+\.\d{6,9}: "), "what perf script prints"),
)
_INSTEAD = "iopf run reads what valgrind --tool=lackey --trace-mem=yes prints (iopf record makes it)"


def _packed(head: bytes) -> str | None:
    """What a content is that begins like this and should be text, as far as its first bytes tell; or None."""
    for place, magic, name in REFUSED:
        if head.startswith(magic, place):
            return f"it is {name}"
    packing = _packing_of(head)
    return None if packing is None else f"it is compressed twice, by {packing.name} inside"


def no_trace(head: bytes) -> str | None:
    """What a file is that begins like this and is no trace of lackey's, or None."""
    rows = head.split(b"\n", 64)[:64]
    first = next((row for row in rows if row.strip()), b"")
    if _LACKEY.match(first):
        return None  # what a program prints in between does no harm
    found = _packed(head)
    if found is not None:
        return found
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        binary = _NOT_TEXT.search(head) is not None
    except UnicodeDecodeError:
        binary = True
    if binary:
        return "it is binary data, in no format that is known here"
    if not any(map(_LACKEY.match, rows)):
        for row in rows:
            for pattern, name in _TEXTS:
                if pattern.match(row):
                    return f"it is {name}"
    return None


def no_map(head: bytes) -> str | None:
    """What a file is that begins like this and is no map, or None. Paths may hold any byte but 0."""
    return _packed(head) or ("it is binary data" if b"\0" in head else None)


# --- all of it ---


def name_of(source: object) -> str:
    """As messages call it."""
    return "standard input" if source == "-" else str(getattr(source, "name", source))


def shown(line: bytes | str) -> str:
    """A line in a message."""
    text = line if isinstance(line, str) else line.decode(errors="replace")
    return repr(text if len(text) <= 80 else text[:77] + "...")


def pieces(
    source: Source,
    refused: Callable[[bytes], str | None] = no_trace,
    instead: str = _INSTEAD,
    seen: Callable[[int, int | None], object] | None = None,
) -> Iterator[bytes]:
    """The content as whole lines, unpacked, in pieces of about 1 MiB at most.

    :param source: a path, ``"-"`` for standard input, or a binary file
    :param refused: says of the first bytes, unpacked, what they are that can't be used, or None
    :param instead: what a sentence that refuses the file ends with
    :param seen: called before each piece with how many bytes of the file were read, and its size where it has one
    :raises TraceError: it can't be read, is no text, or is cut or damaged: then the lines before have come
    """
    opened: IO[bytes] | None = None
    try:
        if source == "-":
            if sys.stdin is None:
                raise TraceError("it is closed")
            raw: IO[bytes] = sys.stdin.buffer
        elif isinstance(source, (str, os.PathLike)):
            raw = opened = open(source, "rb", buffering=0)
        else:
            raw = source
        size = os.fstat(opened.fileno()).st_size if opened is not None else None
        reader = _Reader(raw)
        for piece in _content(reader, refused, instead):
            if seen is not None:
                seen(reader.position, size or None)
            yield piece
    except OSError as error:
        raise TraceError(f"{name_of(source)}: {error.strerror or error}") from error
    except TraceError as error:
        raise TraceError(f"{name_of(source)}: {error}") from error.__cause__
    finally:
        if opened is not None:
            opened.close()


def _content(reader: _Reader, refused: Callable[[bytes], str | None], instead: str) -> Iterator[bytes]:
    packing = _packing_of(reader.start(6))
    if packing is None:
        content = iter(lambda: reader.read(PIECE), b"")
    else:
        try:
            packing.new()
        except ImportError:
            raise TraceError(
                "it is zstd-compressed, which this Python can't read by itself: pip install 'iopf[zstd]' (the zstandard"
                " package), or unpack it: zstd -d"
            ) from None
        content = _unpacked(reader, packing)
    head, damage = _head(content)
    why = refused(head[:HEAD])
    if why is not None:
        raise TraceError(f"{why}: {instead}")

    def whole() -> Iterator[bytes]:
        yield head
        if damage is not None:
            raise damage
        yield from content

    return _whole_lines(whole())


def _head(content: Iterator[bytes]) -> tuple[bytes, TraceError | None]:
    """Enough to tell by it what the content is, or all of it; and the error that ended it."""
    head = b""
    try:
        while len(head) < HEAD and (piece := next(content, None)) is not None:
            head += piece
    except TraceError as error:
        return head, error
    return head, None


def lines(source: Source, refused: Callable[[bytes], str | None], instead: str) -> Iterator[bytes]:
    """The lines of a file, without their ends. They end at line feeds and nowhere else."""
    for piece in pieces(source, refused, instead):
        rows = piece.split(b"\n")
        yield from rows if rows[-1] else rows[:-1]
