# SPDX-License-Identifier: GPL-2.0-only
"""What a device was told, as a sequence: it is a list to whoever compares, slices or adds it, and makes nothing before."""

import copy
import pickle
import sys

import pytest

import iopf
from iopf import PageResponse, ResponseCode, _types, responses as module


@pytest.fixture
def told(runtime):
    """Five responses, of three codes, with a PASID and without; and the same as a list that was written down."""
    codes = [
        ResponseCode.SUCCESS,
        ResponseCode.INVALID,
        ResponseCode.FAILURE,
        ResponseCode.SUCCESS,
        ResponseCode.INVALID,
    ]
    written = [
        PageResponse(None if code is ResponseCode.INVALID else 7, number, code) for number, code in enumerate(codes)
    ]
    with iopf.Queue("q", runtime=runtime) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(lambda group: group.respond(written[group.last.grpid].code))
        dev.attach(lambda group: group.respond(written[group.last.grpid].code), pasid=7)
        for response in written:
            dev.report(addr=0, grpid=response.grpid, pasid=response.pasid)
        yield dev.responses, written


def test_it_equals_the_list_of_the_same_responses(told):
    """On both sides; not one of others, of fewer, nor a tuple, as a list does not."""
    found, written = told
    assert found == written and written == found and found == found[:] and not found != written
    assert found != written[:-1] and found != written[::-1] and written[1:] != found
    assert found != tuple(written) and found != 5
    assert repr(written) == repr(found)


def test_what_does_not_count_makes_no_difference():
    """The number where the PASID would be, and other bits of the flags."""
    one, other = module._RESPONSE.pack(7, 1, 0, 2), module._RESPONSE.pack(9, 1, 0, 6)
    assert module.Responses(one) == module.Responses(other) == [PageResponse(None, 1, ResponseCode.SUCCESS)]


@pytest.mark.parametrize("which", [slice(None), slice(1, 3), slice(-2, None), slice(None, None, -1), slice(4, 0, -2), slice(9, 99)],
                         ids=str)  # fmt: skip
def test_a_slice_is_the_same_slice_of_the_list(which, told):
    """And a sequence of the same kind."""
    found, written = told
    assert found[which] == written[which] and isinstance(found[which], iopf.Responses)
    assert list(reversed(found[which])) == written[which][::-1]


def test_one_is_found_by_its_place(told):
    """From either end; beyond them, an error that says how many there are."""
    found, written = told
    assert [found[place] for place in range(-5, 5)] == [written[place] for place in range(-5, 5)]
    assert written[2] in found and 2 == found.index(written[2]) and 1 == found.count(written[4])
    for place in (5, -6):
        with pytest.raises(IndexError, match=f"response {place} of 5"):
            found[place]


def test_with_a_list_it_adds_up_to_one(told):
    """In any order; with nothing else."""
    found, written = told
    assert 3 * [written] == [found[:2] + written[2:], written[:2] + found[2:], found[:2] + found[2:]]
    for other in (5, (1,)):
        with pytest.raises(TypeError):
            found + other
        with pytest.raises(TypeError):
            other + found


def test_it_travels(told):
    """It is a value: copied, pickled, and unhashable as a list is."""
    found, written = told
    assert copy.deepcopy(found) == written and pickle.loads(pickle.dumps(found)) == written
    with pytest.raises(TypeError, match="unhashable"):
        hash(found)


def test_nothing_is_made_before_it_is_asked_for(told, monkeypatch):
    """Neither to know how many there are, nor for a slice, nor for an array."""
    found, _ = told
    made = []
    monkeypatch.setattr(module, "response_of", lambda *fields: made.append(fields))
    assert 5 == len(found) and len(found[1:]) == 4 and not made
    found[1]
    assert 1 == len(made)
    assert 5 == len(list(found)) and 6 == len(made)


def test_an_array_has_all_of_them(told):
    """The fields of iopf.page_response_dtype; it can't be written."""
    numpy = pytest.importorskip("numpy")
    found, written = told
    array = found.array()
    assert array.dtype == iopf.page_response_dtype and 16 == array.dtype.itemsize
    assert [response.grpid for response in written] == array["grpid"].tolist()
    assert [response.code for response in written] == array["code"].tolist()
    valid = array["flags"] & iopf.RequestFlags.PASID_VALID != 0
    assert [response.pasid for response in written] == [7 if is_valid else None for is_valid in valid]
    assert numpy.all(array["pasid"][valid] == 7)
    with pytest.raises(ValueError, match="read-only"):
        array["code"] = 0
    assert 0 == len(iopf.Responses().array())


def test_values_that_are_not_checked_are_those_that_are(told):
    """What is filled in from C's fields is what the classes make of the same fields: equal, of the same types, as frozen."""
    for flags in (*range(8), 0x15):
        for perm in (*range(16), 0x30):
            made = _types._page_request(flags, 5, 6, perm, 0x1000)
            pasid = 5 if flags & 1 else None
            said = iopf.PageRequest(0x1000, iopf.Perm(perm), 6, pasid, iopf.RequestFlags(flags))
            assert made == said and repr(made) == repr(said) and hash(made) == hash(said)
            assert type(made.perm) is iopf.Perm and type(made.flags) is iopf.RequestFlags
    made = _types.response_of(5, 6, 1, 1)
    assert made == PageResponse(5, 6, ResponseCode.INVALID) and type(made.code) is ResponseCode
    with pytest.raises(AttributeError):
        made.code = ResponseCode.SUCCESS
    with pytest.raises(ValueError, match="4 is not a valid ResponseCode"):
        _types.response_of(5, 6, 4, 1)


def test_a_call_of_a_handler_makes_no_values_that_nobody_asked_for(runtime):
    """Python functions that run from report() to its return, the handler among them: no constructor of an enumeration."""
    called = []

    def note(frame, event, _argument):
        if event == "call":
            called.append((frame.f_globals["__name__"], frame.f_code.co_name))

    with iopf.Queue("q", runtime=runtime) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(lambda group: group.respond(ResponseCode.SUCCESS))
        dev.report(addr=0)
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            dev.report(addr=0)
        finally:
            sys.setprofile(before)
    assert ("iopf.group", "respond") in called
    assert not [name for name in called if name[0] == "enum" or name[0] == "weakref"]
    assert 13 >= len(called), called
