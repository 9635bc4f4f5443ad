/* proto_birth: see proto_birth.h. */
#include "ipc/proto_birth.h"

#include "ipc/le.h"

static const char *const stage_names[] = {
#define X(name, text) text,
    BIRTH_STAGES(X)
#undef X
};

void
birth_encode(const struct birth *b, unsigned char out[BIRTH_PACKET_BYTES])
{
	le_put(out, b->token, 8);
	le_put(out + 8, (uint32_t)b->pid, 4);
	le_put(out + 12, (uint32_t)b->parent, 4);
	le_put(out + 16, b->stage, 2);
	le_put(out + 18, b->detail, 2);
	le_put(out + 20, (uint32_t)b->error, 4);
}

int
birth_decode(const unsigned char *packet, size_t len, struct birth *b)
{
	if (len != BIRTH_PACKET_BYTES)
		return -1;
	b->token = le_get(packet, 8);
	b->pid = (int32_t)le_get(packet + 8, 4);
	b->parent = (int32_t)le_get(packet + 12, 4);
	b->stage = (uint16_t)le_get(packet + 16, 2);
	b->detail = (uint16_t)le_get(packet + 18, 2);
	b->error = (int32_t)le_get(packet + 20, 4);
	return b->stage < BIRTH_STAGE_COUNT ? 0 : -1;
}

const char *
birth_stage_name(unsigned int stage)
{
	return stage < BIRTH_STAGE_COUNT ? stage_names[stage] : "?";
}
