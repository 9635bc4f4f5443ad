/*
 * options: svd's own options, for main.c and for the shells' completions.
 */
#ifndef SVD_OPTIONS_H
#define SVD_OPTIONS_H

#include <stddef.h>

struct svd_option {
	const char *name;
	char letter;
	const char *arg; /* what it takes, or NULL */
	const char *help;
};

/* NULL behind the last. */
const struct svd_option *svd_option_at(size_t i);

#endif
