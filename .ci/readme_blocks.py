# SPDX-License-Identifier: GPL-2.0-only
"""Takes the README apart: its first two shell blocks, its example, and what that prints."""

import re
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
out = Path(sys.argv[2])

shell = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
assert len(shell) >= 2, "the README begins with two shell blocks"
for number, block in enumerate(shell[:2], 1):
    lines = [line for line in block.splitlines() if line.strip()]
    assert lines and not any(line.rstrip().endswith("\\") or line.startswith("$") for line in lines), block
    (out / f"block{number}").write_text("\n".join(lines) + "\n")

python = re.search(r"^```python\n(.*?)^```\n+(?:.*?\n)??^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
assert python, "the README has an example, and what it prints"
(out / "example.py").write_text(python.group(1))
(out / "example.expected").write_text(python.group(2))
