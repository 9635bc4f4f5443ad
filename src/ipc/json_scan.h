/*
 * json_scan: looks through the text of JSON values without making anything of
 * it: whether it is one, and where a member of it stands. So a value goes from
 * one to another as it was written, with all digits of its numbers.
 */
#ifndef SVD_IPC_JSON_SCAN_H
#define SVD_IPC_JSON_SCAN_H

#include <stddef.h>

#define JSON_SCAN_DEPTH 512 /* of arrays and objects within each other */

struct json_slice {
	char *at; /* NULL: there is none */
	size_t len;
};

/* Is all of text one value of RFC 8259, in UTF-8? Blanks around it are
 * allowed. */
int json_scan_is_value(const char *text, size_t len);
/* The value of a member, named as it is, without escapes, of an object that
 * begins text. .at NULL: it is none, or has no such member. */
struct json_slice json_scan_member(char *text, size_t len, const char *name);

/* For who goes through a text by itself, up to end. Each returns the place
 * behind what it has read; NULL: there is no such thing. */
const char *json_scan_blanks(const char *text, const char *end);
const char *json_scan_value(const char *text, const char *end);
/* A member's name, of *len with its quotes, and the colon: its value. */
const char *json_scan_name(const char *text, const char *end, size_t *len);

#endif
