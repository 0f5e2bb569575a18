# SPDX-License-Identifier: GPL-2.0-only
"""``python -m iopf`` and ``iopf``: the command line, as soon as it is loaded.

Loading takes longer than most commands do, and needs the extensions. What goes wrong meanwhile is said as the command
line says it: in one line, with its exit codes.
"""

import sys


def main() -> int:
    """Runs the process's command line and returns the exit code."""
    try:
        from . import cli
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _not_loaded(error)
    return cli.main()


def _not_loaded(error: Exception) -> int:
    from ._exit import for_bisect, wants_bisect

    try:
        from ._mishaps import explain

        code = explain("", error)
    except Exception:  # not even that can be loaded
        print(f"iopf: it can't be loaded: {type(error).__name__}: {error}", file=sys.stderr)
        code = 2
    return for_bisect(code) if wants_bisect(sys.argv[1:]) else code


if __name__ == "__main__":
    raise SystemExit(main())
