# SPDX-License-Identifier: GPL-2.0-only
"""A machine that is no more orderly than x86, small enough to be looked through whole.

Stores wait in a buffer of their thread's before others see them, in order; loads look there first; read-modify-writes empty
it. "x86-TSO" (Owens, Sarkar, Sewell, TPHOLs 2009). Whoever calls membarrier() waits until each other thread has passed a
barrier, which is a moment of its own at which its buffer is empty; which moment, before that, is up to the machine.
A futex looks at its word and sleeps in one step. What real threads do between is up to the machine, in every way that there
is: ``explore()`` goes through all reachable states, and says what is wrong with the first that is.

A program is a list of steps over named words of memory and the thread's own variables. A word's name, or a value, may be
a function of those.
"""

from collections import namedtuple

ALL = 1 << 30

Step = namedtuple("Step", "what word value more")
#: A thread: where it is, its variables, its buffer, the word that it sleeps on (and whether that ends by itself), and who
#: waits for it to pass a barrier.
Thread = namedtuple("Thread", "at own buffer asleep naps owes")
MEMBARRIER = "a barrier of all others"


class Program:
    """The steps of one thread."""

    def __init__(self):
        self.steps, self.labels, self.names = [], {}, 0

    def _add(self, what, word=None, value=None, more=None):
        self.steps.append(Step(what, word, value, more))

    def label(self, name):
        self.labels[name] = len(self.steps)

    def fresh(self):
        """A label that nobody else has."""
        self.names += 1
        return f".{self.names}"

    def go(self, label, when=None):
        """There, where the function of the variables says so."""
        self._add("go", label, when)

    def set(self, own, value):
        self._add("set", own, value)

    def forget(self, *keep):
        """What the thread knows, but for those variables: nobody asks for the rest again, and fewer states differ."""
        self._add("forget", keep)

    def choose(self, own, *values):
        """One of them, whichever."""
        self._add("choose", own, values)

    def load(self, own, word):
        self._add("load", word, None, own)

    def store(self, word, value):
        self._add("store", word, value)

    def exchange(self, word, value):
        """A store that is seen at once, and before what follows it."""
        self._add("exchange", word, value)

    def add(self, word, n, own=None):
        """``own`` is what was there before; None: nobody wants to know."""
        self._add("add", word, n, own)

    def compare(self, own, word, old, new):
        """Compare-and-swap; ``own`` says whether it was so."""
        self._add("compare", word, (old, new), own)

    def membarrier(self):
        self._add("membarrier")

    def wait(self, word, value, naps=None):
        """Sleeps where the word has that value; where ``naps`` is true, for a while."""
        self._add("wait", word, value, naps)

    def wake(self, word, number):
        self._add("wake", word, number)

    def enter(self, what="section"):
        """It is there alone, or that is wrong."""
        self._add("enter", what)

    def leave(self, what="section"):
        self._add("leave", what)

    def wrong(self, why, when=None):
        """It is wrong to come here, where the function of the variables says so."""
        self._add("wrong", why, when)


def _given(what, own):
    return what(dict(own)) if callable(what) else what


def _with(own, name, value):
    """What is 0 is not named."""
    changed = dict(own)
    changed[name] = value
    if not value:
        del changed[name]
    return tuple(sorted(changed.items()))


class Machine:
    """Programs, and the memory that they begin with; what is not named there is 0. ``final(memory)``: why that is wrong."""

    def __init__(self, programs, memory=(), final=None):
        self.programs = programs
        self.memory = dict(memory)
        self.final = final or (lambda memory: None)

    # --- one step ---

    def _local(self, program, thread):
        """Up to the next step that another thread could tell, or that may go several ways."""
        at, own = thread.at, thread.own
        while at < len(program.steps):
            step = program.steps[at]
            if step.what == "go":
                at = program.labels[step.word] if step.value is None or step.value(dict(own)) else at + 1
            elif step.what == "set":
                own, at = _with(own, step.word, _given(step.value, own)), at + 1
            elif step.what == "forget":
                own, at = tuple(each for each in own if each[0] in step.word), at + 1
            elif step.what == "wrong" and not (step.value is None or step.value(dict(own))):
                at += 1
            else:
                break
        return thread._replace(at=at, own=own)

    @staticmethod
    def _seen(memory, thread, word):
        for name, value in reversed(thread.buffer):
            if name == word:
                return value
        return dict(memory).get(word, 0)

    def _next(self, state):
        """What may come next: (a sentence, another state or what is wrong)."""
        memory, threads = state
        for i, thread in enumerate(threads):

            def moved(thread, memory=memory, others=(), i=i):
                after = list(threads)
                for k, other in others:
                    after[k] = other
                after[i] = self._local(self.programs[i], thread)
                return memory, tuple(after)

            if thread.buffer:
                (word, value), *rest = thread.buffer
                yield (
                    f"{i}: {word}={value} is seen",
                    moved(thread._replace(buffer=tuple(rest)), _with(memory, word, value)),
                )
            if thread.owes and not thread.buffer:
                yield f"{i}: passes a barrier", self._passed(state, i)
            if thread.asleep is not None:
                if thread.naps:
                    yield f"{i}: wakes", moved(thread._replace(asleep=None, naps=False))
                continue
            if thread.at == len(self.programs[i].steps):
                continue
            step = self.programs[i].steps[thread.at]
            word, own = _given(step.word, thread.own), thread.own
            on = thread._replace(at=thread.at + 1)
            if step.what == "load":
                value = self._seen(memory, thread, word)
                yield f"{i}: {word} is {value}", moved(on._replace(own=_with(own, step.more, value)))
            elif step.what == "store":
                value = _given(step.value, own)
                yield f"{i}: {word}={value}", moved(on._replace(buffer=(*thread.buffer, (word, value))))
            elif step.what == "choose":
                for value in step.value:
                    yield f"{i}: {word} is {value}", moved(on._replace(own=_with(own, word, value)))
            elif step.what == "wrong":
                yield f"{i}: is here", f"{i}: {word}"
            elif step.what in ("enter", "leave"):
                inside = dict(memory).get(f"in {word}", 0)
                if step.what == "enter" and inside:
                    yield f"{i}: enters {word}", f"two are in {word}"
                else:
                    yield f"{i}: {step.what}s {word}", moved(on, _with(memory, f"in {word}", step.what == "enter"))
            elif not thread.buffer:
                yield from self._at_once(i, step, word, on, memory, threads, moved)

    @staticmethod
    def _passed(state, i):
        """That thread has passed a barrier: whoever waited for it alone goes on."""
        memory, threads = state
        after = list(threads)
        after[i] = threads[i]._replace(owes=())
        for waiter in threads[i].owes:
            if not any(waiter in other.owes for other in after):
                after[waiter] = after[waiter]._replace(asleep=None)
        return memory, tuple(after)

    def _at_once(self, i, step, word, on, memory, threads, moved):
        """Steps that find their thread's buffer empty."""
        own, value = on.own, dict(memory).get(word, 0)
        if step.what == "exchange":
            new = _given(step.value, own)
            yield f"{i}: {word}={new} at once", moved(on, _with(memory, word, new))
        elif step.what == "add":
            new = value + _given(step.value, own)
            yield (
                f"{i}: {word}={new}",
                moved(on._replace(own=_with(own, step.more, value) if step.more else own), _with(memory, word, new)),
            )
        elif step.what == "compare":
            old, new = (_given(each, own) for each in step.value)
            if value == old:
                yield (
                    f"{i}: {word}: {old}->{new}",
                    moved(on._replace(own=_with(own, step.more, True)), _with(memory, word, new)),
                )
            else:
                yield f"{i}: {word} is {value}, not {old}", moved(on._replace(own=_with(own, step.more, False)))
        elif step.what == "membarrier":
            others = [(k, other._replace(owes=(*other.owes, i))) for k, other in enumerate(threads) if k != i]
            yield f"{i}: membarrier", moved(on._replace(asleep=MEMBARRIER if others else None), memory, others)
        elif step.what == "wait":
            if value == _given(step.value, own):
                naps = bool(step.more and _given(step.more, own))
                yield f"{i}: sleeps on {word}", moved(on._replace(asleep=word, naps=naps))
            else:
                yield f"{i}: {word} is {value}: no sleep", moved(on)
        else:
            assert step.what == "wake", step
            asleep = [k for k, other in enumerate(threads) if other.asleep == word][: _given(step.value, own)]
            others = [(k, threads[k]._replace(asleep=None, naps=False)) for k in asleep]
            yield f"{i}: wakes {asleep or 'nobody'} on {word}", moved(on, memory, others)

    # --- all states ---

    def explore(self, most=2_000_000):
        """The number of states, and what is wrong with one: None, or a sentence and the steps that lead there."""
        begin = Thread(0, (), (), None, False, ())
        first = (tuple(sorted(self.memory.items())), tuple(self._local(program, begin) for program in self.programs))
        came_from, left = {first: None}, [first]
        while left:
            state = left.pop()
            any_next = False
            for told, after in self._next(state):
                any_next = True
                if isinstance(after, str):
                    return len(came_from), (after, [*self._way(came_from, state), told])
                if after not in came_from:
                    came_from[after] = (state, told)
                    left.append(after)
            if not any_next:
                why = self._end(state)
                if why:
                    return len(came_from), (why, self._way(came_from, state))
            if len(came_from) > most:
                raise MemoryError(f"more than {most} states")
        return len(came_from), None

    def _end(self, state):
        memory, threads = state
        for i, thread in enumerate(threads):
            if thread.asleep is not None:
                return f"{i} sleeps on {thread.asleep} for ever"
        return self.final(dict(memory))

    @staticmethod
    def _way(came_from, state):
        told = []
        while came_from[state]:
            state, step = came_from[state]
            told.append(step)
        return told[::-1]
