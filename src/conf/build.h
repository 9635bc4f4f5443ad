/*
 * build: from a raw [worker:W] or [floor:F] to its instances. Part of
 * conf_load, and used by nobody else.
 */
#ifndef SVD_CONF_BUILD_H
#define SVD_CONF_BUILD_H

#include <stddef.h>

#include "conf/conf.h"
#include "conf/env.h"
#include "conf/keys.h"
#include "conf/raw.h"

/* Bytes of all values of a fleet once they are expanded. */
#define CONF_VALUES_MAX (256 << 20)

/* One conf_load. */
struct load {
	struct fleet *f;
	const char *path; /* of the fleet file */
	struct sources *src;
	struct diags *d;
	struct raw_conf raw;
	struct fleet_section fleet;
	struct worker_section defaults; /* of what owns no memory */
	struct floor_conf floor_defaults;
	size_t workers_cap, files_cap; /* of f's lists */
	size_t budget;                 /* what is left of CONF_VALUES_MAX */
	struct env_cache env_files;
	const struct conf_sink *sink; /* or NULL */
};

void build_defaults(struct load *l);
/* Adds the instances of s to l->f; what is wrong with it to l->d. -1 where
 * going on with other workers makes no sense. */
int build_section(struct load *l, struct raw_section *s);
/* Frees what building needed. */
void build_release(struct load *l);

#endif
