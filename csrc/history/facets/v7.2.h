/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v7.2"
#define FACET_TITLE "dequeue and answer"
#define FACET_COMMIT "738e6f32e61d"
#define FACET_RELEASES "v7.2, 7.1.8, 6.18.44"
#define FACET_SUMMARY \
	"A handler takes its group from removal, and a response always answers."
#define FACET_CLAIMS_CORRECT 0

#define FACET_HAS_DEQUEUE 1
#define FACET_LOOKUP FACET_BY_HANDLE
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_FREES
#define FACET_RESPONSE_UNCONDITIONAL 1
#define FACET_ANSWERS_PARTIALS 1
