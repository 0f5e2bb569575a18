# SPDX-License-Identifier: GPL-2.0-only
"""Cores: those of the build, and those that are compiled from a user's file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

import iopf  # whose classes are loaded when somebody asks for the types of the fields

from ._hints import unknown

if TYPE_CHECKING:  # what is compiled takes longer to load than most programs run
    import ctypes

    from ._facets import Facets
    from ._runtime import Runtime
    from ._source import CompiledCore, Prepared

__all__ = ["Core", "cores", "named", "resolve"]


@dataclass(frozen=True)
class Core:
    """One implementation of the framework: what ``Queue(core=)`` and ``explore(core=)`` take, as well as its name.

    A core is native code and runs in this process. Ours is safe in any use; the kernel's forms trust their driver, and
    have the bugs of their time: what :attr:`hazards` names corrupts memory or hangs when it happens on a queue. In
    :mod:`iopf.explore` everything is safe: it runs the same code in a memory of its own.
    """

    name: str
    title: str
    #: the upstream commit that it re-creates, or ""
    commit: str
    #: releases that carry it, or ""
    releases: str
    summary: str
    #: a failure of it, with its contract kept, is a bug and not history
    claims_correct: bool
    #: the file that it is compiled from; None: it is part of the build
    source: Path | None = None
    #: how that file's form differs
    facets: iopf.Facets | None = field(default=None, repr=False)
    compiler: str | None = field(default=None, repr=False)

    @property
    def hazards(self) -> tuple[str, ...]:
        """What breaks it on a queue, by name, gravest first; ours: nothing. ``iopf.HAZARDS`` says what each one is.

        For a file it is what its form is known for; nobody knows its own bugs.
        """
        from . import _runtime

        runtime = _runtime.get("native")
        return runtime.hazards_of(resolve(self, runtime))

    @classmethod
    def from_source(
        cls,
        path: str | os.PathLike[str],
        *,
        facets: Facets | Mapping[str, str | bool] | None = None,
        name: str | None = None,
        cc: str | None = None,
    ) -> Core:
        """A core from an unmodified ``drivers/iommu/io-pgfault.c``, v6.9 or newer.

        This compiles the file and, once it is used, **runs** it in this process: do it with files that you trust. What
        was compiled is kept in the user's cache directory, or where ``IOPF_CACHE_DIR`` says; nothing is written beside
        the file, which is a regular file of at most 4 MiB.

        :param facets: instead of what the text shows, wholly or in part, see :class:`iopf.Facets`
        :param name: in tables and traces; else the file's name
        :param cc: the compiler; else $CC, gcc, cc or clang
        :raises CoreSourceError: no compiler, the file does not compile (with the compiler's first error), or its form
            is not known
        """
        return cls._from_source(path, "native", facets=facets, name=name, cc=cc)

    @classmethod
    def _from_source(
        cls,
        path: str | os.PathLike[str],
        runtime: str,
        *,
        facets: Facets | Mapping[str, str | bool] | None = None,
        name: str | None = None,
        cc: str | None = None,
    ) -> Core:
        """The same, compiled for the runtime that it is wanted on first."""
        core = cls._of_source(path, runtime, facets=facets, name=name, cc=cc)
        core.compile_for(runtime)
        return core

    @classmethod
    def _of_source(
        cls,
        path: str | os.PathLike[str],
        runtime: str,
        *,
        facets: Facets | Mapping[str, str | bool] | None = None,
        name: str | None = None,
        cc: str | None = None,
    ) -> Core:
        """The same, read and not yet compiled: an error of the compiler's comes when it is."""
        from ._source import prepare

        read = prepare(path, runtime, facets=facets, cc=cc, name=name)
        return cls(
            read.shown, read.facets.form, "", "", f"Compiled from {read.source}", True, read.source, read.facets, cc
        )

    def compile_for(self, runtime: str) -> CompiledCore:
        """The compiled core for a runtime, from the cache when it is there: a CompiledCore. Internal."""
        from ._source import compile_core

        assert self.source is not None
        return compile_core(self.source, runtime, facets=self.facets, cc=self.compiler, name=self.name)

    def prepared_for(self, runtime: str) -> Prepared:
        """The file as it will be compiled for a runtime. Internal."""
        from ._source import prepare

        assert self.source is not None
        return prepare(self.source, runtime, facets=self.facets, cc=self.compiler, name=self.name)

    def __str__(self) -> str:
        return self.name


@overload
def named(text: str, facets: Mapping[str, str | bool] | None = None) -> Core | str: ...


@overload
def named(text: None, facets: Mapping[str, str | bool] | None = None) -> None: ...


def named(text: str | None, facets: Mapping[str, str | bool] | None = None) -> Core | str | None:
    """What a command line's --core means: a name, or a Core of the file that it names by ending in .c; None stays."""
    if text is not None and text.endswith(".c"):
        return Core.from_source(text, facets=facets)
    if facets:
        raise ValueError("--facet is about the kernel file that --core names, and there is none")
    return text


def cores() -> dict[str, Core]:
    """The cores of this build by name, ours first. All but ours can break the process: see :attr:`Core.hazards`."""
    from . import _runtime

    return {name: Core(**info) for name, info in _runtime.get("native").core_info.items()}


#: Shared objects by runtime and source file with the state in which it was compiled. They stay loaded.
_loaded: dict[tuple[str, str], tuple[ctypes.CDLL, str]] = {}


def resolve(core: Core | str, runtime: Runtime) -> str:
    """The name under which a core, or the name of one, is known to a run runtime; it is loaded when it has to be."""
    if isinstance(core, str):
        name = core
    elif isinstance(core, Core) and core.source is not None:
        import ctypes

        compiled = core.compile_for(runtime.name)
        key = (runtime.name, str(compiled.library))
        if key not in _loaded:
            library = ctypes.CDLL(str(compiled.library), mode=os.RTLD_NOW | os.RTLD_LOCAL)
            address = ctypes.addressof(ctypes.c_char.in_dll(library, compiled.symbol))
            # Two states of one file are two cores: the directory's name is a hash of all that went into it.
            unique = f"{core.name} ({compiled.library.parent.name[:8]})"
            runtime.cores[unique] = runtime.ffi.cast("iopf_core *", address)
            _loaded[key] = library, unique
        return _loaded[key][1]
    elif isinstance(core, Core):
        name = core.name
    else:
        raise TypeError(f"core is the name of a core or a Core, not {type(core).__name__}")
    if name not in runtime.cores:
        raise ValueError(unknown("core", name, runtime.core_info))
    return name
