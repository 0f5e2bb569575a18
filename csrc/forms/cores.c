// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cores of this extension, in the order in which they are listed. Which ones is one of the build's outputs: build.py
 * gives CORES, as CORE(iopf) CORE(v5_14) ...
 */
#include "core.h"

#define CORE(id) extern const struct iopf_core iopf_core_##id;
CORES
#undef CORE

#define CORE(id) &iopf_core_##id,
static const struct iopf_core *const cores[] = { CORES };
#undef CORE

const struct iopf_core *iopf_core_of_build(int index)
{
	return index >= 0 && (size_t)index < sizeof(cores) / sizeof(*cores) ? cores[index] : NULL;
}
