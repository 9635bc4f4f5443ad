/* idl: see idl.h. */
#include "supervisor/idl.h"

#include <stdio.h>
#include <string.h>

static int has_type(const json_t *value, const char *type);

/* A foreign value of any kind, as other implementations have it. */
static int
is_object(const json_t *value)
{
	return value != NULL;
}

static int
is_bool(const json_t *value)
{
	return json_is_boolean(value);
}

static int
is_int(const json_t *value)
{
	return json_is_integer(value);
}

static int
is_float(const json_t *value)
{
	return json_is_number(value);
}

static int
is_string(const json_t *value)
{
	return json_is_string(value);
}

static const struct basic {
	const char *name;
	int (*is)(const json_t *value);
} basics[] = {
    {"bool", is_bool},
    {"int", is_int},
    {"float", is_float},
    {"string", is_string},
    {"object", is_object},
};

static int
has_basic_type(const json_t *value, const char *type)
{
	size_t len = strcspn(type, ",) "), i;

	for (i = 0; i < sizeof(basics) / sizeof(*basics); i++)
		if (strlen(basics[i].name) == len &&
		    strncmp(basics[i].name, type, len) == 0)
			return basics[i].is(value);
	return 0;
}

static int
each_has_type(const json_t *list, const char *type)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (!has_type(item, type))
			return 0;
	return json_is_array(list);
}

static int
each_member_has_type(json_t *map, const char *type)
{
	const char *key;
	json_t *item;

	json_object_foreach (map, key, item)
		if (!has_type(item, type))
			return 0;
	return json_is_object(map);
}

/* type goes on behind its end. */
static int
has_type(const json_t *value, const char *type)
{
	char bad[1];

	if (*type == '?')
		return value == NULL || json_is_null(value) ||
		       has_type(value, type + 1);
	if (strncmp(type, "[]", 2) == 0)
		return each_has_type(value, type + 2);
	if (strncmp(type, "[string]", 8) == 0)
		return each_member_has_type((json_t *)value, type + 8);
	if (*type == '(')
		return idl_check(type + 1, value, bad, sizeof(bad)) == 0;
	return has_basic_type(value, type);
}

/* Behind the type, and a comma. */
static const char *
skip_type(const char *type)
{
	int depth = 0;

	for (; *type != '\0' && (depth > 0 || (*type != ',' && *type != ')'));
	     type++)
		depth += (*type == '(') - (*type == ')');
	return type + strspn(type, ", ");
}

/* The first member that fields does not name, or NULL. */
static const char *
find_unknown(const char *fields, const json_t *object)
{
	const char *key, *field;
	json_t *item;
	size_t len;

	json_object_foreach ((json_t *)object, key, item) {
		len = strlen(key);
		for (field = fields; *field != '\0' && *field != ')';
		     field = skip_type(field))
			if (strncmp(field, key, len) == 0 && field[len] == ':')
				break;
		if (*field == '\0' || *field == ')')
			return key;
	}
	return NULL;
}

int
idl_check(const char *fields, const json_t *object, char *bad, size_t bad_size)
{
	const char *field = fields, *unknown;
	char name[64];

	snprintf(bad, bad_size, "parameters");
	if (!json_is_object(object))
		return -1;
	for (; *field != '\0' && *field != ')'; field = skip_type(field)) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(field, ":"),
		    field);
		if (!has_type(json_object_get(object, name),
			field + strlen(name) + strlen(": "))) {
			snprintf(bad, bad_size, "%s", name);
			return -1;
		}
	}
	unknown = find_unknown(fields, object);
	if (unknown == NULL)
		return 0;
	snprintf(bad, bad_size, "%s", unknown);
	return -1;
}
