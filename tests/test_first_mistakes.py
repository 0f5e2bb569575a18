# SPDX-License-Identifier: GPL-2.0-only
"""First mistakes are caught where they are made. Misspelt names are in test_cli_fuzz.py."""

import warnings

import pytest

import iopf


@pytest.fixture
def space():
    found = iopf.AddressSpace()
    found.map(0x1000, 0x4000, "rw")
    return found


@pytest.mark.parametrize("call", ["attach", "replace"])
def test_sva_without_a_pasid_is_warned_of_at_the_call(space, call):
    """It answers INVALID for ever. The warning names the line that made it, and what to say instead; a class of its own,
    so that it can be made an error."""
    assert issubclass(iopf.NoPasidWarning, UserWarning)
    dev = iopf.Device("d")
    if call == "replace":
        dev.attach(iopf.Inline())
    with pytest.warns(iopf.NoPasidWarning, match=r"pasid=N") as caught:
        getattr(dev, call)(iopf.SVA(space))
    assert [__file__] == [warning.filename for warning in caught]


def test_as_an_error_it_comes_before_anything_is_attached(space):
    dev = iopf.Device("d")
    with warnings.catch_warnings():
        warnings.simplefilter("error", iopf.NoPasidWarning)
        with pytest.raises(iopf.NoPasidWarning):
            dev.attach(iopf.SVA(space))
    dev.attach(iopf.Inline())  # would be EBUSY


def test_what_resolves_is_not_warned_of(space):
    """The negative control, warnings being errors in this suite: SVA with a PASID, other handlers without, and SVA where
    the guest owns the PASID table, whose requests of any PASID come to the device's own domain, and succeed."""
    dev = iopf.Device("d")
    dev.attach(iopf.SVA(space), pasid=1)
    dev.attach(iopf.Inline())
    dev.replace(iopf.Refuse())
    with iopf.Queue("q") as queue:
        guest = iopf.Device("guest", user_pasid_table=True)
        queue.add(guest)
        guest.attach(iopf.SVA(space))
        guest.report(addr=0x1000, grpid=1, pasid=7)
        guest.flush()
        assert [iopf.ResponseCode.SUCCESS] == [response.code for response in guest.responses]
        queue.remove(guest)
