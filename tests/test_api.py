# SPDX-License-Identifier: GPL-2.0-only
"""The public surface: names, signatures, values, representations, documentation, errors; and the C structs under it."""

import array
import enum
import errno
import inspect
import pickle
import struct
import sys
import types
import typing

import pytest

import iopf
from iopf import Perm, RequestFlags, ResponseCode, _runtime

SUCCESS, INVALID = ResponseCode.SUCCESS, ResponseCode.INVALID
RUN_NAMES = {
    "PAGE_REQUEST_FORMAT", "SVA", "AddressSpace", "AlreadyAnswered", "AlreadyOnQueue", "Area", "BadSetup", "Closed",
    "Core", "Device", "DeviceStatistics", "ForkedError", "Group", "HandlerError", "Inline", "IopfError",
    "MissingExtension", "NotOnQueue", "PageRequest", "PageResponse", "Perm", "Queue", "QueueStatistics", "Refuse",
    "RequestFlags", "ResponseCode", "Site", "Work", "WouldDeadlock", "build_info", "clear_warnings", "cores",
    "live_objects", "page_request_dtype", "warnings",
}  # fmt: skip


def public():
    """Every public name that is there without NumPy, with its object."""
    return {name: getattr(iopf, name) for name in iopf.__all__ if not name.endswith("_dtype")}


def methods(cls):
    """The public methods and properties that the class itself defines."""
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


@pytest.fixture
def dev(runtime):
    with iopf.Queue("q", runtime=runtime, workers=0) as queue:
        dev = iopf.Device("d")
        queue.add(dev)
        dev.attach(iopf.Inline())
        yield dev


class TestNames:
    def test_the_public_names_are_these(self):
        assert RUN_NAMES <= set(iopf.__all__)
        assert sorted(iopf.__all__, key=str.swapcase) == sorted(set(iopf.__all__), key=str.swapcase)

    def test_each_is_there_and_nothing_else_that_is_not_a_module(self):
        others = {
            name
            for name, value in vars(iopf).items()
            if not name.startswith("_") and not isinstance(value, types.ModuleType)
        }
        assert set() == others - set(iopf.__all__) - {"annotations", "Any", "TYPE_CHECKING"}

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
            iopf.nonsense

    def test_everything_public_is_documented(self):
        for name, value in public().items():
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), name
            if inspect.isclass(value) and value.__module__.startswith("iopf"):
                for method, member in methods(value).items():
                    assert inspect.getdoc(member), f"{name}.{method}"

    def test_everything_public_is_annotated(self):
        for name, value in public().items():
            if not inspect.isclass(value) or not value.__module__.startswith("iopf"):
                continue
            for method, member in methods(value).items():
                function = member.fget if isinstance(member, property) else member
                signature = inspect.signature(function)
                assert signature.return_annotation is not inspect.Signature.empty, f"{name}.{method}"
                for parameter in list(signature.parameters.values())[1:]:
                    assert parameter.annotation is not inspect.Parameter.empty, f"{name}.{method}({parameter.name})"

    def test_the_package_is_typed(self):
        from importlib.resources import files

        assert (files("iopf") / "py.typed").is_file()

    @pytest.mark.parametrize(
        ("call", "signature"),
        [
            (iopf.Queue, "(name, *, core='iopf', runtime='native', workers=1)"),
            (iopf.Device, "(name, *, group=None, record=True, on_response=None, user_pasid_table=False)"),
            (iopf.Device.attach, "(self, handler, *, pasid=None)"),
            (iopf.Device.replace, "(self, handler, *, pasid=None)"),
            (iopf.Device.detach, "(self, *, pasid=None)"),
            (iopf.Device.report, "(self, *, addr, perm='r', grpid=0, pasid=None, last=True, flags=None)"),
            (iopf.Device.report_many, "(self, buffer, results=None)"),
            (iopf.Device.flush, "(self)"),
            (iopf.Device.clear_responses, "(self)"),
            (iopf.Queue.add, "(self, device)"),
            (iopf.Queue.remove, "(self, device)"),
            (iopf.Queue.discard_partial, "(self)"),
            (iopf.Queue.close, "(self)"),
            (iopf.AddressSpace, "()"),
            (iopf.AddressSpace.map, "(self, start, length, perm)"),
            (iopf.AddressSpace.unmap, "(self, start, length)"),
            (iopf.AddressSpace.protect, "(self, start, length, perm)"),
            (iopf.AddressSpace.exit, "(self)"),
            (iopf.live_objects, "(detail=False)"),
            (iopf.warnings, "()"),
            (iopf.clear_warnings, "()"),
            (iopf.cores, "()"),
            (iopf.build_info, "()"),
        ],
    )
    def test_signatures(self, call, signature):
        found = inspect.signature(call)
        bare = found.replace(
            parameters=[p.replace(annotation=p.empty) for p in found.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
        assert signature == str(bare)


class TestValues:
    def test_enum_values_are_the_kernels(self):
        assert [(1, 2, 4, 8), (1, 2, 4), (0, 1, 2)] == [
            tuple(int(member) for member in kind) for kind in (Perm, RequestFlags, ResponseCode)
        ]

    @pytest.mark.parametrize(
        ("kind", "prefix"), [(Perm, "IOPF_PERM_"), (RequestFlags, "IOPF_"), (ResponseCode, "IOPF_")]
    )
    def test_enum_values_come_from_c(self, lib, kind, prefix):
        assert {name: getattr(lib, prefix + name) for name in kind.__members__} == {m.name: int(m) for m in kind}

    def test_numbers_that_are_also_written_where_no_enum_is_loaded(self):
        """Letters of permissions, and a flag of scenarios."""
        from iopf import _checks
        from iopf.explore import scenario

        letters = {"r": Perm.READ, "w": Perm.WRITE, "x": Perm.EXEC, "p": Perm.PRIV}
        assert {letter: int(perm) for letter, perm in letters.items()} == _checks._LETTERS
        assert RequestFlags.PASID_VALID == scenario.PASID_VALID

    def test_the_kinds_of_enums(self):
        assert (True, True, True) == (
            issubclass(Perm, enum.IntFlag),
            issubclass(RequestFlags, enum.IntFlag),
            issubclass(ResponseCode, enum.IntEnum),
        )

    def test_a_page_request_is_48_bytes_and_the_c_struct(self, runtime):
        """The format, struct iopf_request (which C asserts to be struct iommu_fault) and its offsets agree."""
        ffi = _runtime.get(runtime).ffi
        assert (48, 48) == (struct.calcsize(iopf.PAGE_REQUEST_FORMAT), ffi.sizeof("struct iopf_request"))
        fields = ["type", "padding", "flags", "pasid", "grpid", "perm", "addr", "private_data"]
        values = list(range(1, 10))
        raw = ffi.new("struct iopf_request *")
        ffi.buffer(raw)[:] = struct.pack(iopf.PAGE_REQUEST_FORMAT, *values)
        found = [getattr(raw, name) for name in fields[:-1]] + list(raw.private_data)
        assert values == found

    def test_every_c_struct_is_what_the_cdef_says(self, runtime):
        """Walks every type once: cffi compares a struct with the compiler's only when it is first used."""
        ffi = _runtime.get(runtime).ffi
        typedefs, structs, unions = ffi.list_types()
        sizes = {}
        for name in [*(f"struct {name}" for name in structs), *(f"union {name}" for name in unions), *typedefs]:
            try:
                sizes[name] = ffi.sizeof(name)
            except ffi.error:
                continue  # opaque: C alone knows it
            for field, description in ffi.typeof(name).fields or ():
                assert description.offset < sizes[name], f"{name}.{field}"
        assert {
            "struct iopf_request",
            "struct iopf_response",
            "struct iopf_site",
            "struct iopf_statistics",
            "struct iopf_handler",
            "struct iopf_callbacks",
            "struct iopf_core_info",
        } <= set(sizes)

    def test_every_c_function_and_constant_is_in_the_library(self, runtime):
        """cffi resolves names late, too."""
        lib = _runtime.get(runtime).lib
        names = [name for name in dir(lib) if name.startswith(("iopf_", "IOPF_"))]
        assert len(names) > 50
        for name in names:
            assert getattr(lib, name) is not None

    @pytest.mark.parametrize(
        "values, prefix, others",
        [
            (Perm, "IOPF_PERM_", set()),
            (RequestFlags, "IOPF_", {"IOPF_PASID_VALID", "IOPF_LAST_PAGE", "IOPF_NEEDS_PASID"}),
            (ResponseCode, "IOPF_", {"IOPF_SUCCESS", "IOPF_INVALID", "IOPF_FAILURE"}),
        ],
    )
    def test_the_values_have_the_numbers_of_c(self, runtime, values, prefix, others):
        """They are written twice, so that who only explores needs no extension for them."""
        lib = _runtime.get(runtime).lib
        names = others or {name for name in dir(lib) if name.startswith(prefix)}
        assert {name: getattr(lib, name) for name in names} == {
            f"{prefix}{value.name}": value.value for value in values
        }

    def test_both_runtimes_have_the_same_face(self):
        native, plain = (dir(_runtime.get(name).lib) for name in ("native", "plain"))
        assert native == plain

    def test_values_are_frozen_and_compare_and_pickle(self):
        response = iopf.PageResponse(1, 2, SUCCESS)
        request = iopf.PageRequest(0x1000, Perm.READ, 2, None, RequestFlags.LAST_PAGE)
        for value, field in ((response, "code"), (request, "addr")):
            with pytest.raises(AttributeError):
                setattr(value, field, 0)
            assert value == pickle.loads(pickle.dumps(value))
            assert 1 == len({value, pickle.loads(pickle.dumps(value))})

    def test_annotations_resolve(self):
        for kind in (iopf.PageRequest, iopf.PageResponse, iopf.DeviceStatistics, iopf.QueueStatistics, iopf.Core):
            assert typing.get_type_hints(kind)


class TestRepresentations:
    """Every object says what state it is in."""

    def test_of_the_objects(self, runtime):
        space = iopf.AddressSpace()
        space.map(0x1000, 0x2000, "rw")
        assert "<AddressSpace of 1 areas, 2 pages>" == repr(space)
        queue = iopf.Queue("dmar0", runtime=runtime, workers=2)
        dev = iopf.Device("0000:3a:00.0")
        assert "<Device 0000:3a:00.0 on no queue: 0 reported, 0 pending>" == repr(dev)
        queue.add(dev)
        groups = []
        dev.attach(groups.append, pasid=7)
        dev.report(addr=0, grpid=3, pasid=7, last=False)
        dev.report(addr=0, grpid=3, pasid=7)
        assert f"<Queue dmar0: core iopf on {runtime}, 2 workers, 1 devices>" == repr(queue)
        assert "<Device 0000:3a:00.0 on dmar0: 2 reported, 1 pending>" == repr(dev)
        group = groups.pop()
        assert "<Group 3, pasid 7: 2 pages, waits for an answer>" == repr(group)
        group.respond()
        assert "<Group 3, pasid 7: 2 pages, answered>" == repr(group)
        space.exit()
        queue.close()
        assert ("<AddressSpace, exited>", "<Queue dmar0, closed>") == (repr(space), repr(queue))

    def test_of_the_values(self):
        assert "PageResponse(pasid=7, grpid=3, code=<ResponseCode.SUCCESS: 0>)" == repr(
            iopf.PageResponse(7, 3, SUCCESS)
        )

    def test_the_ten_line_example_prints_what_it_says(self, capsys):
        space = iopf.AddressSpace()
        space.map(0x1000, 0x4000, "rw")
        with iopf.Queue("dmar0") as queue:
            dev = iopf.Device("0000:3a:00.0")
            queue.add(dev)
            dev.attach(iopf.SVA(space), pasid=7)
            dev.report(addr=0x2000, perm="rw", grpid=3, pasid=7, last=True)
            dev.flush()
            print(dev.responses)
            queue.remove(dev)
        assert "[PageResponse(pasid=7, grpid=3, code=<ResponseCode.SUCCESS: 0>)]\n" == capsys.readouterr().out


class TestErrors:
    def test_each_is_an_oserror_with_the_kernels_errno_and_says_what_to_do(self):
        with iopf.Queue("q") as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            with pytest.raises(OSError, match="remove it there first") as caught:
                queue.add(dev)
        assert (errno.EBUSY, True) == (caught.value.errno, isinstance(caught.value, iopf.IopfError))
        assert str(caught.value).startswith("[EBUSY] ")

    def test_the_family(self):
        kinds = [iopf.AlreadyAnswered, iopf.AlreadyOnQueue, iopf.BadSetup, iopf.Closed, iopf.ForkedError,
                 iopf.HandlerError, iopf.NotOnQueue, iopf.WouldDeadlock]  # fmt: skip
        assert [True] * 8 == [issubclass(kind, iopf.IopfError) for kind in kinds]
        assert (True, True) == (issubclass(iopf.IopfError, OSError), issubclass(iopf.MissingExtension, ImportError))

    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ({"addr": -1}, ValueError),
            ({"addr": 1 << 64}, ValueError),
            ({"addr": 1.0}, TypeError),
            ({"addr": None}, TypeError),
            ({"addr": 0, "perm": "rr"}, ValueError),
            ({"addr": 0, "perm": "q"}, ValueError),
            ({"addr": 0, "perm": 16}, ValueError),
            ({"addr": 0, "grpid": 1 << 32}, ValueError),
            ({"addr": 0, "grpid": "1"}, TypeError),
            ({"addr": 0, "pasid": 1 << 32}, ValueError),
            ({"addr": 0, "flags": -1}, ValueError),
            ({}, TypeError),
            ({"addr": 0, "nonsense": 1}, TypeError),
        ],
    )
    def test_report_checks_its_arguments_and_reports_nothing(self, dev, arguments, kind):
        with pytest.raises(kind):
            dev.report(**arguments)
        assert (0, []) == (dev.statistics().reported, dev.responses)

    @pytest.mark.parametrize(
        "call",
        [
            lambda: iopf.Queue(5),
            lambda: iopf.Queue("q", workers=-1),
            lambda: iopf.Queue("q", workers=257),
            lambda: iopf.Queue("q", workers=1.5),
            lambda: iopf.Queue("q", core="nonsense"),
            lambda: iopf.Queue("a\0b"),
            lambda: iopf.Queue("q", runtime="nonsense"),
            lambda: iopf.Device(b"d"),
            lambda: iopf.Device("d", group="d"),
            lambda: iopf.Device("d", on_response=1),
            lambda: iopf.SVA(None),
            lambda: iopf.Work(None),
            lambda: iopf.Inline(3),
            lambda: iopf.Device("d").attach(None),
            lambda: iopf.Device("d").attach("sva"),
            lambda: iopf.Device("d").attach(iopf.Inline(), pasid=0),
            lambda: iopf.Device("d\ud800"),
            lambda: iopf.Device("d").attach(iopf.Inline(), pasid=1 << 20),
            lambda: iopf.Device("d").detach(pasid=-1),
            lambda: iopf.AddressSpace().map(1, 0x1000, "r"),
            lambda: iopf.AddressSpace().map(0, 0, "r"),
            lambda: iopf.AddressSpace().map(0, 0x1000, "p"),
            lambda: iopf.AddressSpace().unmap(0, 1),
            lambda: iopf.AddressSpace().map(0xFFFFFFFFFFFFF000, 0x1000, "r"),
        ],
    )
    def test_nonsense_is_a_type_or_value_error(self, call):
        with pytest.raises((TypeError, ValueError)):
            call()

    def test_a_queue_takes_devices_only(self, dev):
        for call in (dev.queue.add, dev.queue.remove):
            with pytest.raises(TypeError, match="takes a Device"):
                call("d")

    def test_a_device_of_one_runtime_is_none_of_another(self, runtime):
        with iopf.Queue("q", runtime=runtime) as queue, iopf.Queue("p", runtime="plain") as other:
            dev = iopf.Device("d")
            queue.add(dev)
            queue.remove(dev)
            if runtime == "plain":
                other.add(dev)
                return
            with pytest.raises(ValueError, match="use a new device"):
                other.add(dev)

    def test_a_long_name_is_cut_for_the_kernel_alone(self, runtime, lib, kernel_messages):
        name = "ä" * 100
        with iopf.Queue("ü" * 100, runtime=runtime) as queue:
            dev = iopf.Device(name)
            queue.add(dev)
            groups = []
            dev.attach(groups.append)
            dev.report(addr=0)
            queue.remove(dev)
            lib.iopf_set_clock(1)
            groups.pop().respond()
        assert (name, True) == (dev.name, any("ää" in text for text in kernel_messages()))


def packed(*flags):
    return b"".join(
        struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, flag, 9, i, 1, i << 12, 0, 0) for i, flag in enumerate(flags)
    )


class TestReportMany:
    """Records in, results out; no Python in between."""

    def test_it_reports_in_order_and_counts_what_was_accepted(self, dev):
        """The last record's PASID has no handler."""
        results = array.array("i", [7] * 4)
        assert 3 == dev.report_many(packed(2, 0, 2, 3), results)
        assert ([0, 0, 0, -errno.EINVAL], [(0, SUCCESS), (2, SUCCESS), (3, INVALID)]) == (
            list(results),
            [(r.grpid, r.code) for r in dev.responses],
        )

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_it_takes_any_buffer(self, dev, kind):
        assert 2 == dev.report_many(kind(packed(2, 2)))

    def test_nothing_is_fine(self, dev):
        assert 0 == dev.report_many(b"")

    @pytest.mark.parametrize("size", [1, 47, 49, 95])
    def test_half_a_record_is_a_value_error(self, dev, size):
        with pytest.raises(ValueError, match="48 bytes"):
            dev.report_many(bytes(size))
        assert 0 == dev.statistics().reported

    def test_results_need_room_and_to_be_int32_and_writable(self, dev):
        for results in (bytearray(4), bytes(8), array.array("q", [0, 0]), array.array("h", [0] * 4)):
            with pytest.raises((ValueError, BufferError, TypeError)):
                dev.report_many(packed(2, 2), results)
        assert 0 == dev.statistics().reported

    def test_results_may_have_more_room(self, dev):
        results = array.array("i", [7] * 3)
        dev.report_many(packed(2), results)
        assert [0, 7, 7] == list(results)

    @pytest.mark.parametrize("buffer", ["text", None, 48, [0] * 48])
    def test_what_is_no_buffer_is_a_type_error(self, dev, buffer):
        with pytest.raises(TypeError):
            dev.report_many(buffer)

    def test_numpy_arrays(self, dev):
        numpy = pytest.importorskip("numpy")
        dtype = iopf.page_request_dtype
        assert (48, dtype) == (dtype.itemsize, iopf.page_request_dtype)
        records = numpy.zeros(1000, dtype)
        records["type"], records["flags"], records["grpid"] = 1, RequestFlags.LAST_PAGE, numpy.arange(1000)
        results = numpy.full(1000, 9, "i4")
        assert 1000 == dev.report_many(records, results)
        assert (0, list(range(1000))) == (results.any(), [response.grpid for response in dev.responses])

    def test_a_numpy_array_that_is_not_contiguous_is_refused(self, dev):
        numpy = pytest.importorskip("numpy")
        with pytest.raises((ValueError, BufferError)):
            dev.report_many(numpy.zeros(10, iopf.page_request_dtype)[::2])

    def test_unknown_bits_come_through(self, runtime):
        """Flags and permissions that have no name are no reason to lose a request."""
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")
            queue.add(dev)
            groups = []
            dev.attach(groups.append)
            dev.report_many(struct.pack(iopf.PAGE_REQUEST_FORMAT, 1, 0, 0x82, 0, 0, 0x1F0, 0, 0, 0))
            (group,) = groups
            assert (0x82, 0x1F0) == (int(group.last.flags), int(group.last.perm))
            groups.pop().respond()


class TestInformation:
    def test_cores_are_listed_ours_first(self):
        cores = iopf.cores()
        assert ("iopf", "iopf", True) == (next(iter(cores)), cores["iopf"].name, cores["iopf"].claims_correct)
        assert all(core.title and core.summary for core in cores.values())

    def test_a_queue_takes_a_core_by_name_or_object(self, runtime):
        for core in ("iopf", iopf.cores()["iopf"]):
            with iopf.Queue("q", core=core, runtime=runtime) as queue:
                assert "iopf" == queue.core

    def test_build_info(self):
        info = iopf.build_info()
        assert {"flavours", "cores", "compiler", "flags", "sources"} <= set(info)
        assert (["native", "plain"], list(iopf.cores())) == (info["flavours"][:2], info["cores"])

    def test_warnings_are_counted_by_site_and_reason_and_can_be_cleared(self, dev, runtime):
        dev.detach(pasid=3)
        dev.detach(pasid=3)
        ((site, count),) = iopf.warnings().items()
        assert ("csrc/core/attach.c", "iommu_detach_device_pasid", "!handle", 2) == (
            site.file,
            site.function,
            site.reason,
            count,
        )
        assert f"csrc/core/attach.c:{site.line} iommu_detach_device_pasid: !handle" == str(site)
        iopf.clear_warnings()
        assert {} == iopf.warnings()

    def test_live_objects_by_place(self, runtime):
        assert {} == iopf.live_objects(detail=True)
        with iopf.Queue("q", runtime=runtime) as queue:
            queue.add(dev := iopf.Device("d"))
            by_function = {site.function: n for site, n in iopf.live_objects(detail=True).items()}
            assert (1, 1) == (by_function["iopf_queue_alloc"], by_function["iopf_queue_add_device"])
            assert sum(by_function.values()) - by_function.get("alloc_workqueue", 0) == 2
            queue.remove(dev)

    def test_live_objects_counts_what_cores_allocated(self, runtime):
        """A queue with its workqueue, a fault param, a handle, a partial, a group; no spaces, devices, Python objects."""
        counts = []
        space = iopf.AddressSpace()
        counts.append(iopf.live_objects())
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d")
            groups = []
            for step in (
                lambda: None,
                lambda: queue.add(dev),
                lambda: dev.attach(groups.append),
                lambda: dev.report(addr=0, last=False),
                lambda: dev.report(addr=0, grpid=1),
            ):
                step()
                counts.append(iopf.live_objects())
            groups.pop().respond()
        assert [0, 2, 3, 4, 5, 6] == counts
        assert [] == space.areas

    def test_statistics_are_frozen_snapshots(self, dev):
        before = dev.statistics()
        dev.report(addr=0)
        assert (0, 1) == (before.reported, dev.statistics().reported)
        with pytest.raises(AttributeError):
            before.reported = 5
        queue = dev.queue.statistics()
        assert (1, 1, 1, 1) == (queue.devices, queue.reported, queue.success, queue.answered)

    def test_responses_do_not_change_once_they_were_asked_for_and_can_be_cleared(self, dev):
        dev.report(addr=0, grpid=1)
        first = dev.responses
        dev.report(addr=0, grpid=2)
        assert (1, 2) == (len(first), len(dev.responses))
        dev.clear_responses()
        assert [1] == [response.grpid for response in first]
        dev.report(addr=0, grpid=3)
        assert [3] == [response.grpid for response in dev.responses]
        dev.clear_responses()
        assert ([], 3) == (dev.responses, dev.statistics().success)

    def test_a_device_that_records_nothing_still_counts(self, runtime):
        with iopf.Queue("q", runtime=runtime) as queue:
            dev = iopf.Device("d", record=False)
            queue.add(dev)
            dev.attach(iopf.Inline())
            dev.report(addr=0)
            assert ([], 1) == (dev.responses, dev.statistics().success)


class TestSpaces:
    def test_areas_split_and_merge(self):
        space = iopf.AddressSpace()
        space.map(0x1000, 0x5000, "rw")
        space.unmap(0x2000, 0x1000)
        space.protect(0x4000, 0x1000, "x")
        found = [(area.start, area.end, int(area.perm)) for area in space.areas]
        assert [(0x1000, 0x2000, 3), (0x3000, 0x4000, 3), (0x4000, 0x5000, 4), (0x5000, 0x6000, 3)] == found

    def test_errors_change_nothing(self):
        space = iopf.AddressSpace()
        space.map(0x2000, 0x1000, "r")
        before = space.areas
        for number, call in (
            (errno.EEXIST, lambda: space.map(0x1000, 0x2000, "r")),
            (errno.ENOENT, lambda: space.protect(0x1000, 0x2000, "r")),
        ):
            with pytest.raises(iopf.IopfError) as caught:
                call()
            assert (number, before) == (caught.value.errno, space.areas)
        space.unmap(0x5000, 0x1000)

    def test_after_exit_nothing_can_be_mapped(self):
        space = iopf.AddressSpace()
        space.exit()
        space.exit()
        with pytest.raises(iopf.IopfError) as caught:
            space.map(0, 0x1000, "r")
        assert (errno.ESRCH, True) == (caught.value.errno, space.exited)

    @pytest.mark.parametrize("count", [1, 15, 16, 17, 500])
    def test_many_areas(self, count):
        space = iopf.AddressSpace()
        for i in range(count):
            space.map(0x2000 * i, 0x1000, "r")
        assert [0x2000 * i for i in range(count)] == [area.start for area in space.areas]


def test_kernel_messages_go_to_logging(dev, caplog):
    """At level WARNING, to the logger "iopf", with the device's name."""
    queue, groups = dev.queue, []
    dev.replace(groups.append)
    _runtime.get(queue.runtime).lib.iopf_set_clock(1)
    try:
        dev.report(addr=0, grpid=77)
        queue.remove(dev)
        groups.pop().respond()
    finally:
        _runtime.get(queue.runtime).lib.iopf_set_clock(0)
    assert ("iopf", "WARNING", "d: response after removal dropped, group 77") == [
        (r.name, r.levelname, r.getMessage()) for r in caplog.records
    ][-1]
    assert sys.modules["iopf"] is iopf
