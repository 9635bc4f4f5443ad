/* keys: the key table as lines "SECTION KEY", with "live" behind it where a
 * change needs no restart, for the checks of the documents. Leaves out what
 * this version only knows by name. `keys state`: the table of what a journal's
 * lines have, as "KIND KEY TYPE". */
#include <stdio.h>

#include "conf/keys.h"
#include "core/record.h"

int
main(int argc, char **argv)
{
	char text[RECORD_FIELD_TEXT_SIZE];
	const struct conf_key *key;
	size_t i;

	(void)argv;
	if (argc > 1) {
		for (i = 0; record_field_text(i, text) != NULL; i++)
			puts(text);
		return 0;
	}
	for (i = 0; (key = conf_key_at(i)) != NULL; i++)
		if (!key->later)
			printf("%s %s%s\n", key->section, key->name,
			    key->live ? " live" : "");
	return 0;
}
