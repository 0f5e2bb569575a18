// SPDX-License-Identifier: GPL-2.0-only
/*
 * An execution aside: one that the search did not choose, run in between to settle a question of its own. After it the
 * path of the search is as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "search.h"

bool aside_begin(struct aside *a)
{
	size_t size = (size_t)(engine.depth + 1) * sizeof(*engine.nodes);

	*a = (struct aside){
		.strategy = engine.strategy, .depth = engine.depth, .fresh = engine.fresh_from, .end = engine.end,
		.preemptions = engine.preemptions, .hash = engine.hash, .footprint = hb_footprint_top, .nodes = malloc(size),
	};
	if (a->nodes)
		memcpy(a->nodes, engine.nodes, size);
	return a->nodes;
}

void aside_end(struct aside *a)
{
	memcpy(engine.nodes, a->nodes, (size_t)(a->depth + 1) * sizeof(*engine.nodes));
	free(a->nodes);
	engine.strategy = a->strategy;
	engine.depth = a->depth;
	engine.fresh_from = a->fresh;
	engine.end = a->end;
	engine.preemptions = a->preemptions;
	engine.hash = a->hash;
	engine.nr_findings = 0;
	hb_footprint_top = a->footprint;
}
