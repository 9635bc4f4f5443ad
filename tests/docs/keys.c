/* keys: the key table as lines "SECTION KEY", with "live" behind it where a
 * change needs no restart, for the checks of the documents. Leaves out what
 * this version only knows by name. */
#include <stdio.h>

#include "conf/keys.h"

int
main(void)
{
	const struct conf_key *key;
	size_t i;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++)
		if (!key->later)
			printf("%s %s%s\n", key->section, key->name,
			    key->live ? " live" : "");
	return 0;
}
