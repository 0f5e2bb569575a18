# SPDX-License-Identifier: GPL-2.0-only
"""The names of the kernel's API that a core may use: the one table of what is real, what is a stub, and what is refused.

Real has the kernel's semantics on every runtime. A stub compiles and does nothing, where nothing could be noticed. What is
refused makes an error in the line that uses it, which says what there is in its place; the text is the header's.

``tests/explore/test_kernel_api.py`` walks the table: each name of it compiles in a kernel file, or is refused so.
"""

from __future__ import annotations

__all__ = ["REAL", "REFUSED", "STUBS"]

_REAL = {
    "cleanup.h": """
        guard scoped_guard scoped_cond_guard __free no_free_ptr return_ptr retain_and_null_ptr CLASS DEFINE_FREE DEFINE_CLASS
        EXTEND_CLASS DEFINE_GUARD DEFINE_GUARD_COND DEFINE_LOCK_GUARD_1
    """,
    "list.h": """
        INIT_LIST_HEAD LIST_HEAD list_add list_add_tail list_del list_del_init list_move list_move_tail list_splice
        list_splice_tail list_splice_init list_splice_tail_init list_replace list_replace_init list_swap list_bulk_move_tail
        list_cut_position list_rotate_left list_empty list_empty_careful list_is_singular list_is_first list_is_last
        list_is_head list_count_nodes list_entry list_first_entry_or_null list_last_entry_or_null list_next_entry
        list_prev_entry list_entry_is_head list_for_each list_for_each_prev list_for_each_safe list_for_each_entry_reverse
        list_for_each_entry_from list_for_each_entry_continue list_for_each_entry_continue_reverse
        list_for_each_entry_safe_from list_for_each_entry_safe_continue list_for_each_entry_safe_reverse
        HLIST_HEAD INIT_HLIST_HEAD INIT_HLIST_NODE hlist_empty hlist_unhashed hlist_add_head hlist_add_before
        hlist_add_behind hlist_del hlist_del_init hlist_move_list hlist_is_singular_node hlist_entry hlist_for_each
        hlist_for_each_safe hlist_for_each_entry hlist_for_each_entry_safe hlist_for_each_entry_from
        hlist_for_each_entry_continue
    """,
    "llist.h": """
        LLIST_HEAD init_llist_head llist_empty llist_add llist_add_batch llist_del_all llist_del_first llist_next
        llist_reverse_order llist_entry llist_for_each llist_for_each_safe llist_for_each_entry llist_for_each_entry_safe
    """,
    "rculist.h": """
        list_add_rcu list_add_tail_rcu list_del_rcu list_replace_rcu list_splice_init_rcu INIT_LIST_HEAD_RCU list_entry_rcu
        list_first_or_null_rcu list_for_each_entry_rcu hlist_add_head_rcu hlist_del_rcu hlist_del_init_rcu hlist_replace_rcu
        hlist_for_each_entry_rcu
    """,
    "slab.h": """
        kmalloc kzalloc kcalloc kmalloc_array krealloc krealloc_array kmemdup kmemdup_nul kstrdup kstrndup kasprintf ksize
        kfree kfree_sensitive kvmalloc kvzalloc kvcalloc kvfree kmalloc_obj kzalloc_obj kzalloc_objs kzalloc_flex
        kmem_cache_create KMEM_CACHE kmem_cache_alloc kmem_cache_zalloc kmem_cache_free kmem_cache_destroy GFP_KERNEL
        GFP_KERNEL_ACCOUNT GFP_ATOMIC GFP_NOWAIT __GFP_NOFAIL __GFP_NOWARN
    """,
    "overflow.h": "struct_size array_size size_add size_mul check_add_overflow check_sub_overflow check_mul_overflow",
    "rcupdate.h": """
        rcu_read_lock rcu_read_unlock rcu_read_lock_held rcu_assign_pointer rcu_dereference_raw rcu_access_pointer
        rcu_replace_pointer rcu_pointer_handoff call_rcu synchronize_rcu rcu_barrier kfree_rcu kfree_rcu_mightsleep
        rcu_head_init rcu_head_after_call_rcu
    """,
    "srcu.h": """
        DEFINE_STATIC_SRCU init_srcu_struct cleanup_srcu_struct srcu_read_lock srcu_read_unlock srcu_read_lock_held srcu_dereference
        srcu_dereference_check synchronize_srcu synchronize_srcu_expedited call_srcu srcu_barrier
    """,
    "mutex.h": "DEFINE_MUTEX mutex_init mutex_lock mutex_unlock mutex_is_locked mutex_destroy",
    "spinlock.h": """
        DEFINE_SPINLOCK spin_lock_init spin_lock spin_unlock spin_is_locked assert_spin_locked raw_spin_lock_init
    """,
    "rwsem.h": """
        DECLARE_RWSEM init_rwsem down_read down_read_trylock down_read_killable up_read down_write down_write_trylock down_write_killable
        up_write downgrade_write rwsem_is_locked rwsem_assert_held rwsem_assert_held_write
    """,
    "lockdep.h": """
        lockdep_assert_held lockdep_assert_not_held lockdep_assert_held_read lockdep_assert_held_write lockdep_assert
        lockdep_assert_once lockdep_set_class lockdep_set_class_and_name might_lock
    """,
    "completion.h": "DECLARE_COMPLETION init_completion complete complete_all wait_for_completion",
    "workqueue.h": """
        DECLARE_WORK DECLARE_DELAYED_WORK alloc_workqueue alloc_ordered_workqueue destroy_workqueue flush_workqueue drain_workqueue queue_work queue_work_on
        schedule_work INIT_WORK_ONSTACK flush_work cancel_work_sync work_pending work_busy current_work WQ_UNBOUND
        WQ_HIGHPRI WQ_MEM_RECLAIM WQ_FREEZABLE WQ_CPU_INTENSIVE WQ_SYSFS WQ_POWER_EFFICIENT WQ_PERCPU system_wq
        system_unbound_wq system_percpu_wq system_dfl_wq system_highpri_wq system_long_wq INIT_DELAYED_WORK_ONSTACK
        to_delayed_work queue_delayed_work mod_delayed_work flush_delayed_work cancel_delayed_work cancel_delayed_work_sync
        delayed_work_pending schedule_delayed_work
    """,
    "timer.h": """
        DEFINE_TIMER timer_setup mod_timer add_timer timer_pending timer_delete timer_delete_sync timer_shutdown_sync del_timer_sync
        timer_container_of from_timer
    """,
    "jiffies.h": """
        jiffies HZ time_after time_before time_after_eq time_before_eq time_is_before_jiffies time_is_after_jiffies
        msecs_to_jiffies jiffies_to_msecs usecs_to_jiffies secs_to_jiffies
    """,
    "ktime.h": """
        ktime_get ktime_get_ns ktime_sub ktime_add_ms ktime_to_ms ktime_to_us us_to_ktime ms_to_ktime ktime_compare
        ktime_after ktime_before ktime_us_delta
    """,
    "delay.h": "msleep usleep_range fsleep udelay",
    "atomic.h": " ".join(
        f"{p}_{name}"
        for p in ("atomic", "atomic_long", "atomic64")
        for name in """
            read set read_acquire set_release add sub inc dec and or xor andnot add_return sub_return inc_return dec_return
            fetch_add fetch_sub fetch_inc fetch_dec fetch_and fetch_or fetch_xor sub_and_test dec_and_test inc_and_test
            add_negative add_unless fetch_add_unless inc_not_zero inc_unless_negative dec_unless_positive dec_if_positive
            xchg cmpxchg try_cmpxchg
        """.split()
    )
    + " xchg cmpxchg try_cmpxchg xchg_acquire xchg_release xchg_relaxed cmpxchg_acquire cmpxchg_release cmpxchg_relaxed",
    "barrier.h": """
        smp_mb smp_rmb smp_wmb mb rmb wmb dma_rmb dma_wmb smp_mb__before_atomic smp_mb__after_atomic smp_mb__after_spinlock
        smp_store_mb smp_store_release smp_load_acquire smp_cond_load_acquire smp_cond_load_relaxed
        smp_acquire__after_ctrl_dep barrier
    """,
    "bitops.h": """
        set_bit clear_bit change_bit test_bit test_and_set_bit test_and_clear_bit test_and_change_bit test_and_set_bit_lock
        clear_bit_unlock __set_bit __clear_bit BIT BIT_ULL GENMASK GENMASK_ULL DECLARE_BITMAP
    """,
    "kref.h": "kref_init kref_read kref_get kref_get_unless_zero kref_put KREF_INIT",
    "xarray.h": """
        DEFINE_XARRAY_ALLOC xa_init xa_init_flags xa_load xa_store xa_insert xa_erase xa_cmpxchg xa_alloc xa_alloc_cyclic xa_find xa_find_after
        xa_for_each xa_for_each_start xa_for_each_range xa_empty xa_destroy xa_lock xa_unlock xa_lock_irqsave
        xa_unlock_irqrestore __xa_store __xa_insert __xa_erase __xa_cmpxchg xa_err xa_is_err xa_mk_value xa_to_value
        xa_is_value XA_LIMIT xa_limit_32b XA_FLAGS_ALLOC1 XA_FLAGS_LOCK_IRQ XA_FLAGS_LOCK_BH
    """,
    "bug.h": "BUG BUG_ON VM_BUG_ON VM_WARN_ON VM_WARN_ON_ONCE",
    "build_bug.h": "static_assert BUILD_BUG_ON BUILD_BUG_ON_MSG BUILD_BUG_ON_ZERO BUILD_BUG",
    "minmax.h": "min max min3 max3 min_t max_t clamp clamp_t clamp_val min_not_zero umin umax swap",
    "kernel.h": "might_sleep might_sleep_if ARRAY_SIZE container_of container_of_const",
    "kconfig.h": "IS_ENABLED IS_BUILTIN IS_MODULE IS_REACHABLE",
    "err.h": "ERR_PTR IS_ERR PTR_ERR_OR_ZERO ERR_CAST",
    "sched.h": "cond_resched cpu_relax",
    "printk.h": """
        printk no_printk KERN_ERR pr_emerg pr_alert pr_crit pr_err pr_warn pr_notice pr_info pr_debug pr_err_once
        pr_warn_once pr_info_once pr_debug_once pr_err_ratelimited pr_warn_ratelimited pr_info_ratelimited
        pr_debug_ratelimited
    """,
    "dev_printk.h": """
        dev_emerg dev_alert dev_crit dev_err dev_warn dev_notice dev_info dev_dbg dev_err_once dev_warn_once dev_info_once
        dev_dbg_once dev_err_ratelimited dev_info_ratelimited dev_dbg_ratelimited
    """,
}

#: Name to the header of ``linux/`` that has it, with the kernel's semantics.
REAL: dict[str, str] = {name: header for header, names in _REAL.items() for name in names.split()}

#: Name to why doing nothing is all there is to do.
STUBS: dict[str, str] = {
    **dict.fromkeys(
        ("EXPORT_SYMBOL", "EXPORT_SYMBOL_GPL", "EXPORT_SYMBOL_NS", "EXPORT_SYMBOL_NS_GPL", "EXPORT_SYMBOL_FOR_MODULES"),
        "a core is called by its table; the symbol has to exist",
    ),
    **dict.fromkeys(
        ("MODULE_LICENSE", "MODULE_AUTHOR", "MODULE_DESCRIPTION", "MODULE_IMPORT_NS"), "a core is no module"
    ),
    **dict.fromkeys(
        ("trace_io_page_fault", "trace_io_page_fault_enabled"), "tracepoints are switched off: nothing is evaluated"
    ),
    **dict.fromkeys(("lockdep_register_key", "lockdep_unregister_key"), "keys need no registration"),
    **dict.fromkeys(
        ("init_rcu_head", "destroy_work_on_stack", "destroy_delayed_work_on_stack"),
        "for debugobjects, which is not here",
    ),
}  # fmt: skip

#: Name to a use that is refused, and what the error says beside the name.
REFUSED: dict[str, tuple[str, str]] = {
    "rhashtable": ("struct rhashtable table; (void)table;", "use an xarray (linux/xarray.h), or hlist buckets under a lock"),
    "rhashtable_init": ("return rhashtable_init(NULL, NULL);", "use an xarray (linux/xarray.h), or hlist buckets under a lock"),
    "rhashtable_insert_fast": ("return rhashtable_insert_fast(NULL, NULL, 0);", "use xa_insert() (linux/xarray.h), or hlist_add_head_rcu()"),
    "rhashtable_lookup_fast": ("return !rhashtable_lookup_fast(NULL, NULL, 0);", "use xa_load() (linux/xarray.h), or hlist_for_each_entry_rcu()"),
    "XA_STATE": ("XA_STATE(state, NULL, 0);", "use xa_load(), xa_store() and xa_for_each(), under xa_lock() where need be"),
    "xa_set_mark": ("xa_set_mark(NULL, 0, 0);", "keep the mark in the entry"),
    "xa_store_range": ("return !xa_store_range(NULL, 0, 1, NULL, 0);", "store each index by itself"),
    "kref_put_mutex": ("return kref_put_mutex(NULL, NULL, NULL);", "take the mutex around kref_put()"),
    "kref_put_lock": ("return kref_put_lock(NULL, NULL, NULL);", "take the lock around kref_put()"),
    "SLAB_TYPESAFE_BY_RCU": ("return SLAB_TYPESAFE_BY_RCU;", "free the objects with kfree_rcu(), readers keep them then"),
    "WQ_BH": ("return WQ_BH;", "there is no softirq to run works in"),
    "module_init": ("module_init(run)", "nobody runs it, set up in iopf_queue_alloc() what is needed"),
    "module_exit": ("module_exit(run)", "nobody runs it"),
    "core_initcall": ("core_initcall(run)", "nobody runs it"),
    "subsys_initcall": ("subsys_initcall(run)", "nobody runs it"),
    "TRACE_EVENT": ("TRACE_EVENT(name, 0)", "say it with dev_dbg(), or leave the trace header out"),
}  # fmt: skip
