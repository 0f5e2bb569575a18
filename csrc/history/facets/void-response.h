/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "void-response"
#define FACET_TITLE "the core answers what it aborts"
#define FACET_COMMIT "b554e396e51c"
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"FAILURE from report itself, an abort group on its stack, and still an error code."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_ABORTS
#define FACET_REMOVE FACET_REMOVE_ANSWERS
