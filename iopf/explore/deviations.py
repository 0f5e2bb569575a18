# SPDX-License-Identifier: GPL-2.0-only
"""What upstream chose against its own documentation, commit by commit.

Such a failure is one, and nothing that a patch of today is to blame for: ``iopf check`` labels it with the commit, counts
it apart, and judges it with ``--strict`` alone. What makes a failure one is seen by the monitor in the execution itself
(csrc/explore/monitor/monitor.c): the path that the choice is about, on a core whose facets are those of the choice. It
says so in words of its own, so that the same kind by any other way, or on a core of another form, has another message and
another signature, and stays what it is. With the contract broken it is the driver's failure, and nobody's choice.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEVIATIONS", "Deviation", "chosen"]


class Deviation(NamedTuple):
    """A choice of upstream's."""

    #: the commit that made it
    commit: str
    #: of failure, and the message, word for word
    kind: str
    message: str
    #: what the commit made of it
    chose: str
    #: what the documentation says that it has not changed
    documented: str

    @property
    def label(self) -> str:
        """In a sentence."""
        return f"upstream chose this in {self.commit}: {self.chose}, though {self.documented}"


DEVIATIONS = (
    Deviation(
        "738e6f32e61d",
        "late-response",
        "the answer came when removal was over, from the owner of a group that was dequeued",
        "a group that its handler dequeued is answered by its owner, whenever that is",
        "iopf_queue_remove_device() is documented to acknowledge all that is outstanding",
    ),
    Deviation(
        "b554e396e51c",
        "wrong-code",
        "report answered FAILURE where nobody handles the request, and INVALID is documented",
        "what report can't hand over is aborted with FAILURE, whatever the reason",
        "INVALID is documented for a request that cannot be handled, and FAILURE for a device that is to stop",
    ),
)


def chosen(kind: str, message: str, contract: str) -> Deviation | None:
    """The choice of upstream's that a failure is; None: nobody chose it."""
    if contract != "kept":
        return None
    return next((one for one in DEVIATIONS if (one.kind, one.message) == (kind, message)), None)
