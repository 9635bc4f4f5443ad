/* vault: see vault.h. */
#include "keeper/vault.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static struct vault_entry *
find(struct vault *v, const char *name)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (strcmp(v->entries[i].name, name) == 0)
			return &v->entries[i];
	return NULL;
}

static void
drop_entry(struct vault *v, struct vault_entry *e)
{
	fd_close(&e->fd);
	*e = v->entries[--v->n];
}

int
vault_hold(struct vault *v, const char *name, int fd)
{
	struct vault_entry *e = find(v, name);
	size_t len = strlen(name);

	if (e != NULL) {
		fd_close(&e->fd);
		e->fd = fd;
		return 0;
	}
	if (len == 0 || len > KEEPER_NAME_MAX || v->n == VAULT_MAX) {
		fd_close(&fd);
		return -1;
	}
	e = &v->entries[v->n++];
	memcpy(e->name, name, len + 1);
	e->fd = fd;
	return 0;
}

int
vault_drop(struct vault *v, const char *name)
{
	struct vault_entry *e = find(v, name);

	if (e == NULL)
		return -1;
	drop_entry(v, e);
	return 0;
}

int
vault_get(const struct vault *v, const char *name)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (strcmp(v->entries[i].name, name) == 0)
			return v->entries[i].fd;
	return -1;
}

void
vault_drop_drained(struct vault *v, const char *prefix)
{
	size_t len = strlen(prefix), i = 0;
	char c;

	while (i < v->n) {
		struct vault_entry *e = &v->entries[i];

		if (strncmp(e->name, prefix, len) == 0 &&
		    recv(e->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
			drop_entry(v, e);
		else
			i++;
	}
}
