// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of the tree of choices, as jobs: what is left of one is written down, divided, and taken up again, here or in
 * another process.
 *
 * A job is a path, and of each node which tasks were tried there before; of the nodes that are the job's own, also its
 * backtrack set. That is small, and nothing in it is an address. The sleep sets are not in it: they are the steps of the
 * tasks that were tried, and whoever takes the job up executes each of these once more, as far as its one step. The
 * numbers of tasks are those of the search that wrote it, so it has these, too.
 *
 * Division. A node is closed when it is divided: all that are enabled there and neither tried nor asleep become jobs, each
 * of which takes those before it for tried, as if it came after them. So no race that is found in any job can ask for more
 * at a closed node, and jobs have nothing to tell each other. What DPOR would not have asked for there is a superset that
 * sleep sets keep from repeating a class: the classes are the same, and some more executions end asleep (as measured in
 * prefix splitting of other explorers: Simsa et al., "Scalable Dynamic Partial Order Reduction", RV 2012, close nodes
 * likewise). Nodes are closed from the root of the job on, since whoever is below a node may ask for more at it: where one
 * is divided, all above it have to be.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

#define MOST_JOBS 256

static const struct xp_job *given;
static int entered;		/* nodes of it that were executed up to */
static bool fits;
static struct probe {
	int depth;		/* of the node where a task is tried that was tried before; INT_MAX: none is */
	u8 task, alternative, alternatives;
} probe = { .depth = INT_MAX };

static int does_not_fit(void)
{
	fits = false;
	return -2;
}

/* The node of a job as it was given. */
static bool restore(struct node *node, const struct xp_job_node *wanted)
{
	bool last = engine.depth == given->nr_nodes - 1;

	node->alternatives_done = wanted->alternatives_done;
	node->done = wanted->done;
	/* What is asked for at others' nodes is done by others. */
	node->backtrack = engine.depth < path_part.floor ? ~0ull : wanted->backtrack & node->enabled;
	node->alternative = wanted->alternative;
	if (last ? !path_next_alternative(node) : node->alternative >= node->alternatives)
		return false;
	if (engine.depth < path_part.floor)
		node->left = path_part.mass;
	if (engine.depth < path_part.floor - path_part.alternatives)
		node->share = path_part.mass;
	else
		path_take_share(node);
	return true;
}

static int pick_given(struct node *node, u64 enabled, int previous)
{
	const struct xp_job_node *wanted = &given->nodes[engine.depth];
	bool probes = engine.depth == probe.depth;

	if (engine.depth > probe.depth)
		return -1;
	if (engine.depth >= entered) {
		path_enter(node, enabled, previous);
		entered = engine.depth + 1;
	}
	node->task = probes ? probe.task : wanted->task;
	if (!(node->enabled >> node->task & 1))
		return does_not_fit();
	node->alternatives = (u8)path_alternatives_of(node->task);
	if (probes) {
		probe.alternatives = node->alternatives;
		node->alternative = probe.alternative;
		if (probe.alternative >= probe.alternatives)
			return does_not_fit();
	} else if (!restore(node, wanted)) {
		return does_not_fit();
	}
	engine.alternative = node->alternative;
	return node->task;
}

static const struct strategy strategy_probe = { .name = "probe", .wants_footprints = true, .pick = path_pick };

/* One step of a task that was tried at a node, so that it can sleep there. */
static bool try_again(int depth, int task, int alternative)
{
	probe = (struct probe){ .depth = depth, .task = (u8)task, .alternative = (u8)alternative };
	path_part.given = depth + 2;
	engine.strategy = &strategy_probe;
	engine_run();
	probe.depth = INT_MAX;
	if (!fits || engine.end == END_STOPPED)
		return false;
	if (engine.depth != depth + 1)
		return fits = false;
	path_go_back(depth);
	return true;
}

static bool try_all_again(int depth)
{
	const struct xp_job_node *node = &given->nodes[depth];
	u64 left;
	int i;

	for (left = node->done; left; left &= left - 1) {
		i = 0;
		do {
			if (!try_again(depth, __builtin_ctzll(left), i))
				return false;
		} while (++i < probe.alternatives);
	}
	for (left = node->alternatives_done; left; left &= left - 1)
		if (!try_again(depth, node->task, __builtin_ctzll(left)))
			return false;
	return true;
}

static bool is_sound(const struct xp_job *job)
{
	u64 tasks;
	int i;

	if (job->nr_nodes < 0 || job->nr_nodes >= engine.max_steps || job->floor < 0 || job->floor > job->nr_nodes)
		return false;
	for (i = 0; i < job->nr_tasks; i++)
		if (!engine_number_task(job->tasks[i].parent, job->tasks[i].nth))
			return false;
	tasks = engine.nr_ids == 63 ? ~1ull : (1ull << (engine.nr_ids + 1)) - 2;
	for (i = 0; i < job->nr_nodes; i++)
		if (job->nodes[i].task >= MAX_TASKS || !(tasks >> job->nodes[i].task & 1) || job->nodes[i].done & ~tasks ||
		    job->nodes[i].done >> job->nodes[i].task & 1)
			return false;
	return true;
}

/* The rules are those of the strategy, whose begin() has just been called. */
enum job_taken job_take(const struct xp_job *job)
{
	int i;

	fits = is_sound(job);
	if (!fits)
		return JOB_DOES_NOT_FIT;
	given = job;
	entered = 0;
	path_part.pick = pick_given;
	path_part.floor = job->floor;
	path_part.alternatives = job->floor && job->alternatives;
	path_part.mass = job->mass;
	for (i = 0; i < job->nr_nodes && path_rules.sleep; i++)
		if (!try_all_again(i))
			return fits ? JOB_STOPPED : JOB_DOES_NOT_FIT;
	path_part.given = path_kept = job->nr_nodes;
	return JOB_TAKEN;
}

/* --- what is left --- */

static struct xp_job jobs[MOST_JOBS];
static int nr_jobs;
static struct xp_task *tasks;	/* the same for all of them */

static void forget(void)
{
	while (nr_jobs)
		free((void *)jobs[--nr_jobs].nodes);
	free(tasks);
	tasks = NULL;
}

static struct xp_job *write_down(int nr_nodes, int floor, double mass)
{
	struct xp_job_node *nodes = calloc((size_t)nr_nodes + 1, sizeof(*nodes));
	struct xp_job *job = &jobs[nr_jobs];
	int i;

	if (!nodes)
		return NULL;
	for (i = 0; i < nr_nodes; i++) {
		const struct node *node = &engine.nodes[i];
		bool begun = i < nr_nodes - 1 || node->alternatives;

		nodes[i] = (struct xp_job_node){
			.task = node->task, .alternative = begun ? node->alternative : 0, .done = node->done,
			.alternatives_done = begun ? node->alternatives_done : 0,
			.backtrack = i < floor ? 0 : node->backtrack,
		};
	}
	*job = (struct xp_job){
		.nodes = nodes, .nr_nodes = nr_nodes, .floor = floor, .alternatives = floor > 0, .mass = mass > 0 ? mass : 0, .bound = path_bound,
		.tasks = tasks, .nr_tasks = engine.nr_ids,
	};
	nr_jobs++;
	return job;
}

/* All that may still be tried at a node but for what is being tried, each as a job. The mass that they took. */
static double give_away(int depth)
{
	struct node *node = &engine.nodes[depth];
	u64 left = node->enabled & ~node->asleep & ~node->done & ~(1ull << node->task), before = node->done | 1ull << node->task;
	double part, mass = 0;

	if (path_rules.all)
		left &= node->backtrack;
	/* Its own task may have alternatives left. */
	part = node->left / (__builtin_popcountll(left) + 1);
	for (; left; left &= left - 1) {
		struct xp_job *job = write_down(depth + 1, depth + 1, part);
		struct xp_job_node *last = job ? (struct xp_job_node *)&job->nodes[depth] : NULL;

		if (!job)
			return -1;
		*last = (struct xp_job_node){ .task = (u8)__builtin_ctzll(left), .done = before };
		before |= left & -left;
		mass += part;
	}
	node->left -= mass;
	return mass;
}

/* The alternatives that the node's task has left. */
static double give_alternatives_away(int depth)
{
	struct node rest = engine.nodes[depth];
	struct xp_job *job;

	rest.alternatives_done |= 1ull << rest.alternative;
	if (!path_next_alternative(&rest))
		return 0;
	job = write_down(depth + 1, depth + 1, rest.left);
	if (!job)
		return -1;
	((struct xp_job_node *)job->nodes)[depth].alternatives_done = rest.alternatives_done;
	return rest.left;
}

/*
 * What is left of the tree, or of the job that was taken, between two executions: at least so many jobs, if there is
 * enough to divide. -1: no memory.
 */
int job_rest(int wanted)
{
	double mass = path_part.mass - path_mass;
	int depth, i;

	forget();
	tasks = calloc((size_t)engine.nr_ids + 1, sizeof(*tasks));
	if (!tasks)
		return -1;
	for (i = 0; i < engine.nr_ids; i++)
		tasks[i] = (struct xp_task){ .parent = engine.tasks[i + 1].parent, .nth = engine.tasks[i + 1].nth };
	for (depth = path_part.floor; depth < path_kept && nr_jobs + 1 < wanted && nr_jobs < MOST_JOBS - MAX_TASKS; depth++) {
		/* The node above is nobody's any more. */
		double given_away = path_part.alternatives ? give_alternatives_away(depth - 1) : 0;

		if (given_away < 0)
			return -1;
		mass -= given_away;
		given_away = give_away(depth);
		if (given_away < 0)
			return -1;
		mass -= given_away;
		path_part.floor = depth + 1;
		path_part.alternatives = 1;
	}
	if (!write_down(path_kept, path_part.floor, mass))
		return -1;
	jobs[nr_jobs - 1].alternatives = path_part.alternatives;
	return nr_jobs;
}

const struct xp_job *xp_job(int index)
{
	return index >= 0 && index < nr_jobs ? &jobs[index] : NULL;
}
