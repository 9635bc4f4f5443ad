/*
 * config: the answer to Config. A large fleet has some hundred thousand values,
 * so it comes in pieces, and the loop goes on between them.
 */
#ifndef SVD_SUPERVISOR_CONFIG_H
#define SVD_SUPERVISOR_CONFIG_H

#include <jansson.h>

struct call;
struct sources;

/* What src (taken) says of [fleet] and the workers that are picked. */
int config_answer(struct call *c, struct sources *src, json_t *pick);

#endif
