# SPDX-License-Identifier: GPL-2.0-only
"""The files, and the revision in the history that does the same. The others are mixtures that no release of the kernel has."""

SAME_AS = {
    "form-a": "refcount", "form-b": "remove-void", "form-c": "track-group", "form-d": "void-response",
    "form-e-lost-return": "v6.9", "form-e": "6.10.y", "form-f": "v6.11", "form-g": "v6.12", "form-h": "v6.14", "form-i": "v6.14", "form-j": "v7.2",
    "form-j-backport": "v7.2",
}  # fmt: skip
