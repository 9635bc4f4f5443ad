/*
 * crc: the checksum of a journal's lines.
 */
#ifndef SVD_CORE_CRC_H
#define SVD_CORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of IEEE 802.3, as in Ethernet, gzip and PNG. */
uint32_t crc_ieee(const char *data, size_t len_bytes);

#endif
