# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue of defects: each is found with its exact kind, and ours, and the revision that cured it, do not have it."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from iopf import catalogue, scenarios
from iopf.catalogue import CATALOGUE

README = Path(__file__).resolve().parent.parent / "csrc" / "history" / "README.md"


@pytest.fixture(scope="module")
def results():
    """The explored cells that the catalogue needs, by scenario and core."""
    pairs = {
        (defect.scenario, core)
        for defect in CATALOGUE
        for core in (defect.core, "iopf", defect.fixed_by)
        if core is not None
    }
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count() or 1, context) as pool:
        return catalogue._results(pairs, pool)


@pytest.mark.parametrize("defect", CATALOGUE, ids=[defect.id for defect in CATALOGUE])
def test_a_defect_is_found_with_its_kind_and_contract(defect, results):
    """In result.failures, with the message that tells it from others, kept or broken as the catalogue says."""
    result = results[defect.scenario, defect.core]
    failure = defect.shown(result)
    assert failure is not None, [(other.kind, other.message) for other in result.failures]
    assert (defect.kind, defect.contract) == (failure.kind, failure.contract)
    assert ("broken" == defect.contract) == bool(failure.clauses)
    assert failure.token.startswith("iopf")


@pytest.mark.parametrize("scenario", sorted({defect.scenario for defect in CATALOGUE}))
def test_the_default_core_passes_where_others_fail(scenario, results):
    """Exhaustively: every class was executed, and none fails."""
    result = results[scenario, "iopf"]
    assert ("pass", ()) == (result.verdict, result.failures), result.failure or result


@pytest.mark.parametrize(
    "defect",
    [defect for defect in CATALOGUE if defect.fixed_by],
    ids=[f"{defect.id} in {defect.fixed_by}" for defect in CATALOGUE if defect.fixed_by],
)
def test_a_cured_defect_is_gone(defect, results):
    """The core that is said to be clean since does not show it, in a search that came to its end."""
    result = results[defect.scenario, defect.fixed_by]
    assert None is defect.shown(result)
    assert "inconclusive" != result.verdict, result
    assert result.exhausted


def test_what_the_catalogue_has_to_have_is_there():
    """The defects that this project is about, by core and kind."""
    known = {(defect.core, defect.kind) for defect in CATALOGUE}
    assert known >= {
        ("locking", "deadlock"),
        ("lkml-v8", "wrong-response"),
        ("lkml-v8", "lost-response"),
        ("lkml-v8", "unexpected-return"),
        ("refcount", "use-after-free"),
        ("remove-void", "use-after-free"),
        ("v6.9", "use-after-free"),
        ("v6.14", "use-after-free"),
        ("v6.14", "invalid-free"),
        ("v7.2", "use-after-free"),
        ("v7.2", "late-response"),
        ("v7.2", "double-response"),
        ("v5.14", "deadlock"),
    }
    stale = {defect.core for defect in CATALOGUE if defect.id.endswith("stale partials")}
    assert {"remove-void", "track-group", "void-response", "v6.9", "6.10.y", "v6.11", "v6.12", "v6.14", "v7.2"} == stale
    freed = {defect.core for defect in CATALOGUE if defect.scenario == "free-queue-pending" and defect.kind != "leak"}
    assert {"v6.14", "v7.2"} == freed
    assert any("CVE-2025-38594" in defect.reported for defect in CATALOGUE)
    assert len(CATALOGUE) == len({defect.id for defect in CATALOGUE})
    assert {defect.scenario for defect in CATALOGUE} <= set(scenarios.names())


def test_the_readme_of_the_history_is_what_the_catalogue_says():
    """Generated: python -m iopf.catalogue > csrc/history/README.md"""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count() or 1, context) as pool:
        assert README.read_text() == catalogue.generate(pool), "run: python -m iopf.catalogue > csrc/history/README.md"
