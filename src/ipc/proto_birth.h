/*
 * proto_birth: what a process says of itself between clone and exec, one packet
 * each on the supervisor's birth socket. The first is its birth; others tell
 * how far its set-up has come, the last may be a failure. Usable where only
 * async-signal-safe code is.
 */
#ifndef SVD_IPC_PROTO_BIRTH_H
#define SVD_IPC_PROTO_BIRTH_H

#include <stddef.h>
#include <stdint.h>

#define BIRTH_PACKET_BYTES 24

/* A step of the set-up, in the order they are taken. */
#define BIRTH_STAGES(X)                     \
	X(BORN, "birth")                    \
	X(SESSION, "session")               \
	X(LIMITS, "limit")                  \
	X(NICE, "nice")                     \
	X(OOM, "oom_score_adj")             \
	X(STREAMS, "stdin, stdout, stderr") \
	X(USER, "user")                     \
	X(DIRECTORY, "directory")           \
	X(EXEC, "command")                  \
	X(INTERPRETER, "interpreter of command")

enum birth_stage {
#define X(name, text) BIRTH_##name,
	BIRTH_STAGES(X)
#undef X
	BIRTH_STAGE_COUNT
};

struct birth {
	uint64_t token;
	int32_t pid;
	int32_t parent; /* what getppid() says */
	uint16_t stage;
	uint16_t detail; /* BIRTH_LIMITS: which */
	int32_t error;   /* errno, 0: it is about to take this step */
};

void birth_encode(const struct birth *b, unsigned char out[BIRTH_PACKET_BYTES]);
int
birth_decode(const unsigned char *packet, size_t len_bytes, struct birth *b);
const char *birth_stage_name(unsigned int stage);

#endif
