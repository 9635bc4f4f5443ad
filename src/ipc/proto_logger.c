/*
 * proto_logger: see proto_logger.h. A packet is: type (1 byte), pid (4), text
 * with its NUL, data.
 */
#include "ipc/proto_logger.h"

#include <string.h>

#include "ipc/le.h"

#define HEAD_BYTES 5

enum field {
	FIELD_FD = 1,
	FIELD_PID = 2,
	FIELD_TEXT = 4,
	FIELD_DATA = 8
};

static const unsigned char fields[PL_TYPES] = {
    [PL_LOGS] = FIELD_FD | FIELD_TEXT | FIELD_DATA,
    [PL_ATTACH] = FIELD_FD | FIELD_TEXT | FIELD_DATA,
    [PL_HERE] = FIELD_PID,
    [PL_CLIENT] = FIELD_FD | FIELD_DATA,
    [PL_PROBLEM] = FIELD_TEXT | FIELD_DATA,
};

int
pl_carries_fd(enum pl_type type)
{
	return (fields[type] & FIELD_FD) != 0;
}

size_t
pl_encode(const struct pl_msg *m, unsigned char out[PL_PACKET_MAX])
{
	const char *text = m->text == NULL ? "" : m->text;
	size_t text_len = strlen(text);

	if (text_len > PL_TEXT_MAX || m->data_len > PL_DATA_MAX)
		return 0;
	out[0] = (unsigned char)m->type;
	le_put(out + 1, (uint32_t)m->pid, 4);
	memcpy(out + HEAD_BYTES, text, text_len + 1);
	if (m->data_len > 0)
		memcpy(out + HEAD_BYTES + text_len + 1, m->data, m->data_len);
	return HEAD_BYTES + text_len + 1 + m->data_len;
}

int
pl_decode(const unsigned char *packet, size_t len, struct pl_msg *m)
{
	const unsigned char *text = packet + HEAD_BYTES, *end;

	if (len <= HEAD_BYTES || packet[0] == 0 || packet[0] >= PL_TYPES)
		return -1;
	end = memchr(text, '\0', len - HEAD_BYTES);
	if (end == NULL || end - text > PL_TEXT_MAX)
		return -1;
	*m = (struct pl_msg){.type = (enum pl_type)packet[0],
	    .pid = (int32_t)le_get(packet + 1, 4),
	    .text = (const char *)text,
	    .data = (const char *)end + 1,
	    .data_len = len - HEAD_BYTES - (size_t)(end + 1 - text)};
	if (m->data_len > PL_DATA_MAX)
		return -1;
	/* What its type does not have is not there. */
	if ((m->pid != 0 && !(fields[m->type] & FIELD_PID)) ||
	    (m->text[0] != '\0' && !(fields[m->type] & FIELD_TEXT)) ||
	    (m->data_len > 0 && !(fields[m->type] & FIELD_DATA)))
		return -1;
	return 0;
}
