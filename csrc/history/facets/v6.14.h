/* SPDX-License-Identifier: GPL-2.0-only */
#define FACET_NAME "v6.14"
#define FACET_TITLE "the leak fix"
#define FACET_COMMIT "9759ae2cee7c"
#define FACET_RELEASES "v6.14 to v7.1, 6.13.4, 6.12.16"
#define FACET_SUMMARY \
	"Removal also frees what it answers: two freers for every group."
#define FACET_CLAIMS_CORRECT 0

#define FACET_HAS_DEQUEUE 0
#define FACET_LOOKUP FACET_BY_HANDLE
#define FACET_ANSWERS FACET_ANSWERS_ALL
#define FACET_REMOVE FACET_REMOVE_FREES
#define FACET_ANSWERS_PARTIALS 1
