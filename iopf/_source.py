# SPDX-License-Identifier: GPL-2.0-only
"""A user's own ``drivers/iommu/io-pgfault.c`` as a core: which form it is, and the compile.

The file is compiled **unmodified**. What differs between forms (return types, who answers, how a fault finds its
handler) are its *facets*: read from the text here, shown to the user, overridable, and given to ``csrc/core/unit.c`` as
macros. The names and the rules are in the project's notes on kernel files; csrc/core/facets.h says what each macro does.

Two traps decide how the compiler is called. ``#include "iommu-priv.h"`` looks beside the file *as it was opened* before
any ``-I`` path, and in a kernel tree the real one lies there, which drags in half the kernel or, worse, silently
replaces ours. So the compiler opens a symlink in a scratch directory, where nothing lies beside it, and
``-ffile-prefix-map`` puts the user's own path into ``__FILE__`` and the line tables. And because silence is the
dangerous case, ``-H`` lists what was included: anything else from the user's tree is an error.

A core becomes a shared library that is linked against the extension module of its runtime, which offers the kernel
primitives. It is kept in the user's cache directory under a hash of all that went into it. Nothing is ever written
beside the user's file. Compiling a file and loading the result *runs* it: do it with files that you trust.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .exceptions import IopfError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CompiledCore", "CoreSourceError", "Facets", "compile_core", "detect"]

SUPPORTED = (
    "Supported: drivers/iommu/io-pgfault.c of v6.9 or newer (faults find a domain: v6.9 to v6.10; an attach handle:"
    " v6.11 and newer; with or without iopf_group_dequeue())."
)


class CoreSourceError(IopfError):
    """A file can't be used as a core. ``first_error`` is the compiler's, or ""; ``output`` all that it wrote."""

    def __init__(self, message: str, *, number: int = errno.EINVAL, first_error: str = "", output: str = ""):
        super().__init__(number, message)
        self.first_error = first_error
        self.output = output

    def __str__(self) -> str:
        return self.strerror

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_error, (self.strerror, self.errno, self.first_error, self.output)


def _unpickle_error(message: str, number: int, first_error: str, output: str) -> CoreSourceError:
    return CoreSourceError(message, number=number, first_error=first_error, output=output)


# --- facets --------------------------------------------------------------------------------------------------------

_CHOICES: dict[str, tuple[str, ...]] = {
    "report": ("int", "void"),
    "response": ("int", "void"),
    "remove": ("int", "void"),
    "lookup": ("domain", "handle", "counted-handle"),
    "pending": ("copies", "groups"),
    "answers": ("nothing", "aborts", "all"),
    "removal": ("refuses", "answers", "frees"),
}

_LOOKUP = {
    "domain": "FACET_BY_DOMAIN", "handle": "FACET_BY_HANDLE", "counted-handle": "FACET_BY_COUNTED_HANDLE",
}


@dataclass(frozen=True)
class Facets:
    """How a form differs. Every field can be overridden: ``facets.override(removal="frees")``."""

    #: what iommu_report_device_fault(), iopf_group_response() and iopf_queue_remove_device() return
    report: str
    response: str
    remove: str
    #: how a fault finds its handler; a counted handle is our own core's way
    lookup: str
    #: what is pending: copies of last faults, or groups
    pending: str
    #: what the core answers itself when report fails: nothing (the driver does), the groups that it aborts, or all
    answers: str
    #: what removal does with pending groups
    removal: str
    #: iopf_group_response() answers whether the group is pending or not
    response_unconditional: bool
    #: there is an iopf_group_dequeue()
    dequeue: bool
    #: bad setup is answered for each request, not only for the last of a group
    answers_partials: bool
    #: kzalloc_obj() is used; a note, nothing depends on it
    kzalloc_obj: bool = False
    #: report goes on after storing a partial fault, as v6.9 did; a note, nothing depends on it
    lost_return: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            choices = _CHOICES.get(field.name)
            if choices is None and not isinstance(value, bool):
                raise ValueError(f"facet {field.name} is True or False, not {value!r}")
            if choices is not None and value not in choices:
                raise ValueError(f"facet {field.name} is one of {', '.join(choices)}, not {value!r}")

    @property
    def form(self) -> str:
        """The form in a few words, with the releases that have it; backports mix the facets of several."""
        if self.lookup == "counted-handle":
            return "the reviewed design"
        if self.pending == "copies":
            return "v6.9 series, copies of faults" + (", removal may refuse" if self.remove == "int" else "")
        if self.lookup == "domain":
            if self.response == "int":
                return "v6.9 series, the driver answers errors"
            if self.report == "int":
                return "v6.9 series, report answers and returns the error"
            base = "v6.9 and v6.10, the lost return" if self.lost_return else "6.10.y, v6.11-rc"
            return base + (", removal frees groups" if self.removal == "frees" else "")
        if self.report == "void":
            return "v6.11, attach handles, void report"
        if self.dequeue:
            return "v7.2 and its backports, groups can be dequeued"
        if self.removal != "frees":
            return "v6.12 and v6.13, attach handles"
        return "v7.0, removal frees groups" if self.kzalloc_obj else "v6.14 to v6.19, removal frees groups"

    def override(self, **changes: str | bool) -> Facets:
        """A copy with some facets set; ValueError for a name or a value that does not exist."""
        known = {field.name for field in dataclasses.fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(f"no facet {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def macros(self) -> dict[str, str]:
        """What csrc/core/unit.c is told."""
        return {
            "FACET_REPORT_RETURN": self.report,
            "FACET_RESPONSE_RETURN": self.response,
            "FACET_REMOVE_RETURN": self.remove,
            "FACET_HAS_DEQUEUE": str(int(self.dequeue)),
            "FACET_LOOKUP": _LOOKUP[self.lookup],
            "FACET_PENDING_IS_COPIES": str(int(self.pending == "copies")),
            "FACET_ANSWERS": f"FACET_ANSWERS_{self.answers.upper()}",
            "FACET_REMOVE": f"FACET_REMOVE_{self.removal.upper()}",
            "FACET_RESPONSE_UNCONDITIONAL": str(int(self.response_unconditional)),
            "FACET_ANSWERS_PARTIALS": str(int(self.answers_partials)),
        }

    def __str__(self) -> str:
        parts = [f"{name}={getattr(self, name)}" for name in _CHOICES]
        parts += [name for name in ("response_unconditional", "dequeue", "answers_partials", "kzalloc_obj",
                                    "lost_return") if getattr(self, name)]
        return " ".join(parts)


_TOKEN = re.compile(r'//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b[ \t]*(.*)$")


def _blank(match: re.Match[str]) -> str:
    token = match.group()
    if token[0] == "/":
        return " " + "\n" * token.count("\n")
    return token[0] * 2


def _without_comments(text: str) -> str:
    return _TOKEN.sub(lambda m: _blank(m) if m.group()[0] == "/" else m.group(), text)


def _without_if_0(text: str) -> str:
    """Blanks the lines between ``#if 0`` and its ``#else`` or ``#endif``."""
    lines, depth, off = [], 0, None
    for line in text.split("\n"):
        directive = _DIRECTIVE.match(line)
        keyword = directive.group(1) if directive else ""
        if keyword.startswith("if"):
            depth += 1
            if off is None and keyword == "if" and directive and directive.group(2).strip() == "0":
                off = depth
        elif keyword == "endif":
            if off == depth:
                off = None
            depth -= 1
        elif keyword in {"else", "elif"} and off == depth:
            off = None
        lines.append(line if off is None else "")
    return "\n".join(lines)


def _definition(code: str, name: str) -> re.Match[str] | None:
    """The head of a function's definition, from its return type at the start of a line to the opening brace."""
    return re.search(rf"^(static\s+)?(?:inline\s+)?(\w+(?:\s+\w+)*?\s*\**)\s*\b{name}\s*\([^;{{}}]*\)\s*\{{", code, re.M)


def _body(code: str, name: str) -> str:
    """What stands between a function's braces; "" when it is not defined."""
    head = _definition(code, name)
    if head is None:
        return ""
    depth, start = 1, head.end()
    for match in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if match.group() == "{" else -1
        if not depth:
            return code[start:match.start()]
    return code[start:]


def _returns(code: str, name: str) -> str:
    head = _definition(code, name)
    words = head.group(2).split() if head else []
    return " ".join(word for word in words if not word.startswith("__") and word not in {"extern", "noinline"})


_EXPORTED = (
    "iopf_free_group", "iommu_report_device_fault", "iopf_queue_flush_dev", "iopf_group_response",
    "iopf_queue_discard_partial", "iopf_queue_add_device", "iopf_queue_remove_device", "iopf_queue_alloc",
    "iopf_queue_free",
)


def detect(text: str) -> Facets:
    """The facets of a file's text. CoreSourceError says why it is none of the supported forms."""
    with_strings = _without_if_0(_without_comments(text))
    code = _TOKEN.sub(_blank, with_strings)

    if _definition(code, "iommu_queue_iopf") or _definition(code, "iopf_handle_group") or re.search(
        r'^[ \t]*#[ \t]*include[ \t]*"iommu-sva\.h"', with_strings, re.M
    ):
        raise CoreSourceError(f"This is the form of v6.8 or older, from before faults were handled in groups. {SUPPORTED}")
    if not any(_definition(code, name) for name in _EXPORTED):
        raise CoreSourceError(f"This is not an io-pgfault.c: none of its functions is defined here. {SUPPORTED}")
    page_response = _definition(code, "iommu_page_response")
    if not re.search(r'^[ \t]*#[ \t]*include[ \t]*"iommu-priv\.h"', with_strings, re.M) or not _definition(
        code, "iopf_group_response"
    ) or (page_response and not page_response.group(1)):
        raise CoreSourceError(
            "This is a form from before v6.9: it does not include \"iommu-priv.h\", has no iopf_group_response(), or"
            f" exports iommu_page_response(). {SUPPORTED}"
        )
    missing = [name for name in _EXPORTED if not _definition(code, name)]
    if missing:
        raise CoreSourceError(f"The form is not known: {', '.join(missing)} is not defined in it. {SUPPORTED}")

    copies = page_response is not None
    if not copies and not re.search(r"\bpending_node\b", code):
        raise CoreSourceError(
            f"The form is not known: nothing in it tells which groups are pending (no pending_node). {SUPPORTED}"
        )
    if re.search(r"\biommu_attach_handle_get_for_fault\s*\(", code):
        lookup = "counted-handle"
    elif re.search(r"\biommu_attach_handle_get\s*\(", code):
        lookup = "handle"
    elif re.search(r"\biommu_get_domain_for_dev_pasid\s*\(", code):
        lookup = "domain"
    else:
        raise CoreSourceError(
            "The form is not known: a fault finds its handler neither by iommu_attach_handle_get() nor by"
            f" iommu_get_domain_for_dev_pasid(). {SUPPORTED}"
        )
    returns = {}
    for facet, name in (("report", "iommu_report_device_fault"), ("response", "iopf_group_response"),
                        ("remove", "iopf_queue_remove_device")):
        returns[facet] = _returns(code, name)
        if returns[facet] not in _CHOICES[facet]:
            raise CoreSourceError(
                f"The form is not known: {name}() returns {returns[facet]!r}, not int or void. {SUPPORTED}"
            )

    report_body = _body(code, "iommu_report_device_fault")
    after_partial = report_body.partition("report_partial_fault")[2].partition("}")[0]
    if copies or returns["response"] == "int":
        answers = "nothing"
    elif lookup == "domain" and returns["report"] == "int":
        answers = "aborts"
    else:
        answers = "all"
    if returns["remove"] == "int":
        removal = "refuses"
    elif re.search(r"\biopf_free_group\s*\(", _body(code, "iopf_queue_remove_device")):
        removal = "frees"
    else:
        removal = "answers"
    return Facets(
        **returns,
        lookup=lookup,
        pending="copies" if copies else "groups",
        answers=answers,
        removal=removal,
        response_unconditional=not copies and not re.search(
            r"\blist_empty(?:_careful)?\s*\(", _body(code, "iopf_group_response")
        ),
        dequeue=_definition(code, "iopf_group_dequeue") is not None,
        answers_partials=lookup == "handle",
        kzalloc_obj=bool(re.search(r"\bkzalloc_objs?\s*\(", code)),
        lost_return=returns["report"] == "void" and "report_partial_fault" in report_body and not re.search(
            r"\b(?:return|goto)\b", after_partial
        ),
    )


# --- compiling -----------------------------------------------------------------------------------------------------

#: The table that every compiled core exports.
SYMBOL = "iopf_core_user"


@dataclass(frozen=True)
class CompiledCore:
    """A core that was compiled later: a shared library whose symbol ``symbol`` is its ``struct iopf_core``."""

    source: Path
    library: Path
    symbol: str
    name: str
    facets: Facets
    runtime: str
    compiler: str
    #: what the compiler had to say about the file
    warnings: str
    #: nothing had to be compiled
    cached: bool


@functools.cache
def _build() -> Any:
    """csrc/build.py: the flags and the include paths of a core unit. In a checkout beside the package, else inside."""
    package = Path(__file__).resolve().parent
    for csrc in (package.parent / "csrc", package / "_csrc"):
        path = csrc / "build.py"
        if path.exists() and (csrc / "core" / "unit.c").exists():
            spec = importlib.util.spec_from_file_location("iopf._csrc_build", path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            return module
    raise CoreSourceError("The C sources of iopf are missing from this installation: install it again with pip.")


def _extension(runtime: str) -> Path:
    spec = importlib.util.find_spec(f"iopf._{runtime}")
    if spec is None or not spec.origin:
        raise CoreSourceError(f"There is no runtime {runtime!r} in this build of iopf.", number=errno.ENOENT)
    return Path(spec.origin).resolve()


def _compiler(cc: str | None) -> list[str]:
    wanted = cc or os.environ.get("CC")
    if wanted:
        command = shlex.split(wanted)
        if command and shutil.which(command[0]):
            return command
        raise CoreSourceError(f"The compiler {wanted!r} can't be found. Name another one with CC.", number=errno.ENOENT)
    for name in ("gcc", "cc", "clang"):
        if shutil.which(name):
            return [name]
    raise CoreSourceError(
        "A core is compiled from its source, and there is no C compiler: install gcc (apt install gcc libc6-dev, dnf"
        " install gcc), or name one with CC.",
        number=errno.ENOENT,
    )


@functools.cache
def _version(command: tuple[str, ...]) -> str:
    result = _run([*command, "--version"], None)
    return result.stdout.partition("\n")[0].strip() or command[0]


def _run(command: list[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False,
        )
    except OSError as error:
        raise CoreSourceError(f"The compiler {command[0]!r} can't be run: {error.strerror}", number=errno.ENOENT) from error


def _c_string(text: str) -> str:
    quoted = "".join(
        f"\\{char}" if char in '"\\' else char if " " <= char <= "~" else "".join(f"\\{b:03o}" for b in char.encode())
        for char in text
    )
    return f'"{quoted}"'


def _facets_header(facets: Facets, name: str, source: Path) -> str:
    identity = {
        "FACET_NAME": _c_string(name),
        "FACET_TITLE": _c_string(facets.form),
        "FACET_COMMIT": '""',
        "FACET_RELEASES": '""',
        "FACET_SUMMARY": _c_string(f"Compiled from {source}"),
        "FACET_CLAIMS_CORRECT": "1",
    }
    return "".join(f"#define {key} {value}\n" for key, value in {**identity, **facets.macros()}.items())


def _cache_root() -> Path:
    """The user's cache directory; where it can't be written, a directory of our own among the temporary ones."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "iopf" / "cores"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(root, os.W_OK | os.X_OK):
            return root
    except OSError:
        pass
    root = Path(tempfile.gettempdir()) / f"iopf-cores-{os.getuid()}"
    root.mkdir(exist_ok=True, mode=0o700)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise CoreSourceError(f"No place for compiled cores: {root} is somebody else's. Set XDG_CACHE_HOME.",
                              number=errno.EACCES)
    return root


_ERROR = re.compile(r"^.*?(?:error: |undefined reference|undefined symbol).*$", re.M)
_OPENED = re.compile(r"^\.+ (.*)$")


def _foreign_includes(opened: list[str], source: Path, csrc: Path, scratch: Path) -> list[str]:
    """What came from the user's tree: from beside the file, and, in a kernel tree, from anywhere in it."""
    tree = source.parent
    whole = tree.parts[-2:] == ("drivers", "iommu")
    if whole:
        tree = tree.parent.parent
    foreign = []
    for name in opened:
        path = Path(os.path.abspath(scratch / name))
        if path.is_relative_to(csrc) or path.is_relative_to(scratch):
            continue
        if path.is_relative_to(tree) if whole else path.parent == tree:
            foreign.append(str(path))
    return foreign


def _flavour(runtime: str) -> tuple[Any, Any]:
    for flavour in _build().flavours():
        if flavour.name == runtime:
            return flavour, next(unit for unit in flavour.units if unit.name == "core-iopf")
    raise CoreSourceError(f"There is no runtime {runtime!r} in this build of iopf.", number=errno.ENOENT)


def compile_core(
    path: str | os.PathLike[str],
    runtime: str = "native",
    *,
    facets: Facets | Mapping[str, str | bool] | None = None,
    cc: str | None = None,
    name: str | None = None,
) -> CompiledCore:
    """Compiles a kernel file for a runtime, or takes it from the cache.

    ``facets`` replaces what detect() finds, wholly (a Facets) or in part (a mapping). ``cc`` is the compiler; without it
    $CC, gcc, cc or clang. ``name`` is what the core is called: the file's name, if nothing is said. CoreSourceError
    carries the compiler's first error.
    """
    source = Path(os.path.abspath(path))
    build = _build()
    flavour, unit = _flavour(runtime)
    extension = _extension(runtime)
    command = _compiler(cc)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise CoreSourceError(f"{source}: {error.strerror}", number=error.errno or errno.EIO) from error

    text = content.decode(errors="replace")
    try:
        if isinstance(facets, Facets):
            found = facets
        else:
            found = detect(text).override(**dict(facets or {}))
    except CoreSourceError as error:
        raise CoreSourceError(f"{source}: {error}", number=error.errno or errno.EINVAL) from error
    shown = name or source.name
    header = _facets_header(found, shown, source)

    sanitizers = build.sanitizers() if flavour.sanitizable else []
    csrc = Path(build.CSRC)
    compile_flags = [
        *build.CFLAGS, *flavour.flags, *sanitizers, *unit.flags, "-fPIC", "-DRUNTIME_IS_ELSEWHERE",
        *(f"-I{csrc / folder}" for folder in unit.include),
    ]
    stat = extension.stat()
    parts = [
        str(source), header, runtime, build.sources_hash(), _version(tuple(command)), *command, *compile_flags,
        str(extension), str(stat.st_size), str(stat.st_mtime_ns),
    ]
    digest = hashlib.sha256(content + b"\0" + "\0".join(parts).encode()).hexdigest()[:32]
    root = _cache_root()
    home = root / digest

    def result(cached: bool) -> CompiledCore:
        warnings = (home / "warnings.txt").read_text(errors="replace")
        return CompiledCore(source, home / "core.so", SYMBOL, shown, found, runtime, _version(tuple(command)), warnings,
                            cached)

    if (home / "core.so").exists():
        return result(True)

    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=root) as made:
        scratch = Path(made).resolve()
        (scratch / "source").mkdir()
        linked = source.name if re.fullmatch(r"[\w.+-]+", source.name) else "core.c"
        (scratch / "source" / linked).symlink_to(source)
        (scratch / "facets-of-core.h").write_text(header)
        _compile(command, compile_flags, scratch, linked, source, csrc, found)
        _link(command, sanitizers, scratch, extension, source)
        if source.read_bytes() != content:
            raise CoreSourceError(f"{source} was changed while it was being compiled: try again.", number=errno.EAGAIN)
        finished = scratch / "finished"
        finished.mkdir()
        for kept in ("core.so", "warnings.txt"):
            (scratch / kept).rename(finished / kept)
        try:
            finished.rename(home)
        except OSError:  # another process was faster
            if not (home / "core.so").exists():
                raise
    return result(False)


def _compile(
    command: list[str], flags: list[str], scratch: Path, linked: str, source: Path, csrc: Path, facets: Facets
) -> None:
    run = _run(
        [
            *command, *flags, "-H", f"-iquote{scratch}", "-DCORE_ID=user", f'-DCORE_SOURCE="source/{linked}"',
            '-DCORE_FACETS="facets-of-core.h"', f"-ffile-prefix-map={scratch}=iopf",
            f"-ffile-prefix-map={scratch}/source/{linked}={source}",  # the last one that fits counts
            "-c", str(csrc / "core" / "unit.c"), "-o", "core.o",
        ],
        scratch,
    )
    lines = run.stderr.split("\n")
    guards = next((i for i, line in enumerate(lines) if line.startswith("Multiple include guards")), len(lines))
    opened = [match.group(1) for line in lines[:guards] if (match := _OPENED.match(line))]
    notes = "\n".join(line for line in lines[:guards] if not _OPENED.match(line)).strip()
    notes = notes.replace(f"{scratch}/source/{linked}", str(source))

    foreign = _foreign_includes(opened, source, csrc, scratch)
    if foreign:
        raise CoreSourceError(
            f"{source}: the compile took {foreign[0]} from the file's own tree; only the file itself may come from"
            f" there. {SUPPORTED}",
            output=notes,
        )
    if run.returncode:
        first = _ERROR.search(notes)
        first_error = first.group().strip() if first else (notes.partition("\n")[0] or f"exit {run.returncode}")
        raise CoreSourceError(
            f"{source} does not compile as a core ({facets.form}):\n  {first_error}\nFacets: {facets}\n{SUPPORTED}\nIf"
            " the facets are wrong, override them. If the file uses a part of the kernel that is named in the error, it"
            " is a form that iopf does not know yet.",
            first_error=first_error,
            output=notes,
        )
    (scratch / "warnings.txt").write_text(notes)


def _link(command: list[str], sanitizers: list[str], scratch: Path, extension: Path, source: Path) -> None:
    run = _run(
        [*command, "-shared", "-o", "core.so", "core.o", str(extension), "-Wl,-z,defs", "-Wl,-z,now", *sanitizers],
        scratch,
    )
    if run.returncode:
        first = _ERROR.search(run.stderr)
        first_error = first.group().strip() if first else run.stderr.strip().partition("\n")[0]
        raise CoreSourceError(
            f"{source}: the compiled core can't be linked with {extension.name}:\n  {first_error}",
            first_error=first_error,
            output=run.stderr,
        )
