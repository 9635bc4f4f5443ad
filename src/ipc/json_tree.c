/* json_tree: see json_tree.h. All text is looked through by json_scan first, so
 * that each value here is one, and ends where it is said to. */
#include "ipc/json_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json_scan.h"

#define DIGITS_MAX 18 /* of an integer that surely fits */

static json_t *
make_number(const char *text, size_t len)
{
	char digits[DIGITS_MAX + 1];
	double real;

	if (len > DIGITS_MAX)
		return NULL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (strpbrk(digits, ".eE") == NULL)
		return json_integer(strtoll(digits, NULL, 10));
	real = strtod(digits, NULL);
	return isfinite(real) ? json_real(real) : NULL;
}

static json_t *
make_value(const char *text, const char *behind)
{
	size_t len = (size_t)(behind - text);

	switch (*text) {
	case '{':
		return json_tree_object(text, behind, &behind);
	case '[':
		return NULL;
	case '"':
		return memchr(text, '\\', len) != NULL
		           ? NULL
		           : json_stringn_nocheck(text + 1, len - 2);
	case 't':
		return json_true();
	case 'f':
		return json_false();
	case 'n':
		return json_null();
	default:
		return make_number(text, len);
	}
}

/* A member with a name of that length, quotes and all. */
static int
add_member(json_t *object, const char *name, size_t len, const char *value,
    const char *behind)
{
	size_t before = json_object_size(object);

	return memchr(name, '\\', len) == NULL &&
	               json_object_setn_new_nocheck(object, name + 1, len - 2,
			   make_value(value, behind)) == 0 &&
	               json_object_size(object) > before
	           ? 0
	           : -1;
}

json_t *
json_tree_object(const char *text, const char *end, const char **behind)
{
	json_t *object = json_object();
	const char *p = text, *name, *value;
	size_t len;

	if (object == NULL || p == end || *p != '{')
		goto failed;
	do {
		name = json_scan_blanks(p + 1, end);
		value = json_scan_name(name, end, &len);
		p = value == NULL ? NULL : json_scan_value(value, end);
		if (p == NULL)
			goto failed;
		if (add_member(object, name, len, value, p) == -1)
			goto failed;
		p = json_scan_blanks(p, end);
	} while (p < end && *p == ',');
	if (p == end || *p != '}')
		goto failed;
	*behind = p + 1;
	return object;
failed:
	json_decref(object);
	return NULL;
}
