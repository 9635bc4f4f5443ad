/*
 * idl: Varlink's interface description language: checks values against types
 * written in it. What types a text names itself (type Worker ...) is not known
 * here: parameters of calls use none.
 */
#ifndef SVD_SUPERVISOR_IDL_H
#define SVD_SUPERVISOR_IDL_H

#include <stddef.h>

#include <jansson.h>

/*
 * Is object what fields ("name: type, name: ?type", as between parentheses)
 * says, without members that it does not name? 0, or -1 with the name of the
 * member that is not in bad.
 */
int
idl_check(const char *fields, const json_t *object, char *bad, size_t bad_size);

#endif
