/*
 * raw: the sections and keys of a fleet's files, known to be known, but with
 * their values still as they were written.
 */
#ifndef SVD_CONF_RAW_H
#define SVD_CONF_RAW_H

#include <stddef.h>

#include "conf/conf.h"
#include "conf/keys.h"

struct raw_value {
	const struct conf_key *key;
	char *text;
	int line;
};

struct raw_section {
	const struct conf_section *kind;
	char *name;       /* of [worker:NAME], else "" */
	const char *file; /* borrowed */
	int line;
	int unusable;          /* reported; here for its keys to be checked */
	size_t first, n_built; /* where its instances are in the fleet */
	struct raw_value *values;
	size_t n, cap;
};

/* Zero it to initialise it. */
struct raw_conf {
	struct raw_section **sections; /* as they were met */
	size_t n, cap;
	void *tree; /* the usable ones by kind and name */
};

/* A new section at the end; NULL without memory. */
struct raw_section *raw_add_section(
    struct raw_conf *rc, const struct conf_section *kind, const char *name);
/* The first section of s's kind and name that this was called for: s itself, or
 * an earlier one. NULL without memory. */
struct raw_section *raw_index(struct raw_conf *rc, struct raw_section *s);
/* Takes text, also when it fails; NULL is such a case. */
int raw_add_value(
    struct raw_section *s, const struct conf_key *key, char *text, int line);
/*
 * Adds the sections of text (collect.c). What is wrong is reported to d as a
 * line of file, which must stay. included: [fleet] is not allowed. -1 where it
 * could not be read to its end.
 */
int raw_read(struct raw_conf *rc, const char *file, const char *text,
    size_t len_bytes, int included, struct diags *d);
/* The value of key, or NULL. */
const struct raw_value *
raw_find(const struct raw_section *s, const struct conf_key *key);
/* The first usable section of that kind and name, or NULL. */
const struct raw_section *
raw_lookup(const struct raw_conf *rc, const char *kind, const char *name);
/* Reports to d what is wrong with s: a line of key's, if that stands in s, else
 * of s itself (key NULL: so too). Returns -1. */
int raw_complain(const struct raw_section *s, const char *key, struct diags *d,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The [fleet] section, or NULL. */
const struct raw_section *raw_fleet(const struct raw_conf *rc);
void raw_release(struct raw_conf *rc);

#endif
