/*
 * usage: what `Status` answers where `long` asks for the use of memory and
 * processor time too.
 */
#ifndef SVD_SUPERVISOR_USAGE_H
#define SVD_SUPERVISOR_USAGE_H

#include <jansson.h>

struct call;

/* Answers later, of the workers that are picked (see pick.h). */
int usage_answer(struct call *c, json_t *pick);

#endif
