/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "track-group"
#define FACET_TITLE "the group is what is pending"
#define FACET_COMMIT "199112327135"
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"The clean ownership: removal answers, the owner frees. The driver answers errors."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_RESPONSE_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_NOTHING
#define FACET_REMOVE FACET_REMOVE_ANSWERS
