/*
 * le: little-endian numbers of n bytes, 1 to 8, in a packet.
 */
#ifndef SVD_IPC_LE_H
#define SVD_IPC_LE_H

#include <stdint.h>

static inline void
le_put(unsigned char *out, uint64_t v, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		out[i] = (unsigned char)(v >> (8 * i));
}

static inline uint64_t
le_get(const unsigned char *in, unsigned int n)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

#endif
