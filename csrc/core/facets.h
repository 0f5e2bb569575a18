/* SPDX-License-Identifier: GPL-2.0-only */
/* How a form of the framework can differ, and what is taken for granted where its facets say nothing: our own. */
#ifndef IOPF_CORE_FACETS_H
#define IOPF_CORE_FACETS_H

#ifndef FACET_NAME
#define FACET_NAME "iopf"
#define FACET_TITLE "the reviewed design"
#define FACET_COMMIT ""
#define FACET_SUMMARY \
	"References travel from report to free; removal answers everything and frees nothing; a late response does nothing."
#define FACET_CLAIMS_CORRECT 1
#endif

#ifndef FACET_REPORT_RETURN
#define FACET_REPORT_RETURN int		/* or void */
#endif
#ifndef FACET_RESPONSE_RETURN
#define FACET_RESPONSE_RETURN void	/* or int */
#endif
#ifndef FACET_REMOVE_RETURN
#define FACET_REMOVE_RETURN void	/* or int */
#endif
#ifndef FACET_HAS_DEQUEUE
#define FACET_HAS_DEQUEUE 1
#endif

/* Called under the fault param's lock. Other forms keep a plain list: list_count_nodes(&(param)->partial). */
#ifndef FACET_COUNT_PARTIALS
#define FACET_COUNT_PARTIALS(param) iopf_count_partials(param)
#endif

#endif
