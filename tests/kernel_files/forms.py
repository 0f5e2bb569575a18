# SPDX-License-Identifier: GPL-2.0-only
"""The files, and the revision in the history that does the same. form-e is v6.9 without its lost return: 6.10.y."""

SAME_AS = {
    "form-a": "refcount", "form-b": "remove-void", "form-c": "track-group", "form-d": "void-response",
    "form-e-lost-return": "v6.9", "form-g": "v6.12", "form-h": "v6.14", "form-i": "v6.14", "form-j": "v7.2",
    "form-j-backport": "v7.2",
}  # fmt: skip
