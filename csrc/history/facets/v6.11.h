/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v6.11"
#define FACET_TITLE "attach handles, void report"
#define FACET_COMMIT ""
#define FACET_RELEASES "v6.11"
#define FACET_SUMMARY \
	"A group knows its attachment, which is not counted; report is void, and partials are never answered."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN void
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_HANDLE
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_ANSWERS
