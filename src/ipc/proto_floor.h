/*
 * proto_floor: what svd, its floors and their workers say to each other, on
 * SEQPACKET sockets. Described for those who write a floor of their own in
 * svd-floors(7); this is the protocol's only code in C.
 *
 * A packet is a verb and any number of fields, each ended by a NUL:
 * "FORK\0token=4294967297\0". A value is what follows the first '='; a field
 * may come several times, in order. An unknown verb or field is skipped. Where
 * a packet carries descriptors, each has a field `fd=NAME`, in their order.
 *
 *	on SVD_FLOOR_FD, one pair for each floor process
 *	LOADED    floor   version= ms= threads= way=vfork|double|python
 *	                  modules=COUNT module=NAME..., [fd=late]
 *	LOADFAIL  floor   what= [module=] [traceback=]; it then ends
 *	FORKED    floor   token= pid= way=, fd=line [fd=pidfd]
 *	FORKFAIL  floor   token= what=
 *	FORK      svd     token=
 *	RETIRE    svd     it ends, and no worker does
 *
 *	on a line, one pair for each worker
 *	START     svd     fd=fields [fd=0] [fd=1] [fd=2] [fd=3] [fd=4]
 *	STARTED   worker  it is set up, its entry is called
 *	STARTFAIL worker  stage= (enum birth_stage) detail= errno=; it then ends
 *	EXCEPTION worker  what= [traceback=]: what it will end of
 *
 * The fields of START may be many; they stand in a memfd (`fields`), each ended
 * by a NUL as in a packet: entry= arg=... env=K=V... name= instance= umask=
 * (octal) directory= [uid= gid= group=...].
 */
#ifndef SVD_IPC_PROTO_FLOOR_H
#define SVD_IPC_PROTO_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#define FLOOR_VERSION 1
#define FLOOR_PACKET_MAX (64 * 1024) /* bytes */
#define FLOOR_FDS_MAX 8              /* descriptors of a packet */
#define FLOOR_TEXT_MAX (32 * 1024)   /* bytes of a traceback */
#define FLOOR_LATE_BYTES (64 * 1024) /* of the memfd `late` */
#define FLOOR_FD_ENV "SVD_FLOOR_FD"
#define FLOOR_WAY_ENV "SVD_FLOOR_WAY" /* how to fork: double, python */
/* A variable whose bytes a worker replaces by "SVD_WORKER=NAME", so that
 * /proc/PID/environ says of it, and of all that it forks, whose it is. */
#define FLOOR_MARK_ENV "SVD_FLOOR_MARK"
#define FLOOR_MARK_BYTES 64 /* of its value */

/*
 * `late`: modules that workers loaded after the fork, in memory that a floor
 * shares with all its workers. Eight bytes, a little-endian number that is only
 * ever added to: how many of those behind it are used, or would be if there
 * were room. Then "PID NAME\n" again and again; a writer adds to the number
 * first, so that the last lines may be incomplete.
 */

/* A packet that is being made. What does not fit is left out, and noted. */
struct floor_packet {
	size_t len, size;
	char *data; /* borrowed, of size bytes */
	int full;
};

void
floor_begin(struct floor_packet *p, char *data, size_t size, const char *verb);
void floor_add(struct floor_packet *p, const char *key, const char *value);
/* At most len_bytes of value, and what fits: its middle is left out. */
void floor_add_text(
    struct floor_packet *p, const char *key, const char *value, size_t len);
void floor_add_number(struct floor_packet *p, const char *key, uint64_t value);

/* A packet that was received; borrows it. */
struct floor_msg {
	const char *verb;
	const char *fields, *end; /* behind the verb; behind the last NUL */
};

/* -1: it is none. No terminal control characters are taken out. */
int floor_parse(const char *packet, size_t len_bytes, struct floor_msg *m);
/* The same for the contents of a memfd `fields`, which has no verb. */
int floor_parse_fields(const char *text, size_t len_bytes, struct floor_msg *m);
/* The value of the next field `key` behind *at, NULL: from the first; *at is
 * moved. NULL: there is no more, and *at stays. */
const char *
floor_next(const struct floor_msg *m, const char *key, const char **at);
/* Of the first field `key`; NULL: there is none. */
const char *floor_get(const struct floor_msg *m, const char *key);
/* 0 where it is none, or there is none. */
uint64_t floor_get_number(const struct floor_msg *m, const char *key);
/* The place of descriptor `name` among those of the packet; -1: none. */
int floor_get_fd(const struct floor_msg *m, const char *name);

#endif
