# SPDX-License-Identifier: GPL-2.0-only
"""``python -m iopf``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
