/*
 * lastkill: `svctl kill` where no supervisor answers. Reads the fleet's
 * journal, proves for each worker named that its process is still the one on
 * record, and kills it with its whole tree.
 */
#ifndef SVD_CTL_LASTKILL_H
#define SVD_CTL_LASTKILL_H

#include <stddef.h>

#include <jansson.h>

struct lastkill {
	const char
	    *socket;  /* the control socket's path: beside it is `state` */
	char **names; /* as for the supervisor: web, web:2, all */
	size_t nnames;
	int wait_ms; /* for each process to be gone; 0: not at all */
};

/*
 * Says on standard error what it does; returns svctl's exit status. *results:
 * what the method Kill would have answered, a new reference; NULL where
 * nothing could be tried. A root caller becomes the journal's owner for good.
 */
int lastkill_run(const struct lastkill *k, json_t **results);

#endif
