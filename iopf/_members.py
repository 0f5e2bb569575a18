# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel tree's own headers add to the structs that its ``drivers/iommu/io-pgfault.c`` uses.

A patch of the file often brings a member with it, in ``include/linux/iommu.h``. A file is compiled against our headers
and never against those of its tree, which would drag in half the kernel. So the members that the tree's headers have and
ours do not are taken over: read from the text, and appended to our struct. That is done where it changes nothing for the
others that use the struct: in structs that only the compiled file allocates, for members that are plain (numbers,
pointers, list heads and what else the kernel API here has); and in those that a driver allocates and zeroes, as long as
the file says they are, for members that begin as zeroes or that the file itself initialises. What is there and can't be
taken over is told where the compile fails for want of it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ._facets import without_comments
from ._files import read_small

__all__ = [
    "HEADERS",
    "STRUCTS",
    "Added",
    "Member",
    "added_by",
    "by_hand",
    "header_with",
    "of_tree",
    "own_headers",
    "types_with",
]

#: The headers that are the file's own, from the root of a tree.
HEADERS = ("include/linux/iommu.h", "drivers/iommu/iommu-priv.h")

#: Structs that may have more members, and the array of csrc/forms/layout.c that names them in a trace.
STRUCTS = {
    "iopf_group": "core_group_members",
    "iommu_fault_param": "core_param_members",
    "iopf_queue": "core_queue_members",
    "iommu_domain": "core_domain_members",
    "dev_iommu": "core_iommu_members",
    "iommu_attach_handle": "core_handle_members",
}

#: Those of them that a driver allocates, as zeroes.
_DRIVERS = ("iommu_domain", "dev_iommu", "iommu_attach_handle")

#: What begins its life as zeroes, and what else is begun by one of these calls with its address.
_ZEROES = ("struct hlist_head", "struct hlist_node", "atomic_t", "atomic_long_t")
_BEGINS = re.compile(r"\b(?:\w*_init|INIT_\w+|init_\w+|\w+_set)\s*\(([^;]*);")

#: What a member may be by value, beside numbers: the header that has it.
_BY_VALUE = {
    "struct list_head": "linux/list.h",
    "struct hlist_head": "linux/list.h",
    "struct hlist_node": "linux/list.h",
    "struct mutex": "linux/mutex.h",
    "struct rcu_head": "linux/rcupdate.h",
    "struct work_struct": "linux/workqueue.h",
    "struct completion": "linux/completion.h",
    "refcount_t": "linux/refcount.h",
    "atomic_t": "linux/atomic.h",
    "atomic_long_t": "linux/atomic.h",
    "spinlock_t": "linux/spinlock.h",
    "wait_queue_head_t": "linux/wait.h",
}
_NUMBER = re.compile(
    r"(?:bool|_Bool|(?:__)?[us](?:8|16|32|64)|size_t|ssize_t|ioasid_t|gfp_t|pid_t"
    r"|(?:(?:un)?signed |long |short |int |char )*(?:unsigned|signed|long|short|int|char))"
)
_DECLARATOR = re.compile(r"(\*[* ]*)?(\w+)((?:\[\w+\])*)(?: ?: ?(\d+))?")
_ATTRIBUTES = re.compile(
    r"__attribute__\s*\(\(.*?\)\)|____cacheline_\w+|\b__(?:rcu|percpu|user|iomem|private|guarded_by)\b"
)


@dataclass(frozen=True)
class Member:
    """A member of a struct, as it is declared: ``Member("iopf_group", "bool response_pending", "response_pending")``."""

    struct: str
    text: str
    name: str
    #: of a header that has its type, or ""
    header: str = ""


@dataclass(frozen=True)
class Added:
    """What headers add: what can be taken over, and what can't, with the reason."""

    members: tuple[Member, ...] = ()
    refused: tuple[str, ...] = ()
    #: structs and constants that ours do not have at all: what each is, and its text
    more: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.members or self.more)

    @property
    def described(self) -> list[str]:
        """Each in a few words."""
        return [*(f"struct {one.struct}: {one.text}" for one in self.members), *(what for what, _ in self.more)]


def own_headers(source: Path) -> list[Path]:
    """Where the headers are that belong to a file in a kernel tree, whether they exist or not; else none."""
    if source.parent.parts[-2:] != ("drivers", "iommu"):
        return []
    return [source.parent.parent.parent / name for name in HEADERS]


def _bodies(code: str) -> dict[str, str]:
    """What stands between the braces of each struct that is defined at the margin."""
    bodies: dict[str, str] = {}
    for head in re.finditer(r"^struct\s+(\w+)\s*\{", code, re.M):
        depth = 1
        for brace in re.compile(r"[{}]").finditer(code, head.end()):
            depth += 1 if brace.group() == "{" else -1
            if not depth:
                bodies.setdefault(head.group(1), code[head.end() : brace.start()])
                break
    return bodies


def _declarations(body: str) -> list[str]:
    """The declarations in a struct, each in one line; a nested struct or union is one."""
    body = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", body, flags=re.M)
    declarations, depth, begin = [], 0, 0
    for match in re.finditer(r"[{};]", body):
        depth += {"{": 1, "}": -1, ";": 0}[match.group()]
        if match.group() == ";" and not depth:
            declarations.append(" ".join(_ATTRIBUTES.sub(" ", body[begin : match.start()]).split()))
            begin = match.end()
    return [declaration for declaration in declarations if declaration]


def _names(declaration: str) -> list[str]:
    """The names that a declaration declares, however it is written: what stands before a comma, a bracket or the end; of
    a struct or a union without a name of its own, those of its members."""
    nested = re.fullmatch(r"(?:struct|union) ?(?:\w+ )?\{(.*)\}", declaration)
    if nested:
        return [name for inner in _declarations(nested.group(1)) for name in _names(inner)]
    flat = re.sub(r"\{.*\}", " ", declaration)
    pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", flat)
    if pointer:
        return [pointer.group(1)]
    return re.findall(r"(\w+)\s*(?:\[[^\]]*\]\s*)*(?::\s*\w+\s*)?(?:,|$)", flat)


def _plain(struct: str, declaration: str) -> list[Member] | None:
    """A declaration's members when they are plain; None: they are not."""
    text = re.sub(r"\b(?:const|volatile)\b ?", "", declaration)
    match = re.match(r"((?:struct|union|enum) \w+|\w+(?: (?:int|long|char|short))*) ?(.*)", text)
    if match is None:
        return None
    base, rest = match.groups()
    members = []
    for piece in rest.split(","):
        declarator = _DECLARATOR.fullmatch(piece.strip())
        if declarator is None:
            return None
        stars, name, arrays, bits = declarator.groups()
        if any(not number.isdigit() for number in re.findall(r"\[(\w+)\]", arrays)):
            return None
        is_number = _NUMBER.fullmatch(base) is not None
        header = ""
        if stars:
            if not (is_number or base == "void" or base.startswith(("struct ", "union ")) or base in _BY_VALUE):
                return None
            header = _BY_VALUE.get(base, "")
        elif base.startswith("enum "):
            base = "unsigned int"  # a name of a value is not needed to hold it
        elif not is_number:
            if base not in _BY_VALUE or bits:
                return None
            header = _BY_VALUE[base]
        text = f"{base} {(stars or '').replace(' ', '')}{name}{arrays}{f' : {bits}' if bits else ''}"
        members.append(Member(struct, text, name, header))
    return members


_NOT_BEGUN = "whoever allocates this struct initialises it: that is another file than this one"


def _is_begun(member: Member, code: str | None) -> bool:
    """Whether a member of a driver's struct has a beginning: as a zero, or by a call in this code. None: not asked yet."""
    if (
        code is None
        or member.struct not in _DRIVERS
        or not member.header
        or "*" in member.text
        or member.text.startswith(_ZEROES)
    ):
        return True
    return any(re.search(rf"\b{member.name}\b", call) for call in _BEGINS.findall(code))


def _whole(struct: str, body: str, known: Iterable[str]) -> str | None:
    """A struct that ours do not have, as it is declared, where all that is in it is plain, or a struct of ours."""
    lines = []
    for declaration in _declarations(body):
        by_value = re.fullmatch(r"struct (\w+) \w+", declaration)
        if by_value and by_value[1] in known:
            lines.append(declaration)
            continue
        plain = _plain(struct, declaration)
        if plain is None:
            return None
        lines += [member.text for member in plain]
    return f"struct {struct} {{\n{''.join(f'{chr(9)}{line};{chr(10)}' for line in lines)}}};\n"


def _defines(text: str) -> Iterator[tuple[str, str]]:
    """The constants of a header: names and values."""
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+([\w()<>|&+*~^ \t-]{1,200})$", text, re.M):
        yield match[1], match[2].strip()


def added_by(
    headers: Iterable[str], ours: Iterable[str], code: str | None = None, taken: Container[str] = frozenset()
) -> Added:
    """What the texts of a tree's headers add to ours.

    :param code: of the file: what it does not mention is left out; None: members of structs alone, all of them
    :param taken: names that our other headers have
    """
    words = None if code is None else set(re.findall(r"\w+", code))
    known: dict[str, set[str]] = {}
    for text in ours:
        for struct, body in _bodies(without_comments(text)).items():
            known.setdefault(struct, set()).update(name for one in _declarations(body) for name in _names(one))
    members: list[Member] = []
    more: dict[str, str] = {}
    refused = []
    for text in map(without_comments, headers):
        for struct, body in _bodies(text).items():
            if struct not in known:
                if (
                    words is not None
                    and struct in words
                    and struct not in taken
                    and not _bodies(code or "").get(struct)
                ):
                    whole = _whole(struct, body, known)
                    if whole is None:
                        refused.append(f"struct {struct} (something in it is of a type that iopf does not have)")
                    else:
                        known[struct] = set()
                        more[f"struct {struct}"] = whole
                continue
            if f"struct {struct}" in more:
                continue
            for declaration in _declarations(body):
                names = [
                    name
                    for name in _names(declaration)
                    if name not in known[struct] and (words is None or name in words)
                ]
                if not names:
                    continue
                known[struct].update(names)
                plain = _plain(struct, declaration)
                what = f"struct {struct}: {declaration[:100]}"
                if struct not in STRUCTS:
                    refused.append(f"{what} (iopf allocates this struct itself)")
                elif plain is None:
                    refused.append(f"{what} (of a type that iopf does not have)")
                else:
                    wanted = [member for member in plain if member.name in names]
                    begun = [member for member in wanted if _is_begun(member, code)]
                    members += begun
                    if begun != wanted:
                        refused.append(f"{what} ({_NOT_BEGUN})")
        for name, value in _defines(text) if words is not None else ():
            if words is not None and name in words and name not in taken:
                more.setdefault(f"#define {name}", f"#ifndef {name}\n#define {name} {value}\n#endif\n")
    return Added(tuple(members), tuple(refused), tuple(more.items()))


def by_hand(text: str, code: str | None = None) -> tuple[Member, ...]:
    """Members as a user says them, ``struct iopf_group: bool response_pending; ...``, of a file with this code (None: not
    known yet). ValueError: one can't be had."""
    members: list[Member] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = re.fullmatch(r"(?:struct )?\s*(\w+)\s*:\s*(.+)", part)
        if match is None:
            raise ValueError(f"member {part!r}: takes 'struct iopf_group: bool response_pending'")
        struct, declaration = match.groups()
        if struct not in STRUCTS:
            raise ValueError(f"member {part!r}: a member can be added to struct {', struct '.join(STRUCTS)}")
        plain = _plain(struct, " ".join(declaration.split()))
        if plain is None:
            raise ValueError(f"member {part!r}: its type is none that iopf has: numbers, pointers, lists, locks")
        if not all(_is_begun(member, code) for member in plain):
            raise ValueError(f"member {part!r}: {_NOT_BEGUN}")
        members += plain
    return tuple(members)


@functools.cache
def _names_of_ours(csrc: Path) -> frozenset[str]:
    """Every word of our kernel headers, and of what the runtimes add to them."""
    texts = (path.read_text() for room in ("include", "runtime") for path in (csrc / room).rglob("*.h"))
    return frozenset(word for text in texts for word in re.findall(r"\w+", without_comments(text)))


def of_tree(source: Path, csrc: Path, code: str) -> Added:
    """What the headers of a file's own tree add that its code mentions; nothing where it lies in none, or they can't be
    read."""
    texts = []
    for path in own_headers(source):
        try:
            texts.append(read_small(path, "a header").decode(errors="replace"))
        except OSError:
            continue
    if not texts:
        return Added()
    ours = ((csrc / "include" / name).read_text() for name in ("linux/iommu.h", "iommu-priv.h"))
    return added_by(texts, ours, code, _names_of_ours(csrc))


def header_with(members: Iterable[Member], text: str, more: Iterable[tuple[str, str]] = ()) -> str:
    """Our ``linux/iommu.h`` with these members at the end of their structs, and with more at its own end."""
    by_struct: dict[str, list[Member]] = {}
    for member in members:
        by_struct.setdefault(member.struct, []).append(member)
    for struct, added in by_struct.items():
        body = _span(text, struct)
        lines = "".join(f"\t{member.text};\n" for member in added)
        text = f"{text[: body[1]]}{lines}{text[body[1] :]}"
    headers = sorted({member.header for added in by_struct.values() for member in added if member.header})
    end = text.rindex("#endif")
    text = text[:end] + "".join(f"{one}\n" for _, one in more) + text[end:]
    first = text.index("#include ")
    return text[:first] + "".join(f"#include <{header}>\n" for header in headers) + text[first:]


def _span(text: str, struct: str) -> tuple[int, int]:
    """Where the body of a struct of ours begins and ends: nothing at the margin is in it but its closing brace."""
    match = re.search(rf"^struct {struct} \{{\n(.*?)^\}};", text, re.M | re.S)
    assert match is not None, struct
    return match.span(1)


def types_with(members: Iterable[Member], layout: str) -> str:
    """Our tables of types with the names of these members, so that a trace can say them: as a form gives them that has its
    own, made of what csrc/forms/layout.c has for the others."""
    text = '#include "core.h"\n'
    for head in ("#define FACET_TYPES core_types\n", "#define FACET_HOSTED core_hosted\n"):
        _, begin, rest = layout.partition(head)
        table, end, _ = rest.partition("\n#endif\n")
        assert begin and end
        text += f"{begin}{table}\n"
    by_array: Mapping[str, list[Member]] = {array: [] for array in STRUCTS.values()}
    for member in members:
        if ":" not in member.text:  # a bit field has no address
            by_array[STRUCTS[member.struct]].append(member)
    for array, added in by_array.items():
        lines = "".join(f"\tIOPF_CORE_MEMBER(struct {member.struct}, {member.name}),\n" for member in added)
        text = text.replace(f"{array}[] = {{\n", f"{array}[] = {{\n{lines}")
    return text
