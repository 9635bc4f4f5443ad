/* nearest: see nearest.h. */
#include "conf/nearest.h"

#include <string.h>

#define NAME_MAX_LEN 49 /* no longer name is ever asked for */

static unsigned int
least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* One row of the table of distances: b's prefixes against a's first i. */
static void
distance_row(unsigned int (*row)[NAME_MAX_LEN + 1], const char *a, size_t i,
    const char *b, size_t blen)
{
	unsigned int *now = row[i % 3], *last = row[(i + 2) % 3];
	unsigned int *before = row[(i + 1) % 3];
	size_t j;

	now[0] = (unsigned int)i;
	for (j = 1; j <= blen; j++) {
		now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
		now[j] = least(now[j], least(last[j], now[j - 1]) + 1);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
		    a[i - 2] == b[j - 1])
			now[j] = least(now[j], before[j - 2] + 1);
	}
}

/* How many letters were added, left out, changed or swapped. */
static unsigned int
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned int row[3][NAME_MAX_LEN + 1];
	size_t i;

	if (alen > NAME_MAX_LEN || blen > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (i = 0; i <= blen; i++)
		row[0][i] = (unsigned int)i;
	for (i = 1; i <= alen; i++)
		distance_row(row, a, i, b, blen);
	return row[alen % 3][blen];
}

/* As near as this a name must be to be worth a guess. */
static unsigned int
guess_limit(size_t len)
{
	return len < 4 ? 2 : len < 10 ? 3 : 4;
}

void
nearest_try(struct nearest *n, const char *candidate)
{
	unsigned int d =
	    distance(n->name, n->len, candidate, strlen(candidate));

	if (d >= (n->found == NULL ? guess_limit(n->len) : n->best))
		return;
	n->best = d;
	n->found = candidate;
}
