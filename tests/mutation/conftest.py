# SPDX-License-Identifier: GPL-2.0-only
"""The generator's modules lie beside its tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
