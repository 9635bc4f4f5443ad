/* crc: see crc.h. Four bytes at a time: a line is written at every step. */
#include "core/crc.h"

/* What a byte leaves behind is the sum of what its bits leave behind. */
#define BIT(n, bit, value) ((n) >> (bit)&1 ? value##U : 0)
#define BYTE(n, b0, b1, b2, b3, b4, b5, b6, b7)                          \
	(BIT(n, 0, b0) ^ BIT(n, 1, b1) ^ BIT(n, 2, b2) ^ BIT(n, 3, b3) ^ \
	    BIT(n, 4, b4) ^ BIT(n, 5, b5) ^ BIT(n, 6, b6) ^ BIT(n, 7, b7))

/* A byte that 0 to 3 others follow. */
#define FOLLOWED_BY_0(n)                                                    \
	BYTE(n, 0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, \
	    0x3b6e20c8, 0x76dc4190, 0xedb88320)
#define FOLLOWED_BY_1(n)                                                    \
	BYTE(n, 0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, \
	    0x958424a2, 0xf0794f05, 0x3b83984b)
#define FOLLOWED_BY_2(n)                                                    \
	BYTE(n, 0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, \
	    0x384d46e0, 0x709a8dc0, 0xe1351b80)
#define FOLLOWED_BY_3(n)                                                    \
	BYTE(n, 0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, \
	    0xa032af3e, 0x9b14583d, 0xed59b63b)

#define FOUR(of, n) of(n), of((n) + 1), of((n) + 2), of((n) + 3)
#define SIXTEEN(of, n) \
	FOUR(of, n), FOUR(of, (n) + 4), FOUR(of, (n) + 8), FOUR(of, (n) + 12)
#define SIXTY_FOUR(of, n)                                             \
	SIXTEEN(of, n), SIXTEEN(of, (n) + 16), SIXTEEN(of, (n) + 32), \
	    SIXTEEN(of, (n) + 48)
#define ALL(of)                                                     \
	SIXTY_FOUR(of, 0), SIXTY_FOUR(of, 64), SIXTY_FOUR(of, 128), \
	    SIXTY_FOUR(of, 192)

static const uint32_t table[4][256] = {
    {ALL(FOLLOWED_BY_0)},
    {ALL(FOLLOWED_BY_1)},
    {ALL(FOLLOWED_BY_2)},
    {ALL(FOLLOWED_BY_3)},
};

uint32_t
crc_ieee(const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	uint32_t crc = ~(uint32_t)0;

	for (; len >= 4; len -= 4, p += 4)
		crc = table[3][(crc ^ p[0]) & 255] ^
		      table[2][(crc >> 8 ^ p[1]) & 255] ^
		      table[1][(crc >> 16 ^ p[2]) & 255] ^
		      table[0][(crc >> 24 ^ p[3]) & 255];
	for (; len > 0; len--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return ~crc;
}
