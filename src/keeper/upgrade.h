/*
 * upgrade: a newer svd takes this one's place, and no worker notices. NEW is
 * an open descriptor, by which all is run that follows:
 *
 *	rehearsal	NEW reads a copy of our table, and says its version
 *	supervisor	NEW's, in place of ours, is ready and has said of every
 *			announced child that it knows it
 *	logger		NEW's, in place of ours, is ready
 *	then		we execute NEW, with the table
 *
 * Whatever fails on the way: ours, held open too, go on as before. Times are
 * limited, nothing waits, and the wish to stop the fleet ends it.
 */
#ifndef SVD_KEEPER_UPGRADE_H
#define SVD_KEEPER_UPGRADE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/proto_keeper.h"

/* What each of the steps may take; less where systemd wants to hear of us more
 * often than that. */
#define UPGRADE_STEP_MS 10000
#define UPGRADE_VERSION_SIZE 32
#define UPGRADE_TEXT_SIZE 256

struct keeper;
struct role;

enum upgrade_phase {
	UPGRADE_NONE,
	UPGRADE_REHEARSAL,
	UPGRADE_SUPERVISOR,
	UPGRADE_LOGGER
};

struct keeper_upgrade {
	enum upgrade_phase phase;
	int fd;                  /* NEW; where phase is UPGRADE_NONE: nothing */
	int report;              /* what the rehearsal says; the same */
	pid_t rehearser;         /* 0: none; may outlive its phase */
	int64_t began, deadline; /* of the step */
	uint32_t attempts;       /* this one included */
	enum keeper_upgraded result; /* of the last */
	int owed;                    /* the supervisor was not told of that */
	/* Of the last one that succeeded, before; else, of NEW, now. */
	char version[UPGRADE_VERSION_SIZE];
	char text[UPGRADE_TEXT_SIZE]; /* to be told: KM_UPGRADED's */
	size_t text_len;              /* bytes, the last NUL included */
};

/* Takes fd, -1: there was none. The end will be told by upgrade_tell(). */
void upgrade_begin(struct keeper *k, int fd);
/* What is due. Does not return if NEW takes over. */
void upgrade_check(struct keeper *k, int64_t now);
/* A role has died: of itself? */
void
upgrade_role_died(struct keeper *k, const struct role *r, const siginfo_t *si);
/* Tells a supervisor that was just started how things stand. */
void upgrade_greet(struct keeper *k);
/* Tells it how the last one ended, if it was not told. */
void upgrade_tell(struct keeper *k);
/* NEW's supervisor is there, and may have to leave again. */
int upgrade_on_trial(const struct keeper *k);
/* What a role is run from, borrowed. */
int upgrade_binary(const struct keeper *k, const struct role *r);
/* The earliest time at which there is something to do, 0: never. */
int64_t upgrade_deadline(const struct keeper *k);
/* We are NEW: k->upgrade.version says whose place we have taken. */
void upgrade_done(struct keeper *k);
/* NEW's part in the rehearsal: its exit status. Borrows both. */
int upgrade_rehearse(struct keeper *k, int table, int report);

#endif
