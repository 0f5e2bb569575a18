/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "remove-void"
#define FACET_TITLE "removal cannot fail"
#define FACET_COMMIT "0095bf83554f"
#define FACET_RELEASES ""
#define FACET_SUMMARY \
	"Removal answers what is pending, and frees copies that report may free again."
#define FACET_CLAIMS_CORRECT 0

#define FACET_REPORT_RETURN int
#define FACET_RESPONSE_RETURN int
#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_DOMAIN
#define FACET_ANSWERS FACET_ANSWERS_NOTHING
#define FACET_PENDING_IS_COPIES 1
#define FACET_REFUSAL_BREAKS 1
#define FACET_REMOVE FACET_REMOVE_ANSWERS
