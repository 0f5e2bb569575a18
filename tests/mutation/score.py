#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The scores: how many mutants the scenario library finds by itself, and how many it finds with the suite.

    python tests/mutation/score.py [--suite] [--file NAME] [--operator NAME] [--every N] [--jobs N] [--record FILE]
    python tests/mutation/score.py --survivors          only those that lived when the record was made

A mutant is killed by the library when some scenario fails otherwise than it does on the unchanged file: by what ``iopf
check`` finds (README.md says what counts). It is killed by the suite when, besides, one of tests/explore/core_scenarios.py
does. Mutants that do not compile
do not count. One whose object is that of the unchanged file, or of another mutant, byte for byte, is the same code.
What lives is looked at again: is the -O2 object without the explorer's hooks the same; does any scenario come by the
place (a crash is put there); if one does, it is not judged, or equivalent by an argument in reasons.py.
"""

import argparse
import functools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generator  # noqa: E402
import targets  # noqa: E402
from reasons import REASONS  # noqa: E402

HERE = Path(__file__).resolve().parent
#: Weaker orders may be the same instructions on one machine, and are not the same code.
ORDERED = {"order"}
#: So many are compiled, and then explored.
WINDOW = 48


class State:
    """What the processes of the pool know: they are forked from one that has it."""

    home = None
    #: by file: what the scenarios say about the unchanged file
    base = {}
    library = {}
    suite = {}


def _place(mutant):
    return Path(State.home) / f"{mutant.file}-{abs(hash(mutant.id))}"


def _compile(mutant):
    text = mutant.edit.apply(targets.text_of(mutant.file))
    return targets.compile_text(mutant.file, text, _place(mutant))


def _explore(job):
    mutant, built, suite = job
    base = State.base[mutant.file]
    outcome = targets.judge(built.library, State.library, base)
    if outcome[0] == "lives":
        outcome = targets.judge(built.library, State.library, base, thorough=True)
    by = "library"
    if suite and outcome[0] == "lives":
        outcome, by = targets.judge(built.library, State.suite, base), "suite"
    if outcome[0] == "lives":
        return "lives", by, "", "; ".join(outcome[2])
    return outcome[0], by, outcome[1], ", ".join(outcome[2])


@functools.cache
def _plain_code(file):
    """The unchanged file at -O2, without the explorer's hooks."""
    return targets.compile_text(
        file, targets.text_of(file), Path(State.home) / f"o2-{file}", runtime="native", link=False
    ).code


def _why(mutant):
    """The reason that can be found without thinking."""
    text = targets.text_of(mutant.file)
    if mutant.id in REASONS:
        return REASONS[mutant.id][0]
    if mutant.operator not in ORDERED:
        made = targets.compile_text(
            mutant.file, mutant.edit.apply(text), f"{_place(mutant)}-o2", runtime="native", link=False
        )
        if made.code == _plain_code(mutant.file):
            return "equivalent: the same code at -O2"
    built = targets.compile_text(mutant.file, generator.probe(mutant, text), f"{_place(mutant)}-probe")
    if built.library is None:
        return "not judged (no probe)"
    outcome = targets.judge(built.library, State.library | State.suite, {})
    return "unreached" if outcome[0] == "lives" else "not judged"


def chosen(arguments):
    """The mutants that the options name."""
    files = arguments.file or targets.FILES
    found = [
        mutant
        for file in files
        for mutant in targets.mutants_of(file, arguments.needless)
        if not arguments.operator or mutant.operator in arguments.operator
    ]
    if arguments.mutant:
        found = [mutant for mutant in found if mutant.id in arguments.mutant]
    if arguments.survivors:
        lived = {row["id"] for row in json.loads((HERE / "survivors.json").read_text())}
        found = [mutant for mutant in found if mutant.id in lived]
    return found[arguments.begin :: arguments.every]


def _run_side(rows, by_id, most, home, took):
    """Runs the fast tests of the run side on so many of what lives, spread over all of it."""
    import native_mutants

    builder = native_mutants.Builder(home / "native")
    unchanged = native_mutants.test_run_side(builder.with_core("unchanged", "", ""))
    if unchanged[0] != "passes":
        raise RuntimeError(f"the run side's tests do not pass on the unchanged core: {' '.join(unchanged)}")
    for number, row in enumerate(rows[:: max(1, len(rows) // most)][:most]):
        mutant = by_id[row["id"]]
        path = builder.with_core(str(number), mutant.file, mutant.edit.apply(targets.text_of(mutant.file)))
        how, where = native_mutants.test_run_side(path)
        shutil.rmtree(path.parent, ignore_errors=True)
        row["run side"] = how
        if how != "passes":
            row.update(outcome="killed", by="suite", where="run side", how=where.rpartition("/")[2])
        if took:
            took(row)


def run(mutants, jobs=1, suite=False, progress=None, took=None, run_side=0, ask_why=True):
    """Rows for the mutants: id, file, function, operator, what, outcome, by, where, how. ``took`` gets each as it comes."""
    with tempfile.TemporaryDirectory(prefix="iopf-mutants-") as home:
        State.home = home
        State.library, State.suite = targets.library_scenarios(), targets.suite_scenarios() if suite else {}
        codes = {}
        whole = {}  # files of one core have one unchanged core
        for file in dict.fromkeys(mutant.file for mutant in mutants):
            core = file if file.startswith("form-") else "io-pgfault.c"
            if core not in whole:
                built = targets.compile_text(core, targets.text_of(core), Path(home) / f"base-{core}")
                if built.library is None:
                    raise RuntimeError(f"{core} does not compile: {built.why}")
                whole[core] = built.code, targets.base_of(built.library, State.library | State.suite)
            State.base[file] = whole[core][1]
            codes[file, whole[core][0]] = "the unchanged file"
        rows = []
        with multiprocessing.get_context("fork").Pool(jobs) as pool:

            def judged():
                for begin in range(0, len(mutants), WINDOW):
                    window, waiting = mutants[begin : begin + WINDOW], []
                    for mutant, built in zip(window, pool.imap(_compile, window)):
                        key = mutant.file, built.code
                        if built.code is None:
                            yield mutant, ("uncompiled", "", "", built.why)
                        elif key in codes:
                            yield mutant, ("same", "", codes[key], "")
                        else:
                            codes[key] = mutant.id
                            waiting.append((mutant, built, suite))
                    for job, outcome in zip(waiting, pool.imap(_explore, waiting)):
                        shutil.rmtree(_place(job[0]), ignore_errors=True)
                        yield job[0], outcome
                    if progress:
                        progress(begin + len(window), len(mutants))

            for mutant, (outcome, by, where, how) in judged():
                rows.append({"id": mutant.id, "file": mutant.file, "function": mutant.function, "operator": mutant.operator,
                             "what": mutant.edit.what, "outcome": outcome, "by": by, "where": where, "how": how})  # fmt: skip
                if took:
                    took(rows[-1])
            by_id = {mutant.id: mutant for mutant in mutants}
            if run_side:
                lives = [row for row in rows if row["outcome"] == "lives" and row["id"] not in REASONS]
                _run_side(
                    [row for row in lives if not row["file"].startswith("form-")], by_id, run_side, Path(home), took
                )
            # Why does it live? That needs two more cores for each.
            lived = [row for row in rows if row["outcome"] == "lives"] if ask_why else []
            for row, why in zip(lived, pool.imap(_why, [by_id[row["id"]] for row in lived])):
                row["where"] = why
                if took:
                    took(row)
    order = {mutant.id: number for number, mutant in enumerate(mutants)}
    return sorted(rows, key=lambda row: order[row["id"]])


# --- tables ---


def counts(rows):
    """What a table's line has, of these rows."""
    found = Counter(row["outcome"] for row in rows)
    lives = [row for row in rows if row["outcome"] == "lives"]
    unchanged = sum(row["outcome"] == "same" and row["where"] == "the unchanged file" for row in rows)
    argued = sum(row["where"].startswith("equivalent") for row in lives)
    found["library"] = sum(row["outcome"] in ("killed", "driver") and row["by"] == "library" for row in rows)
    found["suite"] = sum(row["outcome"] in ("killed", "driver") and row["by"] == "suite" for row in rows)
    found["distinct"] = found["library"] + found["suite"] + len(lives) + unchanged
    found["equivalent"] = unchanged + argued
    found["live"] = len(lives) - argued
    found["unreached"] = sum(row["where"] == "unreached" for row in lives)
    found["nobody looked"] = sum(not row["where"] for row in lives)
    found["not judged"] = found["live"] - found["unreached"] - found["nobody looked"]
    found["twins"] = found["same"] - unchanged
    return found


def _percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def table(rows, by):
    """A table in Markdown: a line for each value of ``by``, and one for all."""
    groups = defaultdict(list)
    for row in rows:
        groups[row[by]].append(row)
    lines = [
        f"| {by} | mutants | library | suite besides | live: unreached | live: not judged | live: nobody looked why"
        " | equivalent | library, raw | library | library and suite |",
        "|---|" + "---:|" * 10,
    ]
    for name, some in [*sorted(groups.items()), ("all", rows)]:
        c = counts(some)
        real = c["distinct"] - c["equivalent"]
        lines.append(
            f"| {name} | {c['distinct']} | {c['library']} | {c['suite']} | {c['unreached']} | {c['not judged']} |"
            f" {c['nobody looked']} | {c['equivalent']} | {_percent(c['library'], c['distinct'])} | {_percent(c['library'], real)} |"
            f" {_percent(c['library'] + c['suite'], real)} |"
        )
    return "\n".join(lines)


def survivors(rows):
    """What lives, by reason and function, in Markdown."""
    groups = defaultdict(list)
    for row in rows:
        if row["outcome"] == "lives":
            groups[row["where"] or "nobody looked why"].append(row)
    lines = []
    for reason, some in sorted(groups.items()):
        lines += [f"## {reason}: {len(some)}", "", *(
            f"- `{row['id']}` {row['what'].replace('|', chr(92) + '|')}"
            + (f" — {REASONS[row['id']][1]}" if row["id"] in REASONS else "") + (f" ({row['how']})" if row["how"] else "")
            for row in some), ""]  # fmt: skip
    return "\n".join(lines)


def alive(rows):
    """Id and reason of all that lives: of what is the same object as such a one, too, which a sample may meet without it."""
    lives = {row["id"] for row in rows if row["outcome"] == "lives"}
    return [
        {"id": row["id"], "reason": row["where"] if row["id"] in lives else f"the same object as {row['where']}"}
        for row in rows
        if row["id"] in lives or row["outcome"] == "same" and row["where"] in lives
    ]


def report(rows, command):
    """The record: both tables."""
    c = counts(rows)
    unmade = sum(len(targets.mutants_of(file, True)) for file in {row["file"] for row in rows})
    return "\n".join(
        [
            "# Mutants and who finds them",
            "",
            f"Made by `{command}`. {len(rows)} edits: {c['uncompiled']} do not compile, {c['twins']} are the same object as another"
            f' mutant, {c["distinct"]} are left. "library" is what `iopf check` finds; the last two columns are without what is'
            f" equivalent. SURVIVORS.md lists what lives. {unmade} more edits of these files are none of them: nobody could see"
            " them, by the rules of needless.py.",
            "",
            table(rows, "file"),
            "",
            table(rows, "operator"),
            "",
            f"Found only with the driver's contract broken: {sum(row['outcome'] == 'driver' for row in rows)}. Found only by a"
            " failure's signature, where the unchanged file fails by the same kind:"
            f" {sum(row['outcome'] in ('killed', 'driver') and row['how'].endswith('signature') for row in rows)}. The tests of the run side were run on"
            f" {sum('run side' in row for row in rows)} that lived, and found"
            f" {sum(row.get('run side', 'passes') != 'passes' for row in rows)} of them.",
            "",
        ]
    )


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", action="store_true", help="the library alone (what is done without --suite)")
    parser.add_argument("--suite", action="store_true", help="the scenarios of the explorer's tests, too")
    parser.add_argument(
        "--run-side",
        type=int,
        default=0,
        metavar="N",
        help="the tests of the run side on N of what lives: half a minute of CPU each",
    )
    parser.add_argument("--file", action="append", choices=targets.FILES, help="only this file (may be repeated)")
    parser.add_argument("--operator", action="append", help="only this operator (may be repeated)")
    parser.add_argument("--mutant", action="append", metavar="ID", help="only this one (may be repeated)")
    parser.add_argument("--quiet", action="store_true", help="no tables")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th")
    parser.add_argument("--begin", type=int, default=0, metavar="K", help="the first of every N-th")
    parser.add_argument("--survivors", action="store_true", help="only those of survivors.json")
    parser.add_argument(
        "--needless", action="store_true", help="the edits that are not made since nobody could see them, instead"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--no-why", action="store_true", help="do not look why something lives")
    parser.add_argument("--list", action="store_true", help="list the mutants and end")
    parser.add_argument("--show", metavar="ID", help="the diff of a mutant")
    parser.add_argument("--rows", metavar="FILE", help="append every row, one JSON object a line")
    parser.add_argument(
        "--from-rows",
        metavar="FILE",
        help="run nothing: the tables of what --rows wrote, with the arguments of reasons.py as they are now",
    )
    parser.add_argument("--command", help="with --from-rows: the command that wrote them")
    parser.add_argument(
        "--record", action="store_true", help="write SCORE.md, SURVIVORS.md and survivors.json beside this file"
    )
    arguments = parser.parse_args()
    if arguments.needless and arguments.record:
        parser.error("--record is about the mutants that are made: leave out --needless")
    if arguments.show:
        import difflib

        mutant = next(
            each
            for file in targets.FILES
            for each in targets.mutants_of(file, arguments.needless)
            if each.id == arguments.show
        )
        text = targets.text_of(mutant.file)
        print(
            "".join(
                difflib.unified_diff(
                    text.splitlines(True), mutant.edit.apply(text).splitlines(True), mutant.file, mutant.id
                )
            )
        )
        return 0
    mutants = chosen(arguments)
    if arguments.list:
        print("\n".join(f"{mutant.id}  {mutant.edit.what}" for mutant in mutants))
        return 0
    if not mutants:
        print("no such mutants", file=sys.stderr)
        return 2

    def progress(done, total):
        print(f"{done} of {total}", file=sys.stderr, flush=True)

    if arguments.from_rows:
        rows = list(
            {row["id"]: row for row in map(json.loads, Path(arguments.from_rows).read_text().splitlines())}.values()
        )
        for row in rows:
            if row["outcome"] == "lives" and row["id"] in REASONS:
                row["where"] = REASONS[row["id"]][0]
    else:
        with open(arguments.rows or os.devnull, "a") as kept:

            def took(row):
                kept.write(json.dumps(row) + "\n")
                kept.flush()

            rows = run(
                mutants,
                arguments.jobs,
                arguments.suite,
                None if arguments.quiet else progress,
                took,
                arguments.run_side,
                not arguments.no_why,
            )
    given = [each for each in sys.argv[1:] if each != "--record"]
    command = arguments.command or " ".join(["python tests/mutation/score.py", *given])
    text = report(rows, command)
    wrong = [row["id"] for row in rows if row["id"] in REASONS and row["outcome"] in ("killed", "driver")]
    for name in wrong:
        print(f"{name} is argued to be equivalent in reasons.py, and is found", file=sys.stderr)
    if arguments.quiet:
        return int(bool(wrong))
    print(text)
    if arguments.record:
        (HERE / "SCORE.md").write_text(text)
        (HERE / "SURVIVORS.md").write_text(f"# What lives, and why\n\nMade by `{command}`.\n\n{survivors(rows)}")
        kept = alive(rows)
        (HERE / "survivors.json").write_text(json.dumps(kept, indent=0) + "\n")
    else:
        print(survivors(rows))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
