# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of C text: what a hand slips into, by rule.

Each operator walks the functions of a file and yields edits. An id is ``function/operator/n``, the n-th of its kind in
its function, so that it means the same however the lines around move. Which mutants compile, and which are the same
code as another, is score.py's to find out.
"""

import itertools
import re
from collections import Counter
from dataclasses import dataclass

import needless
from ctext import Source

#: Calls that come in pairs, or end something: what may be forgotten, doubled, or stand at the wrong place.
PAIRED = re.compile(
    r"(un)?lock$|_(get|put|take|inc|dec|begin|end)(_|$)|^(get|put)_|free|^refcount_|^synchronize|^destroy_"
    r"|^put|^get|mmput|mmget|flush_"
)
LISTS = {
    "list_add": ("list_add_tail",),
    "list_add_tail": ("list_add",),
    "list_del": ("list_del_init",),
    "list_del_init": ("list_del",),
    "list_move": ("list_move_tail", "list_add"),
    "list_move_tail": ("list_move", "list_add_tail"),
    "list_splice_init": ("list_splice_tail_init",),
    "list_splice_tail_init": ("list_splice_init",),
    "list_for_each_entry_safe": (),
    "hlist_del": ("hlist_del_init",),
}
RESPONSES = ("IOMMU_PAGE_RESP_SUCCESS", "IOMMU_PAGE_RESP_INVALID", "IOMMU_PAGE_RESP_FAILURE")
ERRORS = ("EINVAL", "ENODEV", "EBUSY", "ENOMEM", "EOPNOTSUPP")
FAMILIES = (
    RESPONSES,
    ("true", "false"),
    ("IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE", "IOMMU_FAULT_PAGE_REQUEST_PASID_VALID"),
    ("VM_READ", "VM_WRITE", "VM_EXEC"),
    ("IOMMU_FAULT_PERM_READ", "IOMMU_FAULT_PERM_WRITE", "IOMMU_FAULT_PERM_EXEC", "IOMMU_FAULT_PERM_PRIV"),
    ("FAULT_FLAG_REMOTE", "FAULT_FLAG_WRITE", "FAULT_FLAG_INSTRUCTION", "FAULT_FLAG_USER"),
)
RELATIONS = {"==": ("!=",), "!=": ("==",), "<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",), "++": ("--",), "--": ("++",),
             "+": ("-",), "+=": ("=",), "|=": ("=",), "|": ("&",), "&&": ("||",), "||": ("&&",)}  # fmt: skip
KEY_FIELDS = {"pasid": "grpid", "grpid": "pasid"}


@dataclass(frozen=True)
class Edit:
    """Spans of a text and what stands in their place."""

    operator: str
    parts: tuple
    #: the line for people: what was done to what
    what: str
    #: where the statement begins in which it is
    at: int
    #: counted, so that the numbers of others stay, and not made: nobody could see it, by a rule of needless.py
    needless: bool = False

    def apply(self, text):
        """The mutated text."""
        for begin, end, new in sorted(self.parts, reverse=True):
            text = text[:begin] + new + text[end:]
        return text


@dataclass(frozen=True)
class Mutant:
    """An edit of one function of one file."""

    file: str
    function: str
    number: int
    edit: Edit

    @property
    def operator(self):
        return self.edit.operator

    @property
    def id(self):
        return f"{self.file}:{self.function}/{self.operator}/{self.number}"


def _short(text):
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:67]}..."


def _call(source, statement):
    """The function that an expression statement calls, or None."""
    first = statement.first
    if statement.kind == "expression" and source.tokens[first].kind == "name" and source._is(first + 1, "("):
        return source.tokens[first].text
    return None


def _paired(source, statement):
    name = _call(source, statement)
    return name is not None and PAIRED.search(name) is not None


def _blocks(function):
    return [each for each in function.body.walk() if each.kind == "block"]


def _gone(source, statement):
    """Nothing in the place of a statement, on as many lines."""
    text = source.text[statement.begin : statement.end]
    return statement.begin, statement.end, ";" + "\n" * text.count("\n")


def deletions(source, function):
    """A statement is forgotten; where it is one of a pair the operator is called drop."""
    for statement in function.body.walk():
        if statement is function.body or statement.kind in ("declaration", "label", "block"):
            continue
        if (_call(source, statement) or "").startswith("lockdep_assert"):
            continue  # says what holds, and does nothing
        operator = "drop" if _paired(source, statement) else "delete"
        text = source.text[statement.begin : statement.end]
        yield Edit(operator, (_gone(source, statement),), f"without: {_short(text)}", statement.begin)


def swaps(source, function):
    """Two neighbours change places."""
    for block in _blocks(function):
        for one, other in itertools.pairwise(block.inside):
            if {one.kind, other.kind} & {"declaration", "label", "goto", "break", "continue", "return"}:
                continue
            texts = [source.text[each.begin : each.end] for each in (one, other)]
            operator = "cross" if _paired(source, one) or _paired(source, other) else "swap"
            yield Edit(
                operator,
                ((one.begin, one.end, texts[1]), (other.begin, other.end, texts[0])),
                f"{_short(texts[1])} before {_short(texts[0])}",
                one.begin,
                needless=needless.exchanged(source, function, one, other),
            )


def doubles(source, function):
    """One of a pair happens twice."""
    for statement in function.body.walk():
        if _paired(source, statement):
            text = source.text[statement.begin : statement.end]
            yield Edit(
                "double",
                ((statement.begin, statement.end, f"{{ {text} {text} }}"),),
                f"twice: {_short(text)}",
                statement.begin,
                needless=needless.doubled(source, function, statement),
            )


def moves(source, function):
    """One of a pair happens two or more statements too early, or too late: at the begin, or the end, of its block."""
    for block in _blocks(function):
        stays = [each.kind in ("declaration", "label") for each in block.inside]
        for index, statement in enumerate(block.inside):
            if not _paired(source, statement):
                continue
            text = source.text[statement.begin : statement.end]
            head = index
            while head and not stays[head - 1]:
                head -= 1
            tail = index
            while (
                tail + 1 < len(stays) and not stays[tail + 1] and block.inside[tail + 1].kind not in ("return", "goto")
            ):
                tail += 1
            if index - head > 1:
                at = block.inside[head].begin
                yield Edit(
                    "move", ((at, at, text + " "), _gone(source, statement)), f"first of its block: {_short(text)}", at
                )
            if tail - index > 1:
                at = block.inside[tail].end
                yield Edit(
                    "move",
                    (_gone(source, statement), (at, at, " " + text)),
                    f"last of its block: {_short(text)}",
                    statement.begin,
                )


def conditions(source, function):
    """A condition is negated, or not asked: taken for true, for false."""
    for statement in function.body.walk():
        name = source.tokens[statement.first].text
        if statement.condition is None or name not in ("if", "while"):
            continue
        first, last = statement.condition
        text = source.code(first, last)
        span = source.tokens[first].begin, source.tokens[last - 1].end
        yield Edit("negate", ((*span, f"!({text})"),), f"{name} (!({_short(text)}))", statement.begin)
        if name == "if":
            for value in ("true", "false"):
                yield Edit(
                    "unasked", ((*span, f"({text}), {value}"),), f"{name} (({_short(text)}), {value})", statement.begin
                )


def _statement_of(function, index):
    """The innermost statement of a token."""
    found = function.body
    for statement in function.body.walk():
        if statement.first <= index < statement.last and statement.kind != "block":
            found = statement
    return found


def operands(source, function):
    """One side of && or || is not asked. Where the condition is about a key it becomes narrower or wider: see keys()."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        if token.text not in ("&&", "||") or token.kind != "op":
            continue
        begin, end = index, index + 1
        while source.tokens[begin - 1].text not in ("(", ",", "?", ":", "=", "return", "&&", "||", ";", "{"):
            begin = source.closing(begin - 1) if source.tokens[begin - 1].text in (")", "]") else begin - 1
        while source.tokens[end].text not in (")", ",", "?", ":", ";", "&&", "||", "}"):
            end = source.closing(end) + 1 if source.tokens[end].text in ("(", "[") else end + 1
        left, right = source.code(begin, index), source.code(index + 1, end)
        at = _statement_of(function, index).begin
        key = "key" if re.search(r"\b(pasid|grpid|prm)\b", left + right) else "operand"
        yield Edit(
            key,
            ((source.tokens[begin].begin, source.tokens[index + 1].begin, ""),),
            f"without: {_short(left)} {token.text}",
            at,
        )
        yield Edit(
            key,
            ((source.tokens[index - 1].end, source.tokens[end - 1].end, ""),),
            f"without: {token.text} {_short(right)}",
            at,
        )


def relations(source, function):
    """Comparisons and arithmetic."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        if token.kind != "op" or token.text not in RELATIONS:
            continue
        if token.text in ("+", "|") and source.tokens[index - 1].text in ("(", ",", "=", "return"):
            continue
        for new in RELATIONS[token.text]:
            yield Edit(
                "relation",
                ((token.begin, token.end, new),),
                f"{token.text} becomes {new} in: "
                + _short(source.code(max(index - 4, body.first), min(index + 5, body.last))),
                _statement_of(function, index).begin,
            )


def lists(source, function):
    """A list operation for its neighbour, and the arguments the wrong way round."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        if token.text not in LISTS or not source._is(index + 1, "("):
            continue
        at = _statement_of(function, index).begin
        text = source.code(index, source.closing(index + 1) + 1)
        given = [source.code(*argument) for argument in source.arguments(index + 1)]
        for new in LISTS[token.text]:
            yield Edit(
                "list",
                ((token.begin, token.end, new),),
                f"{new} for {_short(text)}",
                at,
                needless=needless.unlinked(source, token.text, new, given),
            )
        if token.text == "list_for_each_entry_safe":
            one, following, *rest = [source.code(*argument) for argument in source.arguments(index + 1)]
            yield Edit(
                "list",
                (
                    (
                        token.begin,
                        source.tokens[source.closing(index + 1)].end,
                        f"list_for_each_entry({', '.join([one, *rest])})",
                    ),
                ),
                f"not safe: {_short(text)}",
                at,
            )
        arguments = source.arguments(index + 1)
        if len(arguments) == 2:
            one, other = arguments
            yield Edit(
                "list",
                (
                    (source.tokens[one[0]].begin, source.tokens[one[1] - 1].end, source.code(*other)),
                    (source.tokens[other[0]].begin, source.tokens[other[1] - 1].end, source.code(*one)),
                ),
                f"arguments turned: {_short(text)}",
                at,
            )


def codes(source, function):
    """A code, an error, a flag for another; a number for the next."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        at = _statement_of(function, index).begin
        where = _short(source.code(max(index - 5, body.first), min(index + 4, body.last)))
        new = [other for family in FAMILIES if token.text in family for other in family if other != token.text]
        if token.text in ERRORS and source._is(index - 1, "-"):
            other = ERRORS[(ERRORS.index(token.text) + 1) % len(ERRORS)]
            yield Edit("code", ((token.begin, token.end, other),), f"-{other} in: {where}", at)
            yield Edit("code", ((source.tokens[index - 1].begin, token.end, "0"),), f"0 in: {where}", at)
        elif token.kind == "number" and token.text in ("0", "1", "2"):
            new = [str(int(token.text) + 1)] + (["0"] if token.text == "1" else [])
        elif token.kind == "number":
            new = [f"({token.text} >> 1)"]
        operator = "code" if token.text in RESPONSES else "constant"
        for each in new:
            yield Edit(operator, ((token.begin, token.end, each),), f"{each} in: {where}", at)


def orders(source, function):
    """Memory orders and grace periods weakened: publication, dereference, inc_not_zero, kfree_rcu."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        if token.kind != "name" or not source._is(index + 1, "("):
            continue
        closed = source.closing(index + 1)
        span = token.begin, source.tokens[closed].end
        given = [source.code(*argument) for argument in source.arguments(index + 1)]
        at = _statement_of(function, index).begin
        new = ()
        if token.text == "rcu_assign_pointer":
            new = (f"({given[0]} = {given[1]})", f"WRITE_ONCE({given[0]}, {given[1]})")
        elif token.text == "RCU_INIT_POINTER":
            new = (f"({given[0]} = {given[1]})",)
        elif token.text in ("rcu_dereference", "rcu_dereference_check", "rcu_access_pointer", "READ_ONCE"):
            new = (f"({given[0]})",) + ((f"READ_ONCE({given[0]})",) if "dereference" in token.text else ())
        elif token.text == "refcount_inc_not_zero":
            new = (f"(refcount_inc({given[0]}), true)", "true")
        elif token.text == "kfree_rcu":
            new = (f"kfree({given[0]})",)
        elif token.text == "WRITE_ONCE":
            new = (f"({given[0]} = {given[1]})",)
        elif token.text == "mmget_not_zero":
            new = (f"(mmget({given[0]}), true)", "true")
        for each in new:
            yield Edit(
                "order",
                ((*span, each),),
                f"{each} for {_short(source.code(index, closed + 1))}",
                at,
                needless=needless.weakened(source, function, index, given, each),
            )


def keys(source, function):
    """The key by which requests belong together: another field, another PASID."""
    body = function.body
    for index in range(body.first, body.last):
        token = source.tokens[index]
        at = _statement_of(function, index).begin
        where = _short(source.code(max(index - 5, body.first), min(index + 4, body.last)))
        if token.text in KEY_FIELDS and source.tokens[index - 1].text in ("->", ".") and not source._is(index + 1, "="):
            yield Edit(
                "key", ((token.begin, token.end, KEY_FIELDS[token.text]),), f"{KEY_FIELDS[token.text]} in: {where}", at
            )
        if token.text == "IOMMU_NO_PASID":
            yield Edit("key", ((token.begin, token.end, "1"),), f"1 in: {where}", at)


OPERATORS = (deletions, swaps, doubles, moves, conditions, operands, relations, lists, codes, orders, keys)


def mutants(file, text, needless=False):
    """Every mutant of a file's text, in a fixed order; none of two have the same text.

    With ``needless`` those that are not made, instead: for who wants to see that nobody finds them.
    """
    source = Source(text)
    seen = {text}
    for function in source.functions:
        counts = Counter()
        for make in OPERATORS:
            for edit in make(source, function):
                counts[edit.operator] += 1
                mutated = edit.apply(text)
                if mutated not in seen and edit.needless == needless:
                    seen.add(mutated)
                    yield Mutant(file, function.name, counts[edit.operator], edit)


def probe(mutant, text):
    """The text with a crash where the mutant's statement begins: does an execution come by?"""
    source = Source(text)
    function = next(
        each
        for each in source.functions
        if each.name == mutant.function and each.body.begin <= mutant.edit.at < each.body.end
    )
    at = next(
        (each for each in function.body.walk() if each.begin == mutant.edit.at and each is not function.body), None
    )
    begin = at.begin if at else function.body.begin + 1
    crash = "*(volatile int *)8 = 0;"
    if at is None or at.kind in ("declaration", "label"):
        return text[:begin] + crash + text[begin:]
    return text[:begin] + "{ " + crash + " " + text[at.begin : at.end] + " }" + text[at.end :]
