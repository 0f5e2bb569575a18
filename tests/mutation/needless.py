# SPDX-License-Identifier: GPL-2.0-only
"""Edits that nobody could see, by rule: the generator counts them, and does not make them.

Every rule is an argument about C text in general, and none about a file of ours. What the first two stand on is that the
text has no data race: who saw the difference would have to look at memory that another thread writes, with nothing
between the two, and the text as it is would be wrong already.

*The compiler's own freedom.* Two neighbours may be exchanged by any compiler, and so by a hand, where they are accesses
without an order, where neither writes what the other reads or writes, and where one of them at least is plain. Without
an order are plain accesses, and WRITE_ONCE() and its kind: RCU_INIT_POINTER(), rcu_assign_pointer() of NULL,
refcount_set(), refcount_inc().

*Into a lock, not out of it.* A plain access may move into the section of a mutex beside it, over the lock or over the
unlock. The way out is another edit, and is made.

*Nobody has it yet.* Of an object that the function has allocated, or that is its caller's own, and that it has not
handed on: the order of two writes to it; when it is initialised, if it is before somebody has it, or if it is freed
first; an initialisation that happens twice; that a pointer in it is written without RCU's macro.

*The same access.* rcu_dereference() is READ_ONCE() with a check, rcu_assign_pointer() of NULL is WRITE_ONCE(), and where
rcu_dereference_check() names a lock that the function holds, nobody writes: rcu_dereference_protected() is a plain read.

*An assertion holds, or the text is wrong already.* lockdep_assert_held() may come later, or earlier, where what it is
moved over takes and drops no lock, and where it is not asked more often.

*Nobody looks at the node.* list_del_init() for list_del(), where no list_empty() in the file asks about that member:
what list_del() leaves there is poison, and nobody follows it.

*Two bits.* Two questions, each of which sets a bit of one variable, and does not ask for it.
"""

import re

# --- nobody has it yet ---

_INITIALISES = r"(?:INIT_LIST_HEAD|mutex_init|refcount_set|keyed_init)"
_WRITES = re.compile(
    rf"(?P<init>{_INITIALISES})\s*\(\s*&(?P<of>(?P<a>\w+)->[\w.>-]+)|"
    r"(?:RCU_INIT_POINTER\s*\(\s*)?(?P<to>(?P<b>\w+)->[\w.>-]+)\s*(?:=(?!=)|,)"
)


def _text(source, statement):
    return source.text[statement.begin : statement.end]


def _parameters(source, function):
    """The names of a function's parameters, and what stands before the brackets."""
    closed = function.body.first - 1
    opened = source.closing(closed)
    begin = max((index for index in range(opened) if source.tokens[index].text in (";", "}")), default=-1) + 1
    return [source.tokens[last - 1].text for _, last in source.arguments(opened)], source.code(begin, opened)


def _calls_of(source, name):
    """(function, index of the name, arguments) of each call in the file."""
    for function in source.functions:
        for index in range(function.body.first, function.body.last):
            if source.tokens[index].text == name and source._is(index + 1, "("):
                yield function, index, [source.code(*argument) for argument in source.arguments(index + 1)]


def _is_of_the_caller(source, function, name):
    """Is a parameter of a static function a variable of each caller's own, to which nobody else has a pointer yet?"""
    names, head = _parameters(source, function)
    if name not in names or not re.search(r"\bstatic\b", head):
        return False
    calls = list(_calls_of(source, function.name))
    for caller, index, given in calls:
        own = re.fullmatch(r"&\s*(\w+)", given[names.index(name)])
        before = source.code(caller.body.first, index)
        if (
            own is None
            or not re.search(rf"\bstruct\s+\w+\s+{own[1]}\s*(?:=[^;]*)?;", before)
            or re.search(rf"&\s*{own[1]}\b", before)
        ):
            return False
    return bool(calls)


def _new_at(source, function, name, text):
    """Is an object that ``name`` points to the function's own, behind ``text``, which is the body up to there?"""
    made = list(re.finditer(rf"\b{name}\s*=\s*k[mzc]alloc\w*\s*\(", text))
    if not made:
        return False
    since = text[made[-1].end() :].partition(";")[2]
    # Whoever names it without a member, or takes a member's address, may hand it on; not so a question whether there was
    # memory, who frees it, and who initialises the member. Where there was none, another may stand for it.
    another = re.match(rf"\s*if\s*\(\s*!\s*{name}\s*\)\s*{name}\s*=\s*(\w+)\s*;", since)
    if another:
        if not _is_of_the_caller(source, function, another[1]):
            return False
        since = since[another.end() :]
        if re.search(rf"\b{another[1]}\b", since):
            return False
    harmless = (
        rf"!\s*{name}\b|\bkfree\s*\(\s*{name}\s*\)|\b{_INITIALISES}\s*\(\s*&{name}->|"
        rf"\blist_add\w*\s*\(\s*&{name}->[\w.>-]+,\s*&{name}->[\w.>-]+\)"
    )
    return not re.search(rf"\b{name}\b(?!\s*->)|&\s*{name}\b", re.sub(harmless, "", since))


def _write_to_new(source, function, statement):
    """How a statement writes a member of such an object: a match with ``name``, ``member``; or None."""
    write = _WRITES.match(_text(source, statement)) if statement.kind == "expression" else None
    if write is None:
        return None
    before = source.text[function.body.begin : statement.begin]
    rest = "" if write["init"] else ";" + _text(source, statement)[write.end() :]
    return write if _new_at(source, function, write["a"] or write["b"], before + rest) else None


def _both_to_new(source, function, one, other):
    """Two writes to members of an object that is the function's own: in which order they come, there is nobody to see."""
    writes = [_write_to_new(source, function, each) for each in (one, other)]
    if None in writes:
        return False
    members = [write["of"] or write["to"] for write in writes]
    return members[0] not in _text(source, other) and members[1] not in _text(source, one)


def _initialised_before_use(source, function, one, other):
    """An initialisation moves over something else: that is not the question whether there was memory, does not name the
    member, and hands nothing on. Where it comes later, it comes before all that is done with the object but to free it."""
    for initial, over, later in (one, other, True), (other, one, False):
        write = _write_to_new(source, function, initial)
        if not write or not write["init"]:
            continue
        name, text = write["a"], _text(source, over)
        member = re.split(r"->|\.", write["of"])[1]
        if re.search(rf"\b{member}\b|!\s*{name}\b(?!\s*->)", text) or not _new_at(
            source, function, name, source.text[function.body.begin : max(one.end, other.end)]
        ):
            continue
        kinds = {each.kind for each in over.walk()}
        freed = re.search(rf"kfree\s*\(\s*{name}\s*\)\s*;\s*return\b", text) and text.count("return") == 1
        if (
            not later
            or not kinds & {"goto", "break", "continue", "return"}
            or freed
            and not kinds & {"goto", "break", "continue"}
        ):
            return True
    return False


# --- two bits ---

_SETS_A_BIT = re.compile(r"if\s*\((?P<asked>[^;]*)\)\s*(?P<of>\w+)\s*\|=\s*[A-Z_]+;")


def _two_bits(texts):
    found = [_SETS_A_BIT.fullmatch(" ".join(text.split())) for text in texts]
    return (
        None not in found
        and found[0]["of"] == found[1]["of"]
        and not any(re.search(rf"\b{one['of']}\b", one["asked"]) for one in found)
    )


# --- accesses without an order ---

#: Writes to nodes and heads, which may be those of any node that hangs on the same list, or chain.
_LINKS = re.compile(r"(list_(add|del|move|splice)\w*|keyed_(init|add|del))$")
#: Without an order, and not plain.
_MARKED = re.compile(r"(WRITE_ONCE|RCU_INIT_POINTER|rcu_assign_pointer|refcount_set|refcount_inc)$")
_TABLE = {"member nr_nodes", "member nr_buckets", "member buckets", "member first"}
_ANY_LIST = "any list"
_ASSIGNS = {"=", "+=", "-=", "|=", "&="}


def _paths(source, first, last):
    """The access paths among tokens, as tuples of names: a->b.c is (a, b, c)."""
    found, index = [], first
    while index < last:
        if source.tokens[index].kind == "name":
            path = [source.tokens[index].text]
            while (
                index + 2 < last
                and source.tokens[index + 1].text in ("->", ".")
                and source.tokens[index + 2].kind == "name"
            ):
                index += 2
                path.append(source.tokens[index].text)
            found.append(tuple(path))
        index += 1
    return found


def _places(path):
    """What is read where a path is followed."""
    return {f"variable {path[0]}", *(f"member {name}" for name in path[1:])}


def _written(path):
    return f"member {path[-1]}" if len(path) > 1 else f"variable {path[0]}"


class _Lists:
    """Which members and variables may be nodes or heads of one list, by all list operations of a file."""

    def __init__(self, source):
        self.source, self.leader = source, {}
        for function in source.functions:
            for index in range(function.body.first, function.body.last):
                if source.tokens[index].kind == "name" and source._is(index + 1, "("):
                    self._take(function, index)

    def _find(self, place):
        while self.leader.get(place, place) != place:
            place = self.leader[place]
        return place

    def _one(self, places):
        for each in places:
            self.leader.setdefault(each, each)
            self.leader[self._find(each)] = self._find(places[0])

    def of(self, function, first, last):
        """The place that an argument of a list operation names."""
        found = _paths(self.source, first, last)
        if len(found) != 1:
            return _ANY_LIST
        name = found[0][-1]
        if len(found[0]) > 1:
            return f"member {name}"
        place = f"variable {name} of {function.name}"
        return place if self.source.tokens[first].text == "&" or self._is_known(function, name) else _ANY_LIST

    def _is_known(self, function, name):
        """Is a pointer to a list a parameter of a static function, or set where it is declared, and never elsewhere?"""
        text = _text(self.source, function.body)
        declared = re.search(rf"\*\s*{name}\s*=\s*&(?:\w+->)+(\w+);", text)
        if len(re.findall(rf"\b{name}\s*=(?!=)", text)) > bool(declared) or re.search(rf"&\s*{name}\b(?!\s*->)", text):
            return False
        if declared:
            self._one([f"variable {name} of {function.name}", f"member {declared[1]}"])
            return True
        # Every call tells what it is given, if nobody has a pointer to the function.
        names, head = _parameters(self.source, function)
        uses = sum(token.text == function.name for token in self.source.tokens)
        return (
            name in names
            and bool(re.search(r"\bstatic\b", head))
            and self._is_list(function, name)
            and uses == 1 + len(list(_calls_of(self.source, function.name)))
        )

    def _is_list(self, function, parameter):
        source = self.source
        text = source.code(source.closing(function.body.first - 1), function.body.first)
        return bool(re.search(rf"\blist_head\s*\*\s*{parameter}\b", text))

    def _take(self, function, index):
        source, name = self.source, self.source.tokens[index].text
        arguments = source.arguments(index + 1)
        if _LINKS.match(name):
            self._one([self.of(function, *each) for each in arguments if name != "keyed_add" or each != arguments[1]])
        elif name.startswith("list_for_each_entry"):
            *_, head, member = arguments
            self._one([self.of(function, *head), f"member {source.code(*member)}"])
        for called in source.functions:
            if called.name == name:
                for parameter, given in zip(_parameters(source, called)[0], arguments):
                    if self._is_list(called, parameter):
                        self._one([f"variable {parameter} of {called.name}", self.of(function, *given)])

    def with_it(self, place):
        """Every place that may be on one list with this one."""
        leader = self._find(place)
        same = {each for each in [*self.leader, leader, place] if self._find(each) == leader}
        return {each.partition(" of ")[0] for each in same} | ({_ANY_LIST} if _ANY_LIST in same else set())


class _Accesses:
    """What the statements of a file read and write, where they are accesses without an order."""

    def __init__(self, source):
        self.source = source
        self.lists = _Lists(source)
        #: members that are structures, or that somebody has a pointer to
        self.wide = set()
        tokens = source.tokens
        for index, token in enumerate(tokens[:-1]):
            if token.kind != "name":
                continue
            if tokens[index + 1].text == ".":
                self.wide.add(token.text)
            start = index
            while start > 1 and tokens[start - 1].text in ("->", "."):
                start -= 2
            if (
                start
                and tokens[start - 1].text == "&"
                and tokens[start - 2].text in ("(", ",", "=", "return")
                and tokens[index + 1].text not in ("->", ".")
            ):
                self.wide.add(token.text)

    def _scalars(self, paths):
        return all(path[-1] not in self.wide for path in paths)

    def of(self, function, statement):
        """(writes, reads, is plain), or None."""
        if statement.kind != "expression":
            return None
        source, first, last = self.source, statement.first, statement.last - 1
        name = source.tokens[first].text
        if source._is(first + 1, "(") and source.closing(first + 1) == last - 1:
            arguments = source.arguments(first + 1)
            if any(source._is(index + 1, "(") for each in arguments for index in range(*each)):
                return None
            if name == "INIT_LIST_HEAD":
                return self._initial(arguments)
            if _LINKS.match(name):
                return self._links(function, name, arguments)
            return self._marked(name, arguments) if _MARKED.match(name) else None
        return self._assignment(first, last)

    def _initial(self, arguments):
        """The head itself, and no neighbour."""
        (path,) = _paths(self.source, *arguments[0])
        if self.source.tokens[arguments[0][0]].text != "&":
            return None
        return {_written(path)}, _places(path) - {_written(path)}, True

    def _links(self, function, name, arguments):
        writes, reads = set(), {_ANY_LIST}
        for each in arguments:
            paths = _paths(self.source, *each)
            if name == "keyed_add" and each == arguments[1]:
                reads = reads.union(*map(_places, paths))  # the key
                continue
            reads = reads.union(*(_places(path) - {_written(path)} for path in paths))
            writes |= self.lists.with_it(self.lists.of(function, *each))
        return writes | (_TABLE if name.startswith("keyed") else set()), reads, True

    def _marked(self, name, arguments):
        to, value = (
            _paths(self.source, *arguments[0]),
            _paths(self.source, *arguments[-1]) if len(arguments) > 1 else [],
        )
        if name == "rcu_assign_pointer" and value != [("NULL",)] or len(to) != 1 or not self._scalars(value):
            return None
        written = _written(to[0])
        return {written}, (_places(to[0]) - {written}).union(*map(_places, value)), False

    def _assignment(self, first, last):
        source = self.source
        texts = [token.text for token in source.tokens[first:last]]
        if set(texts) & {"*", "[", "(", "&", "--", "?"} or any(
            token.kind == "string" for token in source.tokens[first:last]
        ):
            return None
        if texts[-1] == "++":
            to, value = _paths(source, first, last - 1), []
        else:
            at = [index for index, text in enumerate(texts) if text in _ASSIGNS]
            if len(at) != 1:
                return None
            to, value = _paths(source, first, first + at[0]), _paths(source, first + at[0] + 1, last)
        if len(to) != 1 or not self._scalars([*to, *value]):
            return None
        written = _written(to[0])
        return {written}, (_places(to[0]) - {written}).union(*map(_places, value)), True


def _apart(one, other):
    """Does neither write what the other reads or writes, and is one of them plain?"""
    return (one[2] or other[2]) and not one[0] & (other[0] | other[1]) and not other[0] & one[1]


def _lock(source, statement, name):
    """The path by which the mutex of a lock, or unlock, is found, or None."""
    if statement.kind != "expression" or not source._is(statement.first, name):
        return None
    return next(iter(_paths(source, statement.first + 2, statement.last - 2)), None)


def _into_the_lock(source, function, accesses, one, other):
    for moved, over, name in (one, other, "mutex_lock"), (other, one, "mutex_unlock"):
        path = _lock(source, over, name)
        if path is None:
            continue
        access = accesses.of(function, moved)
        if access and access[2] and not access[0] & _places(path):
            return True
        write = _write_to_new(source, function, moved)
        if write and "(" not in _text(source, moved) and path[0] != (write["a"] or write["b"]):
            return True
    return False


# --- assertions ---


def _calls(source, statement):
    return {
        source.tokens[index].text
        for index in range(statement.first, statement.last)
        if source.tokens[index].kind == "name" and source._is(index + 1, "(")
    }


def _is_assertion(source, statement):
    return statement.kind == "expression" and source.tokens[statement.first].text.startswith("lockdep_assert")


def _touches_locks(source, names, seen=frozenset()):
    """Does one of the functions take or drop a lock, or one of this file that it calls?"""
    if any("lock" in name and not name.startswith("lockdep") for name in names):
        return True
    inner = [each for each in source.functions if each.name in names and each.name not in seen]
    seen = seen | {each.name for each in inner}
    return any(_touches_locks(source, _calls(source, each.body), seen) for each in inner)


def _moved_assertion(source, one, other):
    first, second = _is_assertion(source, one), _is_assertion(source, other)
    if first == second:
        return first
    moved_over = other if first else one
    jumps = any(each.kind in ("return", "goto", "break", "continue") for each in moved_over.walk())
    return not _touches_locks(source, _calls(source, moved_over)) and (first or not jumps)


# --- the rules, by operator ---

_accesses = {}


def _accesses_of(source):
    if source.text not in _accesses:
        _accesses.clear()
        _accesses[source.text] = _Accesses(source)
    return _accesses[source.text]


def exchanged(source, function, one, other):
    """Two neighbours, one behind the other, that change places."""
    if (
        _two_bits([_text(source, each) for each in (one, other)])
        or _both_to_new(source, function, one, other)
        or _initialised_before_use(source, function, one, other)
        or _moved_assertion(source, one, other)
    ):
        return True
    accesses = _accesses_of(source)
    effects = [accesses.of(function, each) for each in (one, other)]
    return None not in effects and _apart(*effects) or _into_the_lock(source, function, accesses, one, other)


def doubled(source, function, statement):
    """A call that happens twice: an initialisation, for the others are no calls."""
    return _write_to_new(source, function, statement) is not None


def _held(source, function, index, lock):
    """Has the function taken a lock, in a block that the token is in, and not dropped it since?"""
    at, held = source.tokens[index].begin, False
    for block in function.body.walk():
        if block.kind != "block" or not block.begin < at < block.end:
            continue
        for statement in block.inside:
            text = "".join(_text(source, statement).split())
            if statement.end <= at:
                held = text == f"mutex_lock({lock});" or held and f"mutex_unlock({lock});" not in text
    return held


def weakened(source, function, index, given, new):
    """An access of RCU's, the token at index, that becomes another one."""
    name = source.tokens[index].text
    if name.startswith("rcu_dereference") and new.startswith("READ_ONCE"):
        return True
    if name == "rcu_dereference_check":
        checked = re.fullmatch(r"lockdep_is_held\((.*)\)", "".join(given[1].split()))
        return checked is not None and _held(source, function, index, checked[1])
    if name == "rcu_assign_pointer":
        return given[1] == "NULL" and new.startswith("WRITE_ONCE")
    if name == "RCU_INIT_POINTER":
        at = next((each for each in function.body.walk() if each.first == index and each.kind == "expression"), None)
        return at is not None and _write_to_new(source, function, at) is not None
    return False


def unlinked(source, name, new, given):
    """A node that is initialised when it is taken off: nobody asks whether it is on a list."""
    member = re.search(r"(?:->|\.)(\w+)$", given[0])
    return (
        name == "list_del"
        and new == "list_del_init"
        and member is not None
        and not re.search(rf"\blist_empty\w*\s*\(\s*&[^;]*\b{member[1]}\b", source.text)
    )
