# SPDX-License-Identifier: GPL-2.0-only
"""Numbers of a scenario arrive in the core as they were said: an address has 64 bits, a group's index and a PASID 32.

Shown by a core that returns an error of its own for each of the values, in place of working.
"""

import importlib.util
import shutil

import mutants
import pytest

from iopf.explore import Scenario, explore
from iopf.explore.loader import load

#: What is said, by field: the bounds, and around each bit that a narrower type would lose or take for a sign.
VALUES = {
    "addr": (0, 0x1001, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33, 2**63 - 1, 2**63, 2**64 - 4096, 2**64 - 1),
    "grpid": (0, 2, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1),
    "pasid": (1, 2**15, 2**16, 2**20 - 1, 2**20, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1),
}  # fmt: skip
CASES = [(field, value) for field, values in VALUES.items() for value in values]
#: What stands for the field in the other cases.
OTHER = {"addr": 0x5000, "grpid": 7, "pasid": 9}
FIRST_ERROR = 1000


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """A core whose report returns -(1000 + n) when it sees the n-th of the values in its field."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    begin = "	if (evt->fault.type != IOMMU_FAULT_PAGE_REQ)\n		return -EOPNOTSUPP;\n"
    told = "".join(
        f"	if (prm->{field} == {value}ull) return {-(FIRST_ERROR + n)};\n" for n, (field, value) in enumerate(CASES)
    )
    core = mutants.mutant("telling", mutants.FAULT, None, "none", (begin, begin + told))
    extension = importlib.util.find_spec("iopf._explore").origin
    return load(mutants.compile_mutant(core, tmp_path_factory.mktemp("telling"), extension), "iopf_core_iopf")


def reporting(returns, **numbers):
    """A scenario of one report, whose result is known."""
    s = Scenario("numbers")
    dev = s.device(s.queue(), handler="sva", pasid=9)
    s.task("irq").report(dev, **{**OTHER, **numbers}, returns=returns)
    return s


@pytest.mark.parametrize("copied", [lambda s: s, lambda s: Scenario.from_json(s.to_json())], ids=["said", "from JSON"])
@pytest.mark.parametrize(("field", "value"), CASES)
def test_the_core_sees_the_number_that_is_said(telling, field, value, copied):
    """At the bounds of the field, also by way of JSON, which tokens and files hold."""
    number = FIRST_ERROR + CASES.index((field, value))
    result = explore(copied(reporting(-number, **{field: value})), core=telling)
    assert "unexpected-return" not in {failure.kind for failure in result.failures}, result.failure
    assert result.executions


def test_a_number_that_arrives_as_another_is_noticed(telling):
    """The control: the error of another value, and a value that the core knows nothing of."""
    for scenario in (reporting(-FIRST_ERROR, addr=2**32), reporting(-FIRST_ERROR, addr=0x7000)):
        assert "unexpected-return" in {
            failure.kind for failure in explore(scenario, core=telling, shrink=False).failures
        }


@pytest.mark.parametrize("grpid", VALUES["grpid"])
@pytest.mark.parametrize("pasid", [pasid for pasid in VALUES["pasid"] if pasid < 2**20])
def test_a_group_with_wide_numbers_is_held_and_answered(grpid, pasid):
    """respond() waits for just that group, and the answer carries its numbers: all of them, where another one is near."""
    s = Scenario("held")
    dev = s.device(s.queue(), handler="held", pasid=pasid)
    s.task("irq").report(dev, grpid=grpid, pasid=pasid, addr=2**64 - 4096)
    s.task("driver").respond(dev, grpid=grpid, pasid=pasid, code="failure")
    result = explore(s)
    assert "pass" == result.verdict, result.failure
    assert any(f"grpid {grpid} failure" in str(outcome) for outcome in result.outcomes), result.outcomes

    s = Scenario("another one")
    dev = s.device(s.queue(), handler="held", pasid=pasid)
    s.task("irq").report(dev, grpid=grpid, pasid=pasid)
    s.task("driver").respond(dev, grpid=grpid ^ 2**31, pasid=pasid, code="failure")
    s.task("other driver").respond(dev, grpid=grpid, pasid=pasid ^ 2**30, code="failure")
    outcomes = explore(s).outcomes
    assert outcomes and not any("failure" in str(outcome) for outcome in outcomes), outcomes


@pytest.mark.parametrize("pasid", [pasid for pasid in VALUES["pasid"] if pasid >= 2**20])
@pytest.mark.parametrize("grpid", VALUES["grpid"])
def test_a_group_of_a_PASID_that_no_device_has_is_answered_by_its_numbers(grpid, pasid):
    """With INVALID: nobody resolves it. An answer with other numbers would be a wrong response."""
    s = Scenario("invalid")
    s.task("irq").report(s.device(s.queue(), handler="held", pasid=pasid % 2**20 or 1), grpid=grpid, pasid=pasid)
    result = explore(s)
    assert "pass" == result.verdict, result.failure
    assert [f"irq: dev0 grpid {grpid} invalid; irq: report -EINVAL"] == [outcome.text for outcome in result.outcomes]


@pytest.mark.parametrize(
    ("field", "value"),
    [("addr", -1), ("addr", 2**64), ("grpid", -1), ("grpid", 2**32), ("pasid", -1), ("pasid", 2**32)],
)
@pytest.mark.parametrize("operation", ["report", "report_partial", "respond"])
def test_a_number_out_of_range_is_refused_where_it_is_said(operation, field, value):
    """With its name and its range."""
    s = Scenario("numbers")
    dev = s.device(s.queue(), handler="held", pasid=1)
    if (operation, field) == ("respond", "addr"):
        return
    with pytest.raises(ValueError, match=f"{field} {value}: out of range [01] ≤ {field} ≤ [0-9]+$"):
        getattr(s.task("irq"), operation)(dev, **{"grpid": 1, field: value})


@pytest.mark.parametrize("value", [-1, 2**20, 2**32])
def test_a_PASID_that_no_device_has_cannot_be_attached(value):
    """PASIDs of PCIe have 20 bits, and so have those of a scenario's devices; a request may carry any."""
    s = Scenario("numbers")
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    for attach in (
        lambda: s.device(queue, pasid=value),
        lambda: s.task("a").attach(dev, handler="sva", pasid=value),
        lambda: s.task("b").replace(dev, handler="sva", pasid=value),
        lambda: s.task("c").detach(dev, pasid=value),
    ):
        with pytest.raises(ValueError, match=f"pasid {value}: out of range 1 ≤ pasid ≤ 1048575"):
            attach()
