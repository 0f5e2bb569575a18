# SPDX-License-Identifier: GPL-2.0-only
"""The operands of scenarios: made by csrc/operands.py of csrc/explore/scenario/operands.h, which is to be edited."""

from __future__ import annotations

# fmt: off
#: Of an operation: its opcode, and of each value the operand, the name and the kind.
Row = tuple[str, tuple[tuple[str, str, str], ...]]

#: Operations of the framework by name.
FRAMEWORK: dict[str, Row] = {
    "report": ("XP_REPORT", (
        ("a", "device", "DEVICE"),
        ("b", "grpid", "ID"),
        ("c", "pasid", "ID"),
        ("d", "perm", "PERM"),
        ("e", "last", "REQUEST"),
        ("e", "type", "OTHER_TYPE"),
        ("e", "flags", "RAW_FLAGS"),
        ("f", "addr", "LOWER"),
        ("h", "addr", "UPPER"),
        ("g", "returns", "RESULT"),
    )),
    "respond": ("XP_RESPOND", (
        ("a", "device", "DEVICE"),
        ("b", "grpid", "ID"),
        ("c", "pasid", "ID"),
        ("d", "code", "CODE"),
        ("e", "free", "FLAG"),
    )),
    "remove": ("XP_REMOVE", (
        ("a", "queue", "QUEUE"),
        ("b", "device", "DEVICE"),
    )),
    "add": ("XP_ADD", (
        ("a", "queue", "QUEUE"),
        ("b", "device", "DEVICE"),
        ("g", "returns", "RESULT"),
    )),
    "flush": ("XP_FLUSH", (
        ("a", "device", "DEVICE"),
        ("g", "returns", "RESULT"),
    )),
    "discard_partial": ("XP_DISCARD", (
        ("a", "queue", "QUEUE_OR_NULL"),
        ("g", "returns", "RESULT"),
    )),
    "free_queue": ("XP_FREE_QUEUE", (
        ("a", "queue", "QUEUE_OR_NULL"),
    )),
    "try_queue": ("XP_TRY_QUEUE", (
        ("g", "returns", "RESULT"),
    )),
    "close": ("XP_CLOSE", (
        ("a", "device", "DEVICE"),
    )),
    "attach": ("XP_ATTACH", (
        ("a", "device", "DEVICE"),
        ("b", "handler", "HANDLER"),
        ("c", "pasid", "PASID"),
        ("d", "space", "SPACE_OF_SVA"),
        ("e", "nested", "FLAG"),
        ("g", "returns", "RESULT"),
    )),
    "detach": ("XP_DETACH", (
        ("a", "device", "DEVICE"),
        ("c", "pasid", "PASID"),
    )),
    "replace": ("XP_REPLACE", (
        ("a", "device", "DEVICE"),
        ("b", "handler", "HANDLER"),
        ("c", "pasid", "PASID"),
        ("d", "space", "SPACE_OF_SVA"),
        ("e", "nested", "FLAG"),
        ("g", "returns", "RESULT"),
    )),
    "exit": ("XP_EXIT", (
        ("a", "space", "SPACE"),
    )),
    "map": ("XP_MAP", (
        ("a", "space", "SPACE"),
        ("b", "start", "LOWER"),
        ("c", "start", "UPPER"),
        ("d", "perm", "MAPPED"),
        ("e", "length", "LENGTH"),
        ("f", "length", "UPPER"),
    )),
    "unmap": ("XP_UNMAP", (
        ("a", "space", "SPACE"),
        ("b", "start", "LOWER"),
        ("c", "start", "UPPER"),
        ("e", "length", "LENGTH"),
        ("f", "length", "UPPER"),
    )),
    "bind": ("XP_BIND", (
        ("a", "device", "DEVICE"),
        ("b", "space", "SPACE"),
        ("c", "pasid", "PASID"),
        ("g", "returns", "RESULT"),
    )),
    "unbind": ("XP_UNBIND", (
        ("a", "device", "DEVICE"),
        ("c", "pasid", "PASID"),
    )),
    "fail_next_alloc": ("XP_FAIL_ALLOC", (
        ("a", "n", "NATURAL"),
    )),
    "lock": ("XP_LOCK", (
        ("a", "lock", "LOCK"),
    )),
    "unlock": ("XP_UNLOCK", (
        ("a", "lock", "LOCK"),
    )),
    "repeat": ("XP_REPEAT", (
        ("a", "n", "TIMES"),
        ("b", "operations", "REPEATED"),
    )),
}

#: Low-level operations by name.
LOW_LEVEL: dict[str, Row] = {
    "load": ("XP_LOAD", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "order", "ORDER"),
        ("e", "size", "BYTES"),
    )),
    "store": ("XP_STORE", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "order", "ORDER"),
        ("e", "size", "BYTES"),
        ("f", "value", "NUMBER"),
    )),
    "rmw": ("XP_RMW", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "order", "ATOMIC_ORDER"),
        ("e", "size", "BYTES"),
        ("f", "value", "NUMBER"),
        ("g", "how", "HOW_RMW"),
    )),
    "cas": ("XP_CAS", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "order", "ATOMIC_ORDER"),
        ("e", "size", "BYTES"),
        ("f", "expected", "NUMBER"),
        ("g", "value", "NUMBER"),
    )),
    "ref": ("XP_REF", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_REF"),
        ("f", "value", "NUMBER"),
    )),
    "mutex": ("XP_MUTEX", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_MUTEX"),
    )),
    "rcu": ("XP_RCU", (
        ("a", "register", "RCU_REGISTER"),
        ("c", "offset", "RCU_OFFSET"),
        ("d", "how", "HOW_RCU"),
        ("f", "body", "RCU_BODY"),
    )),
    "alloc": ("XP_ALLOC", (
        ("a", "register", "REGISTER"),
        ("f", "size", "ALLOCATED"),
    )),
    "free": ("XP_FREE", (
        ("a", "register", "REGISTER"),
    )),
    "free_at": ("XP_FREE_AT", (
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
    )),
    "move": ("XP_MOVE", (
        ("a", "register", "REGISTER"),
        ("b", "source", "REGISTER_OR_NONE"),
        ("f", "value", "NUMBER"),
    )),
    "sum": ("XP_SUM", (
        ("a", "register", "REGISTER"),
        ("f", "value", "NUMBER"),
    )),
    "address": ("XP_ADDRESS", (
        ("a", "register", "REGISTER"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
    )),
    "skip": ("XP_SKIP", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("f", "records", "SKIPPED"),
        ("g", "nonzero", "FLAG"),
    )),
    "list": ("XP_LIST", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_LIST"),
        ("e", "head_base", "REGISTER_OR_NONE"),
        ("f", "head", "OFFSET"),
    )),
    "work_init": ("XP_WORK_INIT", (
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("f", "body", "BODY"),
    )),
    "queue_work": ("XP_QUEUE_WORK", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("f", "wq", "WORKQUEUE"),
    )),
    "wq": ("XP_WQ", (
        ("d", "how", "HOW_WQ"),
        ("f", "wq", "WORKQUEUE"),
        ("g", "workers", "NATURAL"),
    )),
    "out": ("XP_OUT", (
        ("a", "register", "REGISTER"),
    )),
    "await_": ("XP_AWAIT", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("e", "size", "BYTES"),
        ("f", "value", "NUMBER"),
    )),
    "recurse": ("XP_RECURSE", (
        ("f", "frames", "NATURAL"),
    )),
    "warn": ("XP_WARN", (
    )),
    "deref": ("XP_DEREF", (
        ("a", "register", "REGISTER"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "locked", "FLAG"),
    )),
    "publish": ("XP_PUBLISH", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
    )),
    "spin": ("XP_SPIN", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("e", "size", "BYTES"),
        ("f", "value", "NUMBER"),
    )),
    "spinlock": ("XP_SPINLOCK", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "SPINLOCK_BASE"),
        ("c", "offset", "SPINLOCK_OFFSET"),
        ("d", "how", "HOW_SPINLOCK"),
        ("f", "form", "FORM"),
    )),
    "completion": ("XP_COMPLETION", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_COMPLETION"),
    )),
    "waitqueue": ("XP_WAITQUEUE", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_WAITQUEUE"),
        ("e", "head_base", "REGISTER_OR_NONE"),
        ("f", "head", "OFFSET"),
        ("g", "value", "NUMBER"),
    )),
    "one_work": ("XP_ONE_WORK", (
        ("a", "register", "REGISTER_OR_NONE"),
        ("b", "base", "BASE"),
        ("c", "offset", "OFFSET"),
        ("d", "how", "HOW_ONE_WORK"),
    )),
}

#: Of kinds whose numbers have names: how their constants begin, and what follows.
WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "HANDLER": ("XP_H_", (
        "sva",
        "inline",
        "refuse",
        "held",
        "drop",
        "none",
    )),
    "ORDER": ("XP_", (
        "plain",
        "once",
        "relaxed",
        "acquire",
        "release",
        "acq_rel",
        "seq_cst",
    )),
    "ATOMIC_ORDER": ("XP_", (
        "relaxed",
        "acquire",
        "release",
        "acq_rel",
        "seq_cst",
    )),
    "HOW_RMW": ("XP_RMW_", (
        "add",
        "xchg",
    )),
    "HOW_REF": ("XP_REF_", (
        "set",
        "read",
        "inc",
        "inc_not_zero",
        "dec",
        "dec_and_test",
    )),
    "HOW_MUTEX": ("XP_MUTEX_", (
        "init",
        "lock",
        "trylock",
        "unlock",
        "is_locked",
        "destroy",
        "assert_held",
    )),
    "HOW_RCU": ("XP_RCU_", (
        "read_lock",
        "read_unlock",
        "synchronize",
        "barrier",
        "kfree",
        "call",
    )),
    "HOW_LIST": ("XP_LIST_", (
        "init",
        "add",
        "add_tail",
        "del",
        "del_init",
        "empty",
        "first",
    )),
    "HOW_WQ": ("XP_WQ_", (
        "new",
        "flush",
        "destroy",
    )),
    "HOW_SPINLOCK": ("XP_SPINLOCK_", (
        "init",
        "lock",
        "trylock",
        "unlock",
        "is_locked",
        "assert_held",
        "preempt_disable",
        "preempt_enable",
    )),
    "HOW_COMPLETION": ("XP_COMPLETION_", (
        "init",
        "complete",
        "complete_all",
        "wait",
        "wait_timeout",
        "try_wait",
        "done",
        "reinit",
    )),
    "HOW_WAITQUEUE": ("XP_WAITQUEUE_", (
        "init",
        "wake_up",
        "wait_event",
        "wait_event_timeout",
        "active",
    )),
    "HOW_ONE_WORK": ("XP_ONE_WORK_", (
        "flush",
        "cancel",
        "cancel_sync",
        "pending",
    )),
}
# fmt: on
