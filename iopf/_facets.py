# SPDX-License-Identifier: GPL-2.0-only
"""Which form of ``drivers/iommu/io-pgfault.c`` a text is: its facets.

The forms since v6.9 differ in a few facets: return types, who answers when report fails, how a fault finds its handler.
Backports mix them, so what is read from a text is each facet, never a version. csrc/forms/facets.h says what they mean
to a core; csrc/forms/unit.c is compiled with them. Only code counts: comments, strings and ``#if 0`` tell nothing, and a
comment in most forms still speaks of functions that are long gone. What is none of the known forms is refused, not
guessed.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from ._hints import closest
from .exceptions import CoreSourceError

__all__ = [
    "SUPPORTED",
    "CoreSourceError",
    "Facets",
    "ambiguous_dequeue",
    "code_of",
    "defines",
    "detect",
    "without_comments",
]

SUPPORTED = (
    "Supported: drivers/iommu/io-pgfault.c of v6.9 or newer (faults find a domain: v6.9 to v6.10; an attach handle:"
    " v6.11 and newer; with or without iopf_group_dequeue())."
)


_CHOICES: dict[str, tuple[str, ...]] = {
    "report": ("int", "void"),
    "response": ("int", "void"),
    "remove": ("int", "void"),
    "lookup": ("domain", "handle", "counted-handle"),
    "pending": ("copies", "groups"),
    "answers": ("nothing", "aborts", "all"),
    "removal": ("refuses", "answers", "frees"),
    "refusal_code": ("failure", "invalid", "success"),
    "nomem_code": ("failure", "invalid", "success"),
}
#: Of those, which are told only when they are not what every known form does.
_USUAL = {"refusal_code": "failure", "nomem_code": "failure"}

#: Those that are text, what they may be, and that in words.
_TEXTS = {"dequeue_name": r"|[A-Za-z_]\w*", "members": r"[^\n\0{}#\"]*", "include": r'[^\n\0"]*'}
_TEXTS_SAY = {
    "dequeue_name": "the name of a function",
    "members": "declarations as in 'struct iopf_group: bool response_pending'",
    "include": "paths of files",
}

_LOOKUP = {"domain": "FACET_BY_DOMAIN", "handle": "FACET_BY_HANDLE", "counted-handle": "FACET_BY_COUNTED_HANDLE"}


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
    #: report goes on after storing a partial fault, as v6.9 did
    lost_return: bool = False
    #: the function that does what iopf_group_dequeue() does, where it has another name
    dequeue_name: str = ""
    #: members that its headers add, beside those that are found in the headers of its tree:
    #: ``struct iopf_group: bool response_pending; struct iopf_queue: u32 depth``
    members: str = ""
    #: files of C that are included before it, after our headers: paths, with ``:`` between them
    include: str = ""
    #: a handler that refuses makes report put its reference twice: what removal then touches is freed
    refusal_breaks: bool = False
    #: a response waits for a lock that report holds round the handler, or flush while it waits for works
    response_waits: bool = False
    #: the code with which report answers what a handler refused, and what there is no memory for, where it answers that at
    #: all; a note, nothing depends on it: every form is judged by what is documented
    refusal_code: str = "failure"
    nomem_code: str = "failure"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            choices = _CHOICES.get(field.name)
            if field.name in _TEXTS:
                if not isinstance(value, str) or not re.fullmatch(_TEXTS[field.name], value):
                    raise ValueError(f"facet {field.name} is {_TEXTS_SAY[field.name]}, not {value!r}")
                continue
            if choices is None and not isinstance(value, bool):
                raise ValueError(f"facet {field.name} is True or False, not {value!r}")
            if choices is not None and value not in choices:
                meant = closest(value, choices)
                hint = "" if meant is None else f"; did you mean {meant}?"
                raise ValueError(f"facet {field.name} is one of {', '.join(choices)}, not {value!r}{hint}")

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
            lost = ", the lost return" if self.lost_return else ""
            return f"v6.11, attach handles, void report{lost}" + (
                ", removal frees groups" if self.removal == "frees" else ""
            )
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
            meant = closest(unknown[0], sorted(known))
            hint = "" if meant is None else f"; did you mean {meant}?"
            raise ValueError(f"no facet {', '.join(unknown)}; there are {', '.join(sorted(known))}{hint}")
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # __post_init__ looks at each

    def macros(self) -> dict[str, str]:
        """What csrc/forms/unit.c is told."""
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
            "FACET_LOST_RETURN": str(int(self.lost_return)),
            "FACET_REFUSAL_BREAKS": str(int(self.refusal_breaks)),
            "FACET_RESPONSE_WAITS": str(int(self.response_waits)),
        }

    def __str__(self) -> str:
        parts = [f"{name}={getattr(self, name)}" for name in _CHOICES if getattr(self, name) != _USUAL.get(name)]
        parts += [
            name
            for name in (
                "response_unconditional",
                "dequeue",
                "answers_partials",
                "kzalloc_obj",
                "lost_return",
                "refusal_breaks",
                "response_waits",
            )
            if getattr(self, name)
        ]
        parts += [f"{name}={value}" for name in _TEXTS if (value := getattr(self, name))]
        return " ".join(parts)


_TOKEN = re.compile(r'//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b[ \t]*(.*)$")


def _blank(match: re.Match[str]) -> str:
    token = match.group()
    if token[0] == "/":
        return " " + "\n" * token.count("\n")
    return token[0] * 2


def without_comments(text: str) -> str:
    """A text in which each comment is a space, and the lines that it takes."""
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
    return re.search(
        rf"^(static\s+)?(?:inline\s+)?(\w+(?:\s+\w+)*?\s*\**)\s*\b{name}\s*\([^;{{}}]*\)\s*\{{", code, re.M
    )


def _body(code: str, name: str) -> str:
    """What stands between a function's braces; "" when it is not defined."""
    head = _definition(code, name)
    if head is None:
        return ""
    depth, start = 1, head.end()
    for match in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if match.group() == "{" else -1
        if not depth:
            return code[start : match.start()]
    return code[start:]


def _returns(code: str, name: str) -> str:
    head = _definition(code, name)
    words = head.group(2).split() if head else []
    return " ".join(word for word in words if not word.startswith("__") and word not in {"extern", "noinline"})


_EXPORTED = (
    "iopf_free_group",
    "iommu_report_device_fault",
    "iopf_queue_flush_dev",
    "iopf_group_response",
    "iopf_queue_discard_partial",
    "iopf_queue_add_device",
    "iopf_queue_remove_device",
    "iopf_queue_alloc",
    "iopf_queue_free",
)


#: Exported by some form, beside what every form has.
_ALSO_EXPORTED = ("iommu_page_response", "iopf_group_dequeue")


def code_of(text: str) -> str:
    """The code that counts, in the lines that it has: without comments, what is in strings, and ``#if 0``."""
    return _TOKEN.sub(_blank, _without_if_0(without_comments(text)))


def defines(text: str, name: str) -> bool:
    """Does a file define this function, in code that counts?"""
    return _definition(code_of(text), name) is not None


def _renamed_dequeue(code: str, removal: str) -> list[str]:
    """The functions that may take a group from removal, where none is called iopf_group_dequeue(): those of a group that
    are not static and that no form has. Those that unlink the group are meant before others, and others at all only
    where removal frees groups."""
    others, unlink = [], []
    for head in re.finditer(r"^(?:noinline )?void\s+(\w+)\s*\(\s*struct\s+iopf_group\s*\*\s*\w+\s*\)\s*\{", code, re.M):
        name = head.group(1)
        if name in (*_EXPORTED, *_ALSO_EXPORTED):
            continue
        others.append(name)
        if re.search(r"\blist_del(?:_init)?\s*\(\s*&\s*\w+\s*->\s*pending_node\b", _body(code, name)):
            unlink.append(name)
    return unlink or (others if removal == "frees" else [])


def ambiguous_dequeue(text: str, removal: str) -> list[str]:
    """Functions of which nobody can tell which one takes a group from removal; []: there is no question."""
    found = _renamed_dequeue(code_of(text), removal)
    return found if len(found) > 1 else []


def detect(text: str) -> Facets:
    """The facets of a file's text. CoreSourceError says why it is not one of the supported forms."""
    with_strings = _without_if_0(without_comments(text))
    code = _TOKEN.sub(_blank, with_strings)

    old = [f"it defines {name}()" for name in ("iommu_queue_iopf", "iopf_handle_group") if _definition(code, name)]
    if re.search(r'^[ \t]*#[ \t]*include[ \t]*"iommu-sva\.h"', with_strings, re.M):
        old.append('it includes "iommu-sva.h"')
    if old:
        raise CoreSourceError(
            f"This is the form of v6.8 or older, from before faults were handled in groups: {' and '.join(old)}. --core"
            f" v5.14 is a core of that form. {SUPPORTED}"
        )
    if not any(_definition(code, name) for name in _EXPORTED):
        raise CoreSourceError(f"This is not an io-pgfault.c: none of its functions is defined here. {SUPPORTED}")
    page_response = _definition(code, "iommu_page_response")
    old = []
    if not re.search(r'^[ \t]*#[ \t]*include[ \t]*"iommu-priv\.h"', with_strings, re.M):
        old.append('does not include "iommu-priv.h"')
    if not _definition(code, "iopf_group_response"):
        old.append("has no iopf_group_response()")
    if page_response and not page_response.group(1):
        old.append("exports iommu_page_response()")
    if old:
        raise CoreSourceError(
            f"This is a form from before v6.9: it {' and '.join(old)}. --core locking is a core of the time between v6.8"
            f" and v6.9. {SUPPORTED}"
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
    for facet, name in (
        ("report", "iommu_report_device_fault"),
        ("response", "iopf_group_response"),
        ("remove", "iopf_queue_remove_device"),
    ):
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
    given = set(re.findall(r"\biopf_group_response\s*\(\s*\w+\s*,\s*IOMMU_PAGE_RESP_(\w+)", report_body))
    aborts_with = given.pop().lower() if len(given) == 1 else "failure"
    aborts_with = aborts_with if aborts_with in _CHOICES["refusal_code"] else "failure"
    dequeue = _definition(code, "iopf_group_dequeue") is not None
    names = [] if dequeue or copies else _renamed_dequeue(code, removal)
    renamed = names[0] if len(names) == 1 else ""
    return Facets(
        report=returns["report"],
        response=returns["response"],
        remove=returns["remove"],
        lookup=lookup,
        pending="copies" if copies else "groups",
        answers=answers,
        removal=removal,
        response_unconditional=not copies
        and not re.search(r"\blist_empty(?:_careful)?\s*\(", _body(code, "iopf_group_response")),
        dequeue=dequeue or bool(renamed),
        dequeue_name=renamed,
        answers_partials=lookup == "handle" and returns["report"] != "void",
        kzalloc_obj=bool(re.search(r"\bkzalloc_objs?\s*\(", code)),
        lost_return=returns["report"] == "void"
        and "report_partial_fault" in report_body
        and not re.search(r"\b(?:return|goto)\b", after_partial),
        refusal_breaks=copies,
        response_waits=False,
        refusal_code=aborts_with,
        nomem_code=aborts_with,
    )
