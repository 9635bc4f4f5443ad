/*
 * env: lists of "K=V", from words and from env_files.
 */
#ifndef SVD_CONF_ENV_H
#define SVD_CONF_ENV_H

#include <stddef.h>

#include "conf/conf.h"

/* Is it "K=V", with a name that is not svd's own? */
int env_check(const char *word, struct err *e);
/*
 * The variables of an env_file's text, NULL-terminated, to be freed with
 * words_free. A fault is reported to d as a line of file; NULL then.
 */
char **env_parse_file(
    const char *file, const char *text, size_t len_bytes, struct diags *d);
/*
 * A new list of what is in the n lists (each may be NULL), sorted by name; of
 * one name the last stays. *budget is lessened by its bytes. NULL on failure.
 */
char **
env_merge(char *const *const *lists, size_t n, size_t *budget, struct err *e);

/* An env_file that was parsed; many instances may share it. */
struct env_file {
	char *path;
	int parsed;
	char **words; /* NULL: it has faults, which were reported */
};

/* Zero it to initialise it. */
struct env_cache {
	struct env_file **list;
	size_t n, cap;
	void *tree; /* by path */
};

/* env_parse_file, once for each path. NULL without memory. */
const struct env_file *env_cache_get(struct env_cache *c, const char *path,
    const char *text, size_t len_bytes, struct diags *d);
void env_cache_release(struct env_cache *c);

#endif
