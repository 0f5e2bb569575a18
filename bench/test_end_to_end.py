# SPDX-License-Identifier: GPL-2.0-only
"""What does a whole job take? Requests resolved by workers against an address space, and a real program's trace."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import iopf

SAMPLE = Path(iopf.__file__).with_name("samples")


@pytest.mark.parametrize("runtime", ["native", "plain"])
def test_e2e_sva(benchmark, quick, runtime):
    """Report, resolve in a work, respond: groups of eight pages, until all are answered."""
    groups = 500 if quick else 10000
    requests = b"".join(
        struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 1 | (2 if page == 7 else 0), 7, group % 512, 1,
                    0x1000 * (1 + (8 * group + page) % 1024), 0, 0)
        for group in range(groups) for page in range(8)
    )  # fmt: skip
    space = iopf.AddressSpace()
    space.map(0x1000, 0x1000 * 1024, "rw")
    with iopf.Queue("bench", runtime=runtime) as queue, iopf.Device("bench", record=False) as device:
        queue.add(device)
        device.attach(iopf.SVA(space), pasid=7)

        def job():
            # Half of the indices at most are in flight: a group's index is its own until it is answered.
            for at in range(0, len(requests), 48 * 8 * 256):
                device.report_many(requests[at : at + 48 * 8 * 256])
                device.flush()

        benchmark.pedantic(job, rounds=2 if quick else 10, warmup_rounds=1)
        assert (0, 0) == (device.statistics().pending, device.statistics().invalid)
        benchmark.extra_info["faults per second"] = round(8 * groups / benchmark.stats["min"]) if benchmark.stats else 0


@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample in this installation")
def test_e2e_run(benchmark, quick):
    """The command line on the recorded sample, process start included."""
    trace, maps = next(SAMPLE.glob("*.lackey.xz")), next(SAMPLE.glob("*.maps"))
    command = [sys.executable, "-m", "iopf", "run", str(trace), "--maps", str(maps), "--resident", "64", "--json"]

    def job():
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    result = benchmark.pedantic(job, rounds=1 if quick else 5)
    benchmark.extra_info.update({"requests": result["requests"], "faults per second": result["faults_per_second"]})
    assert result["requests"] == sum(result["answers"].values()) + result["merged"]
