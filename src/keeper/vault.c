/* vault: see vault.h. */
#include "keeper/vault.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define FOR(reader) (1U << (reader))

/* By the beginning of the name; what is not here is the supervisor's. */
static const struct {
	const char *prefix;
	unsigned int readers;
} readers[] = {
    {"out:", FOR(VAULT_SUPERVISOR) | FOR(VAULT_LOGGER) | FOR(VAULT_FDSTORE)},
    {"err:", FOR(VAULT_SUPERVISOR) | FOR(VAULT_LOGGER) | FOR(VAULT_FDSTORE)},
    {"in:", FOR(VAULT_SUPERVISOR) | FOR(VAULT_FDSTORE)},
    {"tty:", FOR(VAULT_SUPERVISOR) | FOR(VAULT_LOGGER) | FOR(VAULT_FDSTORE)},
    {"ready:", FOR(VAULT_SUPERVISOR) | FOR(VAULT_FDSTORE)},
    {"rest:", FOR(VAULT_LOGGER) | FOR(VAULT_FDSTORE)},
    {"outputs", FOR(VAULT_SUPERVISOR) | FOR(VAULT_LOGGER)},
    {"ring:", FOR(VAULT_LOGGER)},
    {"sink:", FOR(VAULT_LOGGER)},
    {"cursors", FOR(VAULT_LOGGER)},
    {"marks", FOR(VAULT_LOGGER)},
    {"own", FOR(VAULT_LOGGER)},
    {"pair:logger", FOR(VAULT_LOGGER)},
    {"", FOR(VAULT_SUPERVISOR)},
};

int
vault_is_for(const char *name, enum vault_reader reader)
{
	size_t i = 0;

	while (strncmp(name, readers[i].prefix, strlen(readers[i].prefix)) != 0)
		i++;
	return (readers[i].readers & FOR(reader)) != 0;
}

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
vault_restore(struct vault *v, const char *name, int fd,
    const uint32_t told[VAULT_READERS])
{
	size_t len = strlen(name);
	struct vault_entry *e;

	if (len == 0 || len > KEEPER_NAME_MAX || v->n == VAULT_MAX)
		return -1;
	e = &v->entries[v->n++];
	memcpy(e->name, name, len + 1);
	e->fd = fd;
	memcpy(e->told, told, sizeof(e->told));
	return 0;
}

int
vault_hold(struct vault *v, const char *name, int fd)
{
	static const uint32_t nobody[VAULT_READERS];
	struct vault_entry *e = find(v, name);

	if (e != NULL) {
		fd_close(&e->fd);
		e->fd = fd;
		memset(e->told, 0, sizeof(e->told));
		return 0;
	}
	if (vault_restore(v, name, fd, nobody) == 0)
		return 0;
	fd_close(&fd);
	return -1;
}

struct vault_entry *
vault_next(struct vault *v, enum vault_reader reader, uint32_t life, size_t *at)
{
	while (*at < v->n) {
		struct vault_entry *e = &v->entries[(*at)++];

		if (e->told[reader] != life && vault_is_for(e->name, reader))
			return e;
	}
	return NULL;
}

void
vault_tell(
    struct vault *v, const char *name, enum vault_reader reader, uint32_t life)
{
	struct vault_entry *e = find(v, name);

	if (e != NULL)
		e->told[reader] = life;
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
