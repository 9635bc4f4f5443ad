/* proto_keeper: see proto_keeper.h. */
#include "ipc/proto_keeper.h"

#include <string.h>

#include "ipc/le.h"

enum field_kind {
	F_END,
	F_32,
	F_64,
	F_TEXT, /* the rest of the packet, NUL-terminated */
	F_PIDS  /* the rest of the packet */
};

struct field {
	enum field_kind kind;
	size_t offset;
};

#define M32(f)                                       \
	{                                            \
		F_32, offsetof(struct keeper_msg, f) \
	}
#define M64(f)                                       \
	{                                            \
		F_64, offsetof(struct keeper_msg, f) \
	}
#define TEXT              \
	{                 \
		F_TEXT, 0 \
	}
#define PIDS              \
	{                 \
		F_PIDS, 0 \
	}
#define FIELDS_MAX 8

static const struct field fields[KM_TYPES][FIELDS_MAX] = {
    [KM_HELLO] = {M32(version), M64(epoch), M32(life), M32(pid), M32(code),
	M32(status)},
    [KM_FD] = {TEXT},
    [KM_HANDED] = {{F_END, 0}},
    [KM_EXIT] = {M32(pid), M32(code), M32(status), M64(us)},
    [KM_SIGNAL] = {M64(mask)},
    [KM_PING] = {{F_END, 0}},
    [KM_READY] = {{F_END, 0}},
    [KM_HOLD] = {TEXT},
    [KM_DROP] = {TEXT},
    [KM_BORN] = {PIDS},
    [KM_ACK] = {PIDS},
    [KM_SIGNALLED] = {M64(mask)},
    [KM_PONG] = {{F_END, 0}},
    [KM_LIMITS] = {M64(ms), M64(ms2)},
    [KM_STOPPING] = {M32(code)},
    [KM_DETACH] = {{F_END, 0}},
    [KM_QUIT] = {{F_END, 0}},
    [KM_NOTIFY] = {M32(code), TEXT},
    [KM_UPGRADE] = {TEXT},
    [KM_UPGRADED] = {M32(version), M32(life), M32(code), TEXT},
};

static unsigned int
put(unsigned char *out, const void *value, enum field_kind kind)
{
	unsigned int n = kind == F_32 ? 4 : 8;

	le_put(out,
	    kind == F_32 ? *(const uint32_t *)value : *(const uint64_t *)value,
	    n);
	return n;
}

static unsigned int
get(const unsigned char *in, void *value, enum field_kind kind)
{
	if (kind == F_32) {
		*(uint32_t *)value = (uint32_t)le_get(in, 4);
		return 4;
	}
	*(uint64_t *)value = le_get(in, 8);
	return 8;
}

static size_t
put_pids(const struct keeper_msg *m, unsigned char *out)
{
	uint32_t i;

	if (m->npids == 0 || m->npids > KEEPER_PIDS_MAX)
		return 0;
	for (i = 0; i < m->npids; i++)
		put(out + 4 * i, &m->pids[i], F_32);
	return 4 * m->npids;
}

static int
get_pids(const unsigned char *in, size_t len, struct keeper_msg *m)
{
	size_t i;

	if (len == 0 || len % 4 != 0 || len / 4 > KEEPER_PIDS_MAX)
		return -1;
	m->npids = (uint32_t)(len / 4);
	for (i = 0; i < m->npids; i++)
		get(in + 4 * i, &m->pids[i], F_32);
	return 0;
}

size_t
keeper_msg_encode(
    const struct keeper_msg *m, unsigned char out[KEEPER_PACKET_MAX])
{
	const struct field *f;
	const char *base = (const char *)m;
	size_t len = 0, n;

	out[len++] = (unsigned char)m->type;
	for (f = fields[m->type]; f->kind != F_END; f++) {
		if (f->kind == F_TEXT) {
			if (m->text_len == 0 || m->text_len > KEEPER_TEXT_MAX)
				return 0;
			memcpy(out + len, m->text, m->text_len);
			return len + m->text_len;
		}
		if (f->kind == F_PIDS) {
			n = put_pids(m, out + len);
			return n == 0 ? 0 : len + n;
		}
		len += put(out + len, base + f->offset, f->kind);
	}
	return len;
}

int
keeper_msg_decode(const unsigned char *packet, size_t len, struct keeper_msg *m)
{
	const struct field *f;
	char *base = (char *)m;
	size_t pos = 1, n;

	memset(m, 0, sizeof(*m));
	if (len < 1 || packet[0] == 0 || packet[0] >= KM_TYPES)
		return -1;
	m->type = packet[0];
	for (f = fields[m->type]; f->kind != F_END; f++) {
		if (f->kind == F_TEXT) {
			if (pos >= len || packet[len - 1] != '\0')
				return -1;
			m->text = (const char *)packet + pos;
			m->text_len = len - pos;
			return 0;
		}
		if (f->kind == F_PIDS)
			return get_pids(packet + pos, len - pos, m);
		n = f->kind == F_32 ? 4 : 8;
		if (len - pos < n)
			return -1;
		pos += get(packet + pos, base + f->offset, f->kind);
	}
	return pos == len ? 0 : -1;
}
