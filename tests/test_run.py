# SPDX-License-Identifier: GPL-2.0-only
"""A program's accesses performed by a device: presence, groups, answers, figures that add up.

The rules stand in csrc/api/trace/access.c. Model is the same rules once more, in Python and for one outstanding group,
where nothing depends on threads.
"""

import errno
import gzip
import io
import lzma
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import pytest

import iopf
from iopf.run import LostAnswers, TraceError, TraceRun, read_maps, read_trace, run_trace

SAMPLES = Path(iopf.__file__).parent / "samples"
TRACE, MAPS = SAMPLES / "perl.lackey.xz", SAMPLES / "perl.maps"
WINDOW = 256

#: pages 1 to 4 r-x, 5 to 8 r--, 9 to 12 rw-, 13 ---; 14 is a hole, 15 write-only
AREAS = [(1, 5, "rx"), (5, 9, "r"), (9, 13, "rw"), (13, 14, ""), (15, 16, "w")]
WANTS = {"I": "x", "L": "r", "S": "w", "M": "rw"}


def areas_space():
    space = iopf.AddressSpace()
    for start, end, perm in AREAS:
        space.map(start << 12, (end - start) << 12, perm)
    return space


def line(operation, page, offset=0, size=4):
    """A line of a trace."""
    space = "  " if operation == "I" else " "
    lead = "" if operation == "I" else " "
    return f"{lead}{operation}{space}{(page << 12) + offset:08x},{size}\n"


def perform(accesses, **options):
    """The result of ``(operation, page)`` accesses in AREAS, one group at a time unless the options say otherwise."""
    options = {"group": 1, "outstanding": 1, "workers": 0, **options}
    text = "".join(line(*access) for access in accesses)
    return run_trace(io.BytesIO(text.encode()), areas_space(), **options)


def adds_up(result, run=None):
    """Every request was answered exactly once, with the others of its group."""
    assert result.requests == result.success + result.invalid + result.failure + result.merged
    assert result.groups == result.success + result.invalid + result.failure
    assert result.latency.p50 <= result.latency.p99 <= result.latency.p999 <= result.latency.max
    return True


# --- one access ---


def test_an_access_to_an_absent_page_is_a_request_and_the_next_one_is_not(runtime):
    """SUCCESS makes the page present, for everything that its area allows."""
    result = perform([("L", 9), ("L", 9), ("S", 9), ("M", 9)], runtime=runtime)
    assert (4, 1, 1, 0, 0) == (result.accesses, result.requests, result.success, result.invalid, result.refused)
    assert 1 == result.present


@pytest.mark.parametrize(
    "operation, page, answer",
    [
        ("I", 1, "success"),
        ("I", 5, "invalid"),
        ("L", 5, "success"),
        ("S", 5, "invalid"),
        ("M", 5, "invalid"),
        ("M", 9, "success"),
        ("S", 15, "success"),
        ("M", 15, "invalid"),
        ("L", 13, "invalid"),
        ("L", 14, "invalid"),
    ],
)
def test_a_fetch_wants_execution_a_load_reading_a_store_writing_and_a_modify_both(operation, page, answer):
    """What the request wants follows from the operation, and the area decides."""
    result = perform([(operation, page)])
    assert {"success": 0, "invalid": 0, answer: 1} == {"success": result.success, "invalid": result.invalid}


def test_an_access_across_a_page_boundary_touches_both_pages():
    """It is one access and two requests; the last byte decides."""
    inside, across = perform([("L", 9, 4092, 4)]), perform([("L", 9, 4092, 5)])
    assert (1, 1) == (inside.accesses, inside.requests)
    assert (1, 2) == (across.accesses, across.requests)


def test_a_forbidden_access_is_a_request_each_time_while_the_page_is_absent():
    """INVALID does not make the page present, so every store asks."""
    result = perform([("S", 5)] * 4)
    assert (4, 4, 4) == (result.requests, result.invalid, result.refused)
    assert 0 == result.present


def test_a_forbidden_access_is_a_request_once_for_each_permission_while_the_page_is_present():
    """The page is there: asking again could change nothing."""
    result = perform([("L", 5)] + [("S", 5)] * 3 + [("M", 5)] * 3 + [("I", 5)] * 3)
    assert (1 + 3, 1, 3, 9) == (result.requests, result.success, result.invalid, result.refused)


def test_a_page_without_permissions_is_mapped_and_allows_nothing():
    """PROT_NONE: an area, so not a hole, and INVALID all the same."""
    result = perform([("L", 13), ("I", 13)])
    assert (2, 0) == (result.invalid, result.success)


# --- groups ---


def test_a_page_in_flight_is_not_requested_again():
    """The accesses wait for the page, and go on when it comes."""
    result = perform([("L", 9)] * 100 + [("L", 10)] * 100, group=8)
    assert (200, 2, 1, 1) == (result.accesses, result.requests, result.groups, result.merged)


def test_a_group_goes_out_when_it_is_full():
    """Eight pages in groups of three: 3 + 3 + 2."""
    result = perform([("L", page) for page in (1, 2, 3, 4, 5, 6, 7, 8)], group=3)
    assert (8, 3, 5) == (result.requests, result.groups, result.merged)


def test_a_group_goes_out_when_the_window_is_full_of_waiting_accesses():
    """The first page leaves after 256 more accesses to it; the second comes too late for its group."""
    window = perform([("L", 9)] * (WINDOW + 1) + [("L", 10)], group=8)
    one_less = perform([("L", 9)] * WINDOW + [("L", 10)], group=8)
    assert (2, 1) == (window.groups, one_less.groups)


def test_after_INVALID_for_several_pages_each_is_asked_once_more_alone():
    """One bad page spoils its group; alone, the good ones come."""
    result = perform([("L", 1), ("L", 14), ("L", 2)], group=3)
    assert (3 + 3, 1 + 3) == (result.requests, result.groups)
    assert (2, 2, 2, 1) == (result.success, result.invalid, result.present, result.refused)


def test_accesses_are_dealt_to_the_devices_in_turn():
    """Two devices put together a group each, of every other access."""
    accesses = [("L", page) for page in (1, 2, 3, 4)]
    assert 1 == perform(accesses, group=4).groups
    assert 2 == perform(accesses, group=4, devices=2).groups
    assert 4 == perform(accesses, group=4, devices=4).groups


def test_devices_share_the_pages_that_are_present():
    """They share the address space: what one has asked for the other finds."""
    assert 1 == perform([("L", 9), ("L", 9)], devices=2).requests


# --- memory pressure ---


def test_the_least_recently_used_page_is_dropped():
    """A B A C drops B: A costs no request afterwards, B does."""
    result = perform([("L", 9), ("L", 10), ("L", 9), ("L", 11), ("L", 9), ("L", 10)], resident=2)
    assert (4, 2, 2) == (result.requests, result.dropped, result.present)


def test_a_refused_access_is_no_use_of_the_page():
    """The store does not reach page 5, so that page stays the oldest."""
    accesses = [("L", 5), ("L", 9), ("S", 5), ("L", 10), ("L", 9)]
    assert 4 == perform(accesses, resident=2).requests


# --- against the model ---


class Model:
    """The rules for one outstanding group: every report is answered before anything else happens."""

    def __init__(self, group, devices, resident):
        self.group, self.resident = group, resident
        self.present = OrderedDict()  # page: oldest first
        self.in_flight, self.asked, self.resumes = set(), set(), set()
        self.waiting = defaultdict(deque)
        self.resumed, self.alone = deque(), deque()
        self.open = [[] for _ in range(devices)]
        self.nr_waiting = 0
        self.count = Counter(accesses=0, requests=0, groups=0, success=0, invalid=0, failure=0, refused=0, dropped=0)

    @staticmethod
    def allows(page, want):
        return any(start <= page < end and set(want) <= set(perm) for start, end, perm in AREAS)

    def report(self, requests):
        self.count["requests"] += len(requests)
        self.count["groups"] += 1
        success = all(self.allows(page, want) for page, want, _ in requests)
        self.count["success" if success else "invalid"] += 1
        if not success and len(requests) > 1:
            self.alone.extend(requests)
            return
        for page, _, _ in requests:
            if success:
                self.present[page] = None
                self.present.move_to_end(page)
                if self.resident and len(self.present) > self.resident:
                    self.present.popitem(last=False)
                    self.count["dropped"] += 1
            else:
                self.count["refused"] += 1
            self.resume(page)

    def resume(self, page):
        self.in_flight.discard(page)
        while self.waiting[page]:
            access = self.waiting[page].popleft()
            if self.judge(access) != "done":
                self.resumes.add(page)
                self.resumed.append(access)
                return
            self.nr_waiting -= 1

    def judge(self, access):
        page, want, _ = access
        if page in self.in_flight or page in self.resumes:
            return "wait"
        if page not in self.present:
            return "request"
        if self.allows(page, want):
            self.present.move_to_end(page)
        elif (page, want) not in self.asked:
            self.asked.add((page, want))
            return "request"
        else:
            self.count["refused"] += 1
        return "done"

    def request(self, access):
        page, _, device = access
        self.in_flight.add(page)
        self.open[device].append(access)
        if len(self.open[device]) == self.group:
            self.report_open(device)

    def report_open(self, device):
        requests, self.open[device] = self.open[device], []
        self.report(requests)

    def settle(self, everything=False):
        while True:
            if self.alone:
                self.report([self.alone.popleft()])
            elif self.resumed:
                access = self.resumed.popleft()
                self.nr_waiting -= 1
                self.resumes.discard(access[0])
                self.request(access)
            elif (everything or self.nr_waiting == WINDOW) and any(self.open):
                self.report_open(next(i for i, requests in enumerate(self.open) if requests))
            else:
                return

    def access(self, operation, page, offset, size):
        device = self.count["accesses"] % len(self.open)
        self.count["accesses"] += 1
        for touched in range(page, page + (offset + size - 1 >> 12) + 1):
            self.settle()
            access = (touched, WANTS[operation], device)
            verdict = self.judge(access)
            if verdict == "wait":
                self.waiting[touched].append(access)
                self.nr_waiting += 1
            elif verdict == "request":
                self.request(access)


def random_accesses(rng):
    pages = rng.sample(range(17), rng.randint(1, 17))
    operations = rng.choice(["ILSM", "L", "IL", "LS"])
    count = rng.choice([5, 50, 300, 1500])
    return [
        (rng.choice(operations), rng.choice(pages), *rng.choice([(0, 1), (8, 8), (4090, 16), (4092, 4)]))
        for _ in range(count)
    ]


def test_random_traces_give_what_the_model_says(seed, runtime):
    """Every figure of 250 random traces with random settings, one outstanding group."""
    rng = random.Random(seed)
    for number in range(250):
        accesses = random_accesses(rng)
        group, devices = rng.choice([1, 2, 3, 8, 512]), rng.randint(1, 3)
        resident = rng.choice([None, 1, 2, 3, 6, 12])
        workers = rng.choice([0, 0, 1, 2])
        model = Model(group, devices, resident)
        for access in accesses:
            model.access(*access)
        model.settle(everything=True)
        result = perform(
            accesses,
            group=group,
            devices=devices,
            resident=resident,
            workers=workers,
            runtime=runtime,
            outstanding=1 if workers else rng.choice([1, 5]),
        )
        found = {name: getattr(result, name) for name in model.count}
        settings = {"group": group, "devices": devices, "resident": resident, "workers": workers}
        assert dict(model.count) == found, f"trace {number} of --seed={seed}, {settings}"
        assert len(model.present) == result.present
        assert adds_up(result)


# --- the sample ---


@pytest.fixture(scope="module")
def sample():
    """The first 400,000 lines of the recorded program, and its address space."""
    text = b""
    for piece in read_trace(TRACE):
        text += piece
        if text.count(b"\n") > 400_000:
            break
    lines = text.splitlines(keepends=True)[:400_000]
    return b"".join(lines), read_maps(MAPS)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resident": 16},
        {"resident": 1, "group": 1, "outstanding": 4096},
        {"resident": 7, "group": 512, "outstanding": 3},
        {"resident": 32, "group": 4, "devices": 5, "workers": 4},
        {"resident": 16, "devices": 256, "outstanding": 2},
        {"resident": 24, "workers": 0, "outstanding": 64},
        {"resident": 12, "workers": 3, "group": 1, "outstanding": 2},
    ],
    ids=str,
)
@pytest.mark.threads
def test_the_figures_add_up(sample, runtime, options):
    """Each group has one answer and one latency, and nothing came that nobody had asked for."""
    text, space = sample
    with TraceRun(space, runtime=runtime, **options) as run:
        run.feed(text)
        run._call(run._runtime.lib.iopf_trace_finish)
        counts = run._counts()
        assert (counts.groups, 0, 0) == (counts.latencies, counts.strays, counts.unanswered)
        result = run.finish()
    assert adds_up(result)
    assert (text.count(b"\nI ") + text.count(b"\n "), 0) == (result.accesses, result.malformed)
    if "resident" in options:
        assert result.present <= options["resident"]
        # Made present by a request, or by that of its group: dropped, or still there.
        assert result.present + result.dropped <= result.requests


@pytest.mark.threads
def test_every_core_resolves_the_sample(sample):
    """The drivers' contract is kept here, so every form of the history answers each group once."""
    text, space = sample
    for core in iopf.cores():
        with TraceRun(space, core=core, resident=3, group=1) as run:
            run.feed(text[text.index(b"\n", 3 * len(text) // 4) + 1 :])
            result = run.finish()
        assert adds_up(result), core
        assert result.success > 1000, core


def test_the_whole_sample_makes_a_hundred_thousand_faults():
    """The run of the README, on six million accesses."""
    result = run_trace(TRACE, MAPS, resident=16)
    assert result.requests >= 100_000
    assert (5_972_248, 0) == (result.accesses, result.malformed)
    assert adds_up(result) and result.complete


def test_a_million_accesses_take_less_than_python_needs_to_count_so_many_times_ten(sample, in_some_round, counting):
    """Of processor time, so that neither the load of the machine nor its speed counts."""
    text, space = sample

    def follow():
        million = counting()
        begin = time.process_time()
        with TraceRun(space, resident=32) as run:
            for _ in range(3):
                run.feed(text)
            result = run.finish()
        assert result.accesses > 1_000_000
        return (time.process_time() - begin) / million

    in_some_round(follow, 10)


def test_memory_does_not_grow_with_the_trace():
    """Five times as many accesses, all to new pages: the resident set of the process stays as it is."""
    program = textwrap.dedent("""
        import resource, iopf
        from iopf.run import TraceRun
        space = iopf.AddressSpace()
        space.map(0x1000_0000, 1 << 36, "rw")
        def run(count):
            with TraceRun(space, resident=64, group=4) as run:
                for first in range(0, count, 10_000):
                    lines = (f" L {0x1000_0000 + (i << 12):08x},8" for i in range(first, first + 10_000))
                    run.feed("\\n".join(lines).encode() + b"\\n")
                assert run.finish().requests == count
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(run(40_000), run(200_000))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    short, long = map(int, done.stdout.split())
    assert long - short < 4096, f"{short} KiB, then {long} KiB"


# --- lines ---


def counted(text, **options):
    with TraceRun(areas_space(), workers=0, **options) as run:
        run.feed(text)
        return run.finish()


def test_lines_may_be_cut_anywhere(sample):
    """Fed byte by byte, in odd pieces or at once: the same figures."""
    text, space = sample
    text = text[:60_000].rpartition(b"\n")[0] + b"\n==1== end\nrubbish\n L 04016a00,3"
    results = []
    for step in (len(text), 1, 7, 4099):
        with TraceRun(space, workers=0, resident=8) as run:
            for start in range(0, len(text), step):
                run.feed(text[start : start + step])
            results.append(run.finish())
    figures = [{**result.as_dict(), "seconds": 0, "faults_per_second": 0, "latency_ns": 0} for result in results]
    assert [figures[0]] * 4 == figures
    assert 1 == results[0].malformed


@pytest.mark.parametrize(
    "text",
    [
        b"x 1000,4\n",
        b"I\n",
        b"I 1000\n",
        b" L ,4\n",
        b" L 1000,\n",
        b" L 1000,0\n",
        b" L 1000,x\n",
        b" L 1000,4 more\n",
        b" L 10000000000000000,4\n",
        b" L ffffffffffffffff,2\n",
        b" L 1000,65537\n",
        b" L 1000,99999999999999999999\n",
        b" L 0x1000,4\n",
        b"L1000,4\n",
        b" L -1000,4\n",
        b" L " + b" " * 200 + b"1000,4\n",
        b"\0\n",
        b" \xff\n",
        b"=1= x\n",
        b"==x== x\n",
        b"== \n",
        b"-1-- x\n",
        b" LL 1000,4\n",
        b"x" * 300 + b"\n",
    ],
)
def test_a_line_that_is_no_access_is_malformed(text):
    """It is counted and shown with its number; the lines around it count as ever."""
    good = line("L", 9).encode()
    for chunks in ([good + text + good], [good, text[:3], text[3:], good]):
        with TraceRun(areas_space(), workers=0) as run:
            for chunk in chunks:
                run.feed(chunk)
            result = run.finish()
        assert (2, 1) == (result.accesses, result.malformed)
        number, shown = result.malformed_lines[0]
        assert 2 == number
        assert text.decode(errors="replace").rstrip("\n").partition("\0")[0].startswith(shown[:90])


@pytest.mark.parametrize(
    "text", [b"\n", b"   \n", b"\r\n", b"==1== text\n", b"--123-- text\n", b"**9** x\n", b"==1==\n"]
)
def test_valgrinds_own_lines_and_empty_ones_are_skipped(text):
    """They are neither accesses nor malformed."""
    result = counted(line("L", 9).encode() + text)
    assert (1, 0) == (result.accesses, result.malformed)


@pytest.mark.parametrize(
    "text",
    [
        b"I  00009000,4\n",
        b" L 9000,4\n",
        b" S 0000000000009000,4\r\n",
        b"M  9fFf,1\n",
        b" L 9000,4",
        b" L fffffffffffff000,4096\n",
        b" L 9000,65536\n",
    ],
)
def test_a_line_as_lackey_prints_it_is_an_access(text):
    """Also with upper-case digits, with a carriage return, and as the last one without a newline."""
    result = counted(text)
    assert (1, 0) == (result.accesses, result.malformed)


def test_the_first_malformed_lines_are_kept_with_their_numbers():
    """Three of them are enough to see what is wrong."""
    result = counted(b"a\n" + line("L", 9).encode() + b"==1== x\nb\nc\nd\n")
    assert (4, ((1, "a"), (4, "b"), (5, "c"))) == (result.malformed, result.malformed_lines)


# --- files ---


@pytest.mark.parametrize("pack", [bytes, lzma.compress, gzip.compress], ids=["plain", "xz", "gz"])
def test_a_trace_is_unpacked_by_what_it_begins_with(tmp_path, pack):
    """The name does not matter, nor whether it is a path or an open file."""
    text = (line("L", 9) + line("L", 10)).encode()
    path = tmp_path / "trace"
    path.write_bytes(pack(text))
    assert 2 == run_trace(path, areas_space()).requests
    assert 2 == run_trace(str(path), areas_space()).requests
    with open(path, "rb") as file:
        assert 2 == run_trace(file, areas_space()).requests


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-20], lambda packed: packed[:40] + b"\xff" * 8 + packed[48:], lambda packed: packed[:7]],
)
@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress], ids=["xz", "gz"])
def test_a_damaged_trace_is_a_trace_error(tmp_path, pack, damage):
    """In one line that names the file."""
    rng = random.Random(1)
    text = "".join(line("L", rng.randrange(1, 13), rng.randrange(4000)) for _ in range(500)).encode()
    path = tmp_path / "trace"
    path.write_bytes(damage(pack(text)))
    with pytest.raises(TraceError, match=r"trace: damaged compressed file: ") as caught:
        run_trace(path, areas_space())
    assert "\n" not in str(caught.value)


def test_a_trace_without_accesses_is_a_trace_error():
    """Of whatever kind its lines are."""
    with pytest.raises(TraceError, match=r"no line is an access.*line 1 is 'MZ'"):
        run_trace(io.BytesIO(b"MZ\n"), areas_space())
    with pytest.raises(TraceError, match="no line is an access"):
        run_trace(io.BytesIO(b""), areas_space())


def test_maps_become_areas():
    """Paths with spaces, adjacent areas, the kernel's pages, areas that allow nothing, a line that came twice."""
    text = """\
00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/a program (deleted)
00452000-00453000 ---p 00000000 00:00 0
00453000-00454000 rw-s 00000000 00:00 0

00453000-00454000 rw-s 00000000 00:00 0
7ffc0000-7ffd0000 rwxp 00000000 00:00 0  [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""
    areas = [(area.start, area.end, area.perm) for area in read_maps(io.StringIO(text)).areas]
    r, w, x = iopf.Perm.READ, iopf.Perm.WRITE, iopf.Perm.EXEC
    assert [
        (0x400000, 0x452000, r | x),
        (0x452000, 0x453000, iopf.Perm(0)),
        (0x453000, 0x454000, r | w),
        (0x7FFC0000, 0x7FFD0000, r | w | x),
        (0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, x),
    ] == areas


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no areas"),
        ("\n\n", "no areas"),
        ("rubbish\n", "line 1: not a line of /proc/PID/maps: 'rubbish'"),
        ("1000-2000 r--p 0\n1000-2000 q--p 0\n", "line 2: not a line"),
        ("1000-2000 r--p 0\n1800-3000 r--p 0\n", "line 2: .* whole pages"),
        ("1000-3000 r--p 0\n2000-4000 r--p 0\n", "line 2: 2000-4000 overlaps"),
        ("2000-1000 r--p 0\n", "whole pages"),
        ("fffffffffffff000-0 r--p 0\n", "whole pages"),
        ("1000-2000", "not a line"),
    ],
)
def test_maps_that_cannot_be_used_are_a_trace_error(text, message):
    """In one line that says where."""
    with pytest.raises(TraceError, match=message):
        read_maps(io.StringIO(text))


def test_files_that_are_not_there_are_a_trace_error(tmp_path):
    """With the name and the reason."""
    with pytest.raises(TraceError, match="none: No such file"):
        run_trace(tmp_path / "none", areas_space())
    with pytest.raises(TraceError, match="none: No such file"):
        run_trace(TRACE, tmp_path / "none")
    with pytest.raises(TraceError, match="Is a directory"):
        run_trace(tmp_path, areas_space())


# --- the run as an object ---


@pytest.mark.parametrize(
    "options",
    [
        {"group": 0},
        {"group": 513},
        {"outstanding": 0},
        {"outstanding": 4097},
        {"devices": 0},
        {"devices": 257},
        {"workers": -1},
        {"workers": 257},
        {"resident": 0},
        {"core": "none"},
        {"runtime": "none"},
    ],
    ids=str,
)
def test_options_out_of_range_are_value_errors(options):
    """The message names the option."""
    with pytest.raises(ValueError, match="none" if "none" in options.values() else next(iter(options))):
        TraceRun(areas_space(), **options)


def test_a_run_that_is_over_keeps_its_figures(runtime):
    """Feeding it is an error that says so; stopping twice is fine."""
    run = TraceRun(areas_space(), runtime=runtime)
    assert "running" in repr(run)
    run.feed(line("L", 9).encode())
    result = run.finish()
    assert "finished" in repr(run)
    run.stop()
    assert result == run.result()
    with pytest.raises(iopf.IopfError) as caught:
        run.feed(b"")
    assert errno.EBADF == caught.value.errno


def test_a_run_that_is_stopped_has_partial_figures(runtime):
    """What was reported is answered; what was still being put together was never asked for."""
    with TraceRun(areas_space(), group=4, runtime=runtime) as run:
        run.feed("".join(line("L", page) for page in (1, 2, 3, 4, 5, 6)).encode())
    result = run.result()
    assert (4, 1, False) == (result.requests, result.groups, result.complete)
    assert adds_up(result)
    assert "stopped" in repr(run)


def test_a_run_that_is_forgotten_leaves_nothing(runtime):
    """Collected in the middle: the fixture finds no live object."""
    run = TraceRun(areas_space(), runtime=runtime)
    run.feed(line("L", 9).encode())
    del run


def test_a_run_that_is_collected_after_its_queue_leaves_nothing(runtime):
    """In a cycle the order is the collector's: here the queue is closed first."""
    run = TraceRun(areas_space(), runtime=runtime, group=1, workers=0)
    run.feed("".join(line("L", page) for page in range(1, 9)).encode())
    run._queue.close()
    with pytest.raises(iopf.IopfError):
        run.feed(b" L 1000,4\n")
    run.stop()
    assert 8 == run.result().groups
    assert adds_up(run.result())


def test_a_run_at_the_end_of_the_interpreter_is_stopped():
    """Nobody finished it, and it is in a cycle: no crash, no complaint."""
    program = textwrap.dedent("""
        import iopf
        from iopf.run import TraceRun
        space = iopf.AddressSpace()
        space.map(0x1000, 0x10000, "rw")
        run = TraceRun(space, group=1)
        run._queue.run = run
        run.feed(b" L 1000,4\\n L 2000,4\\n" * 1000)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.threads
def test_an_interrupt_ends_the_run_within_a_moment(runtime):
    """The loop in C asks every 50 ms. Figures are partial, and add up."""
    accesses = (line("L", 9) + line("L", 10)).encode() * 3_000_000

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with TraceRun(areas_space(), group=1, outstanding=1, resident=1, runtime=runtime) as run:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                run.feed(accesses)
    finally:
        signal.signal(signal.SIGALRM, before)
    result = run.result()
    assert 0 < result.accesses < 6_000_000
    assert adds_up(result) and not result.complete


def test_every_allocation_may_fail(lib, runtime):
    """A lost last request is a FAILURE, a lost partial one ends the run; either way nothing is left behind."""
    accesses = "".join(line("L", page) for page in range(1, 13)).encode()
    seen = set()
    for nth in range(1, 200):
        with TraceRun(areas_space(), group=3, workers=0, runtime=runtime) as run:
            lib.iopf_fail_nth(nth)
            try:
                run.feed(accesses)
                result = run.finish()
                seen.add("failure" if result.failure else "fine")
                assert adds_up(result)
            except MemoryError:
                seen.add("no memory")
            fired = lib.iopf_fail_nth_left() == 0
            lib.iopf_fail_nth(0)
        assert adds_up(run.result())
        if not fired:
            break
    assert {"failure", "no memory", "fine"} == seen
    assert not fired


RESPOND = "\tops->page_response(fp->dev, last, &resp);\n\tlist_del_init(&group->pending_node);"


@pytest.fixture
def mutant(tmp_path, monkeypatch):
    """``mutant(call)``: the newest kernel form with another call in the place of its page_response."""
    if not any(map(shutil.which, ("gcc", "cc", "clang"))):
        pytest.skip("no compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LD_PRELOAD", raising=False)  # not into the compiler
    text = (Path(__file__).parent / "kernel_files" / "form-j.c").read_text()
    assert 1 == text.count(RESPOND)

    def mutant(call):
        path = tmp_path / "io-pgfault.c"
        path.write_text(text.replace(RESPOND, RESPOND.replace("ops->page_response(fp->dev, last, &resp)", call)))
        return iopf.Core.from_source(path, name="mutant")

    return mutant


def test_answers_that_never_come_are_reported(mutant, runtime):
    """A core that forgets one of them: the run says so when the queue is idle, instead of waiting for ever."""
    core = mutant("if (resp.grpid != 2) ops->page_response(fp->dev, last, &resp)")
    with TraceRun(areas_space(), group=1, core=core, runtime=runtime) as run:
        with pytest.raises(LostAnswers, match="will not answer 1 groups any more"):
            run.feed("".join(line("L", page) for page in range(1, 9)).encode())
            run.finish()
    assert 8 == run.result().groups


def test_answers_that_come_twice_are_reported(mutant, runtime):
    """The device counts what it did not ask for."""
    call = "ops->page_response(fp->dev, last, &resp), ops->page_response(fp->dev, last, &resp)"
    with TraceRun(areas_space(), group=1, outstanding=1, core=mutant(call), runtime=runtime) as run:
        run.feed("".join(line("L", page) for page in range(1, 9)).encode())
        with pytest.raises(LostAnswers, match="8 responses to what was not outstanding"):
            run.finish()
    assert adds_up(run.result())
