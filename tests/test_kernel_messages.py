# SPDX-License-Identifier: GPL-2.0-only
"""What a core says reaches logging with the level that it was said with."""

import importlib.util
import logging
import sys
from pathlib import Path

import iopf

HERE = Path(__file__).resolve().parent


def kernel_code():
    """tests/explore/kernel_code.py, which makes a kernel file of a few lines."""
    spec = importlib.util.spec_from_file_location("kernel_code_of_messages", HERE / "explore" / "kernel_code.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CODE = """
static int run(struct device *dev, unsigned int n)
{
	dev_crit(dev, "critical");
	dev_err(dev, "error");
	dev_warn(dev, "warning");
	pr_info("information");
	dev_dbg(dev, "detail");
	return 0;
}
"""


def test_the_levels_of_the_kernel_are_those_of_logging(tmp_path, caplog, runtime):
    """On each runtime, by its threads."""
    module = kernel_code()
    core = module.core(tmp_path, CODE)
    with caplog.at_level(logging.DEBUG, "iopf"), iopf.Queue("q", core=core, runtime=runtime) as queue:
        device = iopf.Device("0000:00:02.0")
        queue.add(device)
        device.attach(iopf.Inline(), pasid=1)
        device.report(addr=module.ADDRESS, perm="r", grpid=0, pasid=1, last=False)
        queue.remove(device)
    iopf.warnings()
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "iopf"]
    assert [
        ("CRITICAL", "0000:00:02.0: critical"),
        ("ERROR", "0000:00:02.0: error"),
        ("WARNING", "0000:00:02.0: warning"),
        ("INFO", "information"),
        ("DEBUG", "0000:00:02.0: detail"),
    ] == [each for each in found if each[1].partition(": ")[2] in CODE or each[1] in CODE]
