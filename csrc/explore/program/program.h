/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * program/: a scenario as it runs, in the fibers: the interpreter of its operations, those over bare primitives, and the
 * driver of its devices.
 *
 * The room may use monitor/, whom it tells what happens, names/, scenario/, driver/ and the explorer's runtime.
 */
#ifndef IOPF_EXPLORE_PROGRAM_H
#define IOPF_EXPLORE_PROGRAM_H

#include "monitor/tell.h"

struct mm_struct;
struct vm_area_struct;

#pragma GCC visibility push(hidden)

void program_main(void);	/* task 0 */
void program_quiet(void);
/* lowlevel.c */
int lowlevel_run(int i, int end, s64 *registers);
void lowlevel_begin(void);
void lowlevel_end(void);
void program_records(const struct section *section, s64 *registers);

/* --- driver.c: devices, what is attached to them, what they report and count --- */

struct device *driver_device_new(int index, const struct record *definition);
struct device *driver_device(int index);
void driver_reset(void);
int driver_attach(const struct attaching *a, int space);
void driver_detach(int device, int pasid);
int driver_report(const struct record *r);
struct mutex *driver_lock(int index);
void driver_free_locks(void);
void driver_check_counts(void);
int driver_try_queue(void);
extern bool driver_asks_under_lock;	/* also where the core does not promise it */
void driver_name_lock(const struct lock_class *class, char *text, size_t capacity);

/* --- handlers.c: who takes groups, and those that are held --- */

extern struct op_class op_respond;

void handlers_reset(void);
int (*driver_handler(int handler))(struct iopf_group *group);
/* page_response answers a group of that key from inside. */
void handler_answers_inside(int device, u32 grpid, u32 pasid);
long handlers_repeated(int device);
int driver_respond(const struct record *r, bool gives_up);
bool driver_is_held(int device, u32 grpid, u32 pasid);
void driver_answer_held(void);
u64 driver_held_addr(int device, u32 grpid, u32 pasid);

/* --- processes.c: address spaces, and what they say of a page --- */

void process_new(int process, struct mm_struct *mm);
void process_resolves(struct mm_struct *mm, const struct vm_area_struct *vma, u64 addr, const void *pc);
void process_faulted_in(unsigned long addr, unsigned int flags, bool failed, const void *pc);
/* What the domain that is attached resolves against, with a reference; NULL: the process has exited. */
struct mm_struct *process_mm(const struct attaching *a, int space);
void driver_exit(int process);
void driver_map(const struct record *r);
/* Those that have not exited do. */
void driver_end_processes(void);

#pragma GCC visibility pop

#endif
