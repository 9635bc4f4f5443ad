/* fdstore: see fdstore.h. */
#include "keeper/fdstore.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/fdname.h"
#include "keeper/keeper.h"
#include "keeper/notify.h"

#define STORED 1 /* what the vault notes of this reader: it has one life */
#define TEXT_MAX (FDNAME_SIZE + 64)
/* All names together are one variable for the next svd, LISTEN_FDNAMES, and the
 * kernel executes nothing with one of 128 KiB. */
#define NAMES_MAX_BYTES (96 << 10)

void
fdstore_init(struct keeper *k, const char *size)
{
	k->fdstore.wanted = notify_is_heard(&k->notify) && size != NULL &&
	                    size[0] >= '1' && size[0] <= '9';
	k->fdstore.owed = 1;
}

void
fdstore_changed(struct keeper *k)
{
	k->fdstore.owed = 1;
}

void
fdstore_forget(struct keeper *k, const char *name)
{
	struct fdstore *s = &k->fdstore;

	if (!s->wanted || !vault_is_for(name, VAULT_FDSTORE) ||
	    vault_get(&k->vault, name) == -1)
		return;
	if (s->ngone == FDSTORE_GONE_MAX) {
		log_warn("'%s' stays in systemd's store", name);
		return;
	}
	snprintf(s->gone[s->ngone++], sizeof(s->gone[0]), "%s", name);
}

/* -1: not now. What systemd closed by itself, once nobody has the other end
 * open, may still have something in it. */
static int
put(struct keeper *k, const struct vault_entry *e)
{
	char name[FDNAME_SIZE], text[TEXT_MAX];

	fdname_encode(e->name, name);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s\n", name);
	return notify_send(&k->notify, text, e->fd);
}

static int
remove_one(struct keeper *k, const char *of)
{
	char name[FDNAME_SIZE], text[TEXT_MAX];

	fdname_encode(of, name);
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s\n", name);
	return notify_send(&k->notify, text, -1);
}

static size_t
name_bytes(const struct vault_entry *e)
{
	char name[FDNAME_SIZE];

	fdname_encode(e->name, name);
	return strlen(name) + 1;
}

/* Of all names that systemd has. */
static size_t
stored_bytes(struct keeper *k)
{
	const struct vault_entry *e;
	size_t at = 0, bytes = 0;

	while ((e = vault_next(&k->vault, VAULT_FDSTORE, 0, &at)) != NULL)
		bytes += name_bytes(e);
	return bytes;
}

/* What does not fit is not stored, and tried again after the next change. */
static int
store_rest(struct keeper *k)
{
	struct fdstore *s = &k->fdstore;
	size_t at = 0, bytes = stored_bytes(k);
	struct vault_entry *e;

	while (
	    (e = vault_next(&k->vault, VAULT_FDSTORE, STORED, &at)) != NULL) {
		bytes += name_bytes(e);
		if (bytes > NAMES_MAX_BYTES) {
			if (!s->complained)
				log_warn("systemd cannot keep '%s' and more: "
					 "too many names",
				    e->name);
			s->complained = 1;
			return 0;
		}
		if (put(k, e) == -1)
			return -1;
		e->told[VAULT_FDSTORE] = STORED;
	}
	return 0;
}

/* A removal is of a name, not of a descriptor: it comes before whatever is
 * stored anew. */
static int
flush(struct keeper *k)
{
	struct fdstore *s = &k->fdstore;

	while (s->ngone > 0) {
		if (remove_one(k, s->gone[s->ngone - 1]) == -1)
			return -1;
		s->ngone--;
	}
	if (s->owed && store_rest(k) == -1)
		return -1;
	s->owed = 0;
	return 0;
}

void
fdstore_flush(struct keeper *k, int64_t now)
{
	struct fdstore *s = &k->fdstore;

	if (!s->wanted || now < s->again_at)
		return;
	s->again_at = flush(k) == -1 ? now + NOTIFY_AGAIN_MS : 0;
}

int
fdstore_is_due(const struct keeper *k)
{
	return k->fdstore.ngone > 0;
}

int64_t
fdstore_deadline(const struct keeper *k)
{
	return k->fdstore.again_at;
}
