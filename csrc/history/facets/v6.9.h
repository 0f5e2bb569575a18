/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v6.9"
#define FACET_TITLE "the lost return"
#define FACET_COMMIT "3dfa64aecbaf"
#define FACET_RELEASES "v6.9, v6.10"
#define FACET_SUMMARY \
	"report is void, and a partial fault goes on as if it were the last."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN void
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_ANSWERS
#define FACET_LOST_RETURN 1
