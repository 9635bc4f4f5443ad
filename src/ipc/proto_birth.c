/* proto_birth: see proto_birth.h. */
#include "ipc/proto_birth.h"

static const char *const stage_names[] = {
#define X(name, text) text,
    BIRTH_STAGES(X)
#undef X
};

static void
put(unsigned char *out, uint64_t v, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		out[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get(const unsigned char *in, unsigned int n)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void
birth_encode(const struct birth *b, unsigned char out[BIRTH_PACKET_BYTES])
{
	put(out, b->token, 8);
	put(out + 8, (uint32_t)b->pid, 4);
	put(out + 12, (uint32_t)b->parent, 4);
	put(out + 16, b->stage, 2);
	put(out + 18, b->detail, 2);
	put(out + 20, (uint32_t)b->error, 4);
}

int
birth_decode(const unsigned char *packet, size_t len, struct birth *b)
{
	if (len != BIRTH_PACKET_BYTES)
		return -1;
	b->token = get(packet, 8);
	b->pid = (int32_t)get(packet + 8, 4);
	b->parent = (int32_t)get(packet + 12, 4);
	b->stage = (uint16_t)get(packet + 16, 2);
	b->detail = (uint16_t)get(packet + 18, 2);
	b->error = (int32_t)get(packet + 20, 4);
	return b->stage < BIRTH_STAGE_COUNT ? 0 : -1;
}

const char *
birth_stage_name(unsigned int stage)
{
	return stage < BIRTH_STAGE_COUNT ? stage_names[stage] : "?";
}
