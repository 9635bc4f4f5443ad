/*
 * completions: fills the templates in contrib/completions with what the
 * programs' own tables say: reads one, and writes what the shell is to read.
 * Runs when svd is built and is not installed.
 *
 * @NAME@ in a template stands for a list of words or for whole lines. An
 * argument is completed by the shell function, or the case, of its name in the
 * tables: NAME, SIG, SOCKET ...
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "conf/keys.h"
#include "ctl/options.h"
#include "options.h"

#define SIGNALS 31
#define WORD_MAX 64

/* What can be completed; there are other arguments too. */
static const char *const kinds[] = {
    "NAME", "FLOOR", "SIG", "KEY", "SOCKET", "DIR"};

static int
is_kind(const char *word)
{
	size_t i;

	for (i = 0; word != NULL && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i], word) == 0)
			return 1;
	return 0;
}

/*
 * The next of the arguments that "[-l] SIG NAME..." names: SIG, then NAME.
 * *text goes on behind it; *repeats: all that follow are of its kind. 0: no
 * more.
 */
static int
next_argument(const char **text, char word[WORD_MAX], int *repeats)
{
	const char *p = *text;
	size_t len;

	for (;;) {
		p += strspn(p, " []|");
		if (*p != '-')
			break;
		/* An option, and what it takes. */
		p += strcspn(p, "]");
	}
	len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (len == 0 || len >= WORD_MAX)
		return 0;
	memcpy(word, p, len);
	word[len] = '\0';
	*repeats = strncmp(p + len, "...", 3) == 0;
	*text = p + len + (*repeats ? 3 : 0);
	return 1;
}

/* Within single quotes of a shell; before: of those it puts a backslash in
 * front. */
static void
print_quoted(const char *text, const char *escape)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr(escape, *text) != NULL)
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void
words_signals(void)
{
	char name[WORD_MAX];
	int i;

	for (i = 1; i <= SIGNALS; i++)
		printf("%s%s", i > 1 ? " " : "",
		    units_signal_name(i, name, sizeof(name)));
}

static void
words_keys(void)
{
	const struct conf_key *key;
	size_t i;

	for (i = 0; (key = conf_key_at(i)) != NULL; i++)
		if (!key->later)
			printf("%s%s", i > 0 ? " " : "", key->name);
}

static void
words_commands(void)
{
	const struct command *c;
	size_t i;

	for (i = 0; (c = command_at(i)) != NULL; i++)
		printf("%s%s", i > 0 ? " " : "", c->name);
}

static int
knows(const struct command *c, const struct option_row *o)
{
	return o->only == 0 ||
	       (c != NULL && ((unsigned int)c->flags & o->only) != 0);
}

/* "-s", both ways or one, with sep between. */
static void
print_option(const struct option_row *o, const char *sep)
{
	if (o->letter != 0)
		printf("-%c%s", o->letter, sep);
	printf("--%s", o->name);
}

/* Those that c knows; NULL: that all commands know. */
static void
print_options(const struct command *c)
{
	const struct option_row *o;
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++) {
		if (!knows(c, o))
			continue;
		if (i > 0)
			putchar(' ');
		print_option(o, " ");
	}
}

static void
words_options(void)
{
	print_options(NULL);
}

static void
words_svd_options(void)
{
	const struct svd_option *o;
	size_t i;

	for (i = 0; (o = svd_option_at(i)) != NULL; i++)
		printf("%s-%c --%s", i > 0 ? " " : "", o->letter, o->name);
}

/* --- bash ------------------------------------------------------------------
 */

/* The options that take a value. */
static void
print_valued(const char *between)
{
	const struct option_row *o;
	const char *sep = "";
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++) {
		if (o->arg == NULL)
			continue;
		fputs(sep, stdout);
		print_option(o, between);
		sep = between;
	}
}

static void
bash_valued(void)
{
	print_valued(" | ");
}

static void
bash_values(void)
{
	const struct option_row *o;
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++) {
		if (!is_kind(o->arg))
			continue;
		fputs("\t\t", stdout);
		print_option(o, " | ");
		printf(") _svctl_argument %s \"$cur\" ;;\n", o->arg);
	}
}

/* Of commands that have options of their own. */
static void
bash_options(void)
{
	const struct command *c;
	size_t i;

	for (i = 0; (c = command_at(i)) != NULL; i++) {
		if (c->flags < COMMAND_TAKES_LONG)
			continue;
		printf("\t\t%s) _svctl_reply \"$cur\" '", c->name);
		print_options(c);
		puts("' ;;");
	}
}

static void
bash_argument(const struct command *c)
{
	const char *text = c->args;
	char word[WORD_MAX];
	int place, repeats = 0;

	for (place = 0; !repeats && next_argument(&text, word, &repeats);
	     place++) {
		if (!is_kind(word))
			continue;
		if (repeats)
			printf("\t%s:*)", c->name);
		else
			printf("\t%s:%d)", c->name, place);
		printf(" _svctl_argument %s \"$cur\" \"${to[@]}\" ;;\n", word);
	}
}

/* fn of each command. */
static void
each_command(void (*fn)(const struct command *c))
{
	const struct command *c;
	size_t i;

	for (i = 0; (c = command_at(i)) != NULL; i++)
		fn(c);
}

static void
bash_arguments(void)
{
	each_command(bash_argument);
}

/* --- zsh -------------------------------------------------------------------
 */

/* How zsh completes what an option or a command takes. */
static const char *
zsh_action(const char *word)
{
	static char action[WORD_MAX + 8];

	if (!is_kind(word))
		return " ";
	if (strcmp(word, "SOCKET") == 0)
		return "_files";
	if (strcmp(word, "DIR") == 0)
		return "_directories";
	snprintf(action, sizeof(action), "_svctl_%s", word);
	return action;
}

static void
zsh_option(char letter, const char *name, const char *arg, const char *help)
{
	if (letter != 0)
		printf("\t\t'(-%c --%s)'{-%c%s,--%s%s}'[", letter, name, letter,
		    arg == NULL ? "" : "+", name, arg == NULL ? "" : "=");
	else
		printf("\t\t'--%s%s[", name, arg == NULL ? "" : "=");
	print_quoted(help, "[]:");
	putchar(']');
	if (arg != NULL)
		printf(":%s:%s", arg, zsh_action(arg));
	puts("' \\");
}

static void
zsh_options(void)
{
	const struct option_row *o;
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++)
		if (knows(NULL, o))
			zsh_option(o->letter, o->name, o->arg, o->help);
}

static void
zsh_svd_options(void)
{
	const struct svd_option *o;
	size_t i;

	for (i = 0; (o = svd_option_at(i)) != NULL; i++)
		zsh_option(o->letter, o->name, o->arg, o->help);
}

static void
zsh_command(const struct command *c)
{
	printf("\t\t'%s:", c->name);
	print_quoted(c->help, ":\\");
	puts("'");
}

static void
zsh_commands(void)
{
	each_command(zsh_command);
}

static void
zsh_argument(const struct command *c)
{
	const char *text = c->args;
	const struct option_row *o;
	char word[WORD_MAX];
	int place, repeats = 0;
	size_t i;

	printf("\t\t%s) _arguments -S \\\n", c->name);
	for (i = 0; (o = option_at(i)) != NULL; i++)
		if (knows(c, o))
			zsh_option(o->letter, o->name, o->arg, o->help);
	for (place = 1; !repeats && next_argument(&text, word, &repeats);
	     place++) {
		if (repeats)
			printf("\t\t'*:%s:%s' \\\n", word, zsh_action(word));
		else
			printf("\t\t'%d:%s:%s' \\\n", place, word,
			    zsh_action(word));
	}
	puts("\t\t;;");
}

static void
zsh_arguments(void)
{
	each_command(zsh_argument);
}

/* --- fish ------------------------------------------------------------------
 */

static void
fish_action(const char *word)
{
	if (!is_kind(word))
		return;
	if (strcmp(word, "SOCKET") == 0)
		fputs(" -F", stdout);
	else if (strcmp(word, "DIR") == 0)
		fputs(" -a '(__fish_complete_directories)'", stdout);
	else
		printf(" -a '(__svctl_%s)'", word);
}

static void
fish_valued(void)
{
	print_valued(" ");
}

static void
fish_option(const char *program, char letter, const char *name, const char *arg,
    const char *help)
{
	printf("complete -c %s", program);
	if (letter != 0)
		printf(" -s %c", letter);
	printf(" -l %s", name);
	if (arg != NULL)
		fputs(strcmp(arg, "SOCKET") == 0 ? " -r" : " -x", stdout);
	fish_action(arg);
	fputs(" -d '", stdout);
	print_quoted(help, "\\");
	puts("'");
}

static void
fish_options(void)
{
	const struct option_row *o;
	size_t i;

	for (i = 0; (o = option_at(i)) != NULL; i++)
		if (knows(NULL, o))
			fish_option(
			    "svctl", o->letter, o->name, o->arg, o->help);
}

static void
fish_svd_options(void)
{
	const struct svd_option *o;
	size_t i;

	for (i = 0; (o = svd_option_at(i)) != NULL; i++)
		fish_option("svd", o->letter, o->name, o->arg, o->help);
}

static void
fish_command(const struct command *c)
{
	printf("complete -c svctl -n '__svctl_is \"\"' -a %s -d '", c->name);
	print_quoted(c->help, "\\");
	puts("'");
}

static void
fish_commands(void)
{
	each_command(fish_command);
}

static void
fish_argument(const struct command *c)
{
	const char *text = c->args;
	const struct option_row *o;
	char word[WORD_MAX], program[2 * WORD_MAX];
	int place, repeats = 0;
	size_t i;

	snprintf(program, sizeof(program), "svctl -n '__svctl_is %s'", c->name);
	for (i = 0; (o = option_at(i)) != NULL; i++)
		if (o->only != 0 && knows(c, o))
			fish_option(
			    program, o->letter, o->name, o->arg, o->help);
	for (place = 0; !repeats && next_argument(&text, word, &repeats);
	     place++) {
		if (!is_kind(word))
			continue;
		printf("complete -c svctl -n '__svctl_is %s %d%s'", c->name,
		    place, repeats ? " more" : "");
		fish_action(word);
		putchar('\n');
	}
}

static void
fish_arguments(void)
{
	each_command(fish_argument);
}

/* --- templates -------------------------------------------------------------
 */

static const struct insert {
	const char *name;
	void (*print)(void);
} inserts[] = {
    {"signals", words_signals},
    {"keys", words_keys},
    {"commands", words_commands},
    {"options", words_options},
    {"svd-options", words_svd_options},
    {"bash-valued", bash_valued},
    {"bash-values", bash_values},
    {"bash-options", bash_options},
    {"bash-arguments", bash_arguments},
    {"zsh-options", zsh_options},
    {"zsh-svd-options", zsh_svd_options},
    {"zsh-commands", zsh_commands},
    {"zsh-arguments", zsh_arguments},
    {"fish-valued", fish_valued},
    {"fish-options", fish_options},
    {"fish-svd-options", fish_svd_options},
    {"fish-commands", fish_commands},
    {"fish-arguments", fish_arguments},
};

/* Behind "@": what the name there stands for. Returns how long that is, with
 * the other "@"; 0: it is none of ours. */
static size_t
fill(const char *text)
{
	size_t i, len = strcspn(text, "@");

	for (i = 0; i < sizeof(inserts) / sizeof(*inserts); i++)
		if (strlen(inserts[i].name) == len &&
		    strncmp(inserts[i].name, text, len) == 0 &&
		    text[len] == '@') {
			inserts[i].print();
			return len + 1;
		}
	return 0;
}

/* One that stands alone in its line has printed whole lines. */
static void
fill_line(const char *line)
{
	const char *p;
	size_t len;
	int alone = line[0] == '@';

	for (p = line; *p != '\0'; p++) {
		if (*p != '@' || (len = fill(p + 1)) == 0) {
			putchar(*p);
			continue;
		}
		p += len;
		if (alone && p[1] == '\n')
			return;
	}
}

int
main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin) != NULL)
		fill_line(line);
	return fflush(stdout) == 0 && !ferror(stdin) ? 0 : 1;
}
