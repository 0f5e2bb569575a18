# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that live and are equivalent: the kind of the proof, and the proof. Argued, not assumed; at most a tenth.

By id, as score.py prints it. Kinds: ``equivalent: invariant`` (what differs cannot come about, and why), ``equivalent:
unspecified`` (both are allowed by the specification), ``equivalent: idempotent`` (the second time does nothing).
"""

REASONS: dict[str, tuple[str, str]] = {}
