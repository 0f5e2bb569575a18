# SPDX-License-Identifier: GPL-2.0-only
"""C text as a mutant generator sees it: tokens, functions, blocks, statements. Small rules for kernel style, no
compiler.

Every node knows its span in the text, so that a mutation is an exchange of spans and leaves the rest as it was. What
the rules take wrongly does not compile, or is a mutant like any other: nothing here has to be complete.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>\s+|/\*.*?\*/|//[^\n]*|(?:(?<=\n)|^)[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<name>[A-Za-z_]\w*)
      | (?P<number>\d[\w.]*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])""",
    re.VERBOSE | re.DOTALL,
)
_OPEN = {"(": ")", "[": "]", "{": "}"}
_TYPE_WORDS = {
    "struct", "union", "enum", "const", "static", "unsigned", "signed", "int", "long", "short", "char", "bool", "void",
    "size_t", "u8", "u16", "u32", "u64", "LIST_HEAD", "ioasid_t", "typedef", "extern", "volatile", "register",
}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """One token, and where it is."""

    kind: str
    text: str
    begin: int
    end: int


def tokens(text):
    """Every token but space, comments and preprocessor lines."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"no token at {text[at : at + 20]!r}")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), at, match.end()))
        at = match.end()
    return found


@dataclass
class Statement:
    """One statement. ``kind``: expression, declaration, return, goto, break, continue, if, loop, block, label."""

    kind: str
    begin: int
    end: int
    #: indices of its tokens: from, to (excluded)
    first: int
    last: int
    #: of an if or a loop: the tokens between its brackets
    condition: tuple = None
    #: statements inside: those of a block; of an if the branches; of a loop the body
    inside: list = field(default_factory=list)

    def walk(self):
        """It and all inside it."""
        yield self
        for each in self.inside:
            yield from each.walk()


@dataclass
class Function:
    """A function with a body."""

    name: str
    body: Statement


class Source:
    """A file: its tokens, and its functions in order."""

    def __init__(self, text):
        self.text = text
        self.tokens = tokens(text)
        self._match = self._pairs()
        self.functions = list(self._functions())

    def _pairs(self):
        pairs, stack = {}, []
        for index, token in enumerate(self.tokens):
            if token.kind == "op" and token.text in _OPEN:
                stack.append(index)
            elif token.kind == "op" and token.text in _OPEN.values():
                opened = stack.pop()
                pairs[opened], pairs[index] = index, opened
        return pairs

    def closing(self, index):
        """The index of the bracket that belongs to the one at index."""
        return self._match[index]

    def _functions(self):
        index = 0
        while index < len(self.tokens):
            token = self.tokens[index]
            if token.text == "{" and token.kind == "op":
                before = index - 1
                if self.tokens[before].text == ")":
                    name = self.tokens[self.closing(before) - 1]
                    yield Function(name.text, self._statement(index))
                index = self.closing(index)
            index += 1

    def _is(self, index, text):
        return index < len(self.tokens) and self.tokens[index].text == text

    def _make(self, kind, first, last, **more):
        return Statement(kind, self.tokens[first].begin, self.tokens[last - 1].end, first, last, **more)

    def _to_semicolon(self, index):
        while not self._is(index, ";"):
            index = self.closing(index) + 1 if self.tokens[index].text in _OPEN else index + 1
        return index + 1

    def _statement(self, first):
        token = self.tokens[first]
        if token.text == "{":
            end = self.closing(first)
            inside, index = [], first + 1
            while index < end:
                inside.append(self._statement(index))
                index = inside[-1].last
            return self._make("block", first, end + 1, inside=inside)
        if token.kind == "name" and self._is(first + 1, "("):
            closed = self.closing(first + 1)
            condition = (first + 2, closed)
            if token.text == "if":
                branches = [self._statement(closed + 1)]
                if self._is(branches[0].last, "else"):
                    branches.append(self._statement(branches[0].last + 1))
                return self._make("if", first, branches[-1].last, condition=condition, inside=branches)
            if token.text in ("while", "for", "switch") or "for_each" in token.text:
                body = self._statement(closed + 1)
                return self._make("loop", first, body.last, condition=condition, inside=[body])
        if token.text == "do":
            body = self._statement(first + 1)
            return self._make("loop", first, self._to_semicolon(body.last), inside=[body])
        if token.kind == "name" and self._is(first + 1, ":") and token.text not in ("default",):
            return self._make("label", first, first + 2)
        if token.text in ("case", "default"):
            end = first
            while not self._is(end, ":"):
                end += 1
            return self._make("label", first, end + 1)
        last = self._to_semicolon(first)
        if token.text in ("return", "goto", "break", "continue"):
            return self._make(token.text, first, last)
        declares = token.text in _TYPE_WORDS or token.kind == "name" and self.tokens[first + 1].kind == "name"
        return self._make("declaration" if declares else "expression", first, last)

    def code(self, first, last):
        """The text of tokens from first to last (excluded)."""
        return self.text[self.tokens[first].begin : self.tokens[last - 1].end] if last > first else ""

    def arguments(self, opened):
        """Pairs of token indices: each argument of the call whose bracket is at ``opened``."""
        closed, index = self.closing(opened), opened + 1
        begin, found = index, []
        while index < closed:
            if self.tokens[index].text in _OPEN:
                index = self.closing(index)
            elif self.tokens[index].text == ",":
                found.append((begin, index))
                begin = index + 1
            index += 1
        return [*found, (begin, closed)] if closed > opened + 1 else []
