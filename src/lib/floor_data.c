/* floor_data: see floor_data.h. */
#include "lib/floor_data.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#define ROOM_MIN 256
/* Of what a library only reads: to have it in memory a second time is worth a
 * mapping that is not needed any more. */
#define CONSTANTS_MAX ((uintptr_t)128 << 10)
/* Of what begins as zeros: as much as is copied in no time. */
#define ZEROS_MAX ((uintptr_t)2 << 20)

struct piece {
	uintptr_t begin, end;
	uintptr_t zeros; /* from there on it began as such; end: nowhere */
	uint64_t inode;
	int protection;
};

struct pieces {
	struct piece *at;
	size_t n, room;
};

static int
add(struct pieces *p, const struct piece *piece)
{
	size_t room = p->room == 0 ? ROOM_MIN : p->room * 2;
	struct piece *grown;

	if (p->n == p->room) {
		grown = realloc(p->at, room * sizeof(*grown));
		if (grown == NULL)
			return -1;
		p->at = grown;
		p->room = room;
	}
	p->at[p->n++] = *piece;
	return 0;
}

static int
has(const struct dl_phdr_info *object, uintptr_t address)
{
	const ElfW(Phdr) * h;
	uintptr_t at;

	for (h = object->dlpi_phdr; h < object->dlpi_phdr + object->dlpi_phnum;
	     h++) {
		at = object->dlpi_addr + h->p_vaddr;
		if (h->p_type == PT_LOAD && address >= at &&
		    address - at < h->p_memsz)
			return 1;
	}
	return 0;
}

/*
 * Those that are written to in each worker anyway, and here while we are at it:
 * the C library and us. And where a debugger begins to read a core file, which
 * has nothing of what is still as it is in a file: the program and the linker.
 */
static int
is_exempt(const struct dl_phdr_info *object)
{
	static const char ours;

	return has(object, (uintptr_t)getauxval(AT_PHDR)) ||
	       has(object, (uintptr_t)getauxval(AT_BASE)) ||
	       has(object, (uintptr_t)stdout) || has(object, (uintptr_t)&ours);
}

/* Adds where an object may be written to, or might until it was relocated. */
static int
add_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t at, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct piece piece = {0};
	const ElfW(Phdr) * h;

	(void)size;
	if (is_exempt(object))
		return 0;
	for (h = object->dlpi_phdr; h < object->dlpi_phdr + object->dlpi_phnum;
	     h++) {
		if (h->p_type != PT_LOAD || (h->p_flags & PF_W) == 0)
			continue;
		at = object->dlpi_addr + h->p_vaddr;
		piece.begin = at & ~(page - 1);
		piece.zeros = (at + h->p_filesz + page - 1) & ~(page - 1);
		piece.end = (at + h->p_memsz + page - 1) & ~(page - 1);
		if (add(arg, &piece) == -1)
			return -1;
	}
	return 0;
}

/* Is it in what an object has from its file, or all that it has as zeros? The
 * kernel may have joined those with other memory: that is left out. */
static int
is_of_object(struct piece *mapping, const struct pieces *objects)
{
	const struct piece *o;

	for (o = objects->at; o < objects->at + objects->n; o++) {
		if (mapping->inode != 0 && mapping->begin >= o->begin &&
		    mapping->end <= o->zeros)
			return 1;
		if (mapping->inode == 0 && mapping->begin == o->zeros &&
		    mapping->end >= o->end && o->end > o->zeros &&
		    o->end - o->zeros <= ZEROS_MAX) {
			mapping->end = o->end;
			mapping->zeros = o->zeros;
			return 1;
		}
	}
	return 0;
}

/* It and what is before it become one mapping: both are only read, or are data
 * and what begins as zeros. */
static struct piece
join(const struct piece *before, struct piece mapping)
{
	if (before->end == mapping.begin && before->zeros == before->end &&
	    before->protection == mapping.protection &&
	    (mapping.inode == 0 ? before->inode != 0
				: before->inode == mapping.inode &&
				      mapping.protection == PROT_READ) &&
	    before->end - before->begin <= CONSTANTS_MAX)
		mapping.begin = before->begin;
	return mapping;
}

/* Has it a page of its own, no file's any more? */
static int
has_own(int pagemap, const struct piece *mapping)
{
	uintptr_t at, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uint64_t entries[FLOOR_PAGES_AT_ONCE];
	size_t n, i;

	for (at = mapping->begin; at < mapping->end; at += n * page) {
		n = floor_pages_read(pagemap, at, mapping->end, entries);
		if (n == 0)
			break;
		for (i = 0; i < n; i++)
			if (floor_page_is_own(entries[i]))
				return 1;
	}
	return 0;
}

struct finding {
	const struct pieces *objects;
	struct pieces *found;
	struct piece before; /* the mapping before; end 0: it is none of ours */
	int pagemap, failed;
};

/* What was found last may be its beginning. */
static int
add_found(struct pieces *found, const struct piece *piece)
{
	struct piece *last = found->n == 0 ? NULL : &found->at[found->n - 1];

	if (last == NULL || last->end <= piece->begin)
		return add(found, piece);
	*last = *piece;
	return 0;
}

/* Ours if it is data, and an object's. */
static void
find_one(struct finding *f, const struct floor_mapping *m)
{
	struct piece mapping = {.begin = m->begin,
			 .end = m->end,
			 .zeros = m->end,
			 .inode = m->inode},
		     joint;

	mapping.protection =
	    m->mode[1] == 'w' ? PROT_READ | PROT_WRITE : PROT_READ;
	if (!floor_mapping_is_plain(m))
		mapping.end = 0;
	if (mapping.end != 0 && is_of_object(&mapping, f->objects)) {
		joint = join(&f->before, mapping);
		if (has_own(f->pagemap, &joint))
			f->failed = add_found(f->found, &joint);
	}
	f->before = mapping;
}

/* The mappings of objects that have pages of their own. */
static int
find(const struct floor_mappings *all, const struct pieces *objects,
    struct pieces *found)
{
	struct finding f = {
	    .objects = objects, .found = found, .pagemap = floor_pages_open()};
	size_t i;

	for (i = 0; f.pagemap != -1 && i < all->n && !f.failed; i++)
		find_one(&f, &all->at[i]);
	fd_close(&f.pagemap);
	return f.failed;
}

/* A library's pieces follow each other. */
struct file {
	int fd; /* -1: none yet */
	uintptr_t begin, end;
};

static void
close_file(struct file *f)
{
	if (f->fd != -1)
		syscall(SYS_close, f->fd);
	f->fd = -1;
}

/* Sanitizers keep something in between that is not to be read otherwise. */
static __attribute__((no_sanitize("address"))) int
is_zero(uintptr_t page, size_t size)
{
	const uintptr_t *at = (const uintptr_t *)page;
	size_t i;

	for (i = 0; i < size / sizeof(*at); i++)
		if (at[i] != 0)
			return 0;
	return 1;
}

static int
write_at(const struct file *f, uintptr_t from, size_t size)
{
	return syscall(SYS_pwrite64, f->fd, from, size,
		   (long)(from - f->begin)) == (long)size;
}

/* Zeros are a hole in the file. */
static int
copy(const struct piece *p, const struct file *f, size_t page)
{
	uintptr_t at;

	if (syscall(SYS_ftruncate, f->fd, (long)(p->end - f->begin)) == -1 ||
	    !write_at(f, p->begin, p->zeros - p->begin))
		return -1;
	for (at = p->zeros; at < p->end; at += page)
		if (!is_zero(at, page) && !write_at(f, at, page))
			return -1;
	return 0;
}

/*
 * Into a file for each library: the kernel keeps the mappings of a file in a
 * tree, those of all workers too, and to walk through one of thousands, for
 * each mapping, was a third of a fork. What is copied must not change before it
 * is replaced: no function is called that is not in here but syscall(). Where
 * it cannot be done a piece stays as it is: a file that is shorter than it was,
 * no memory, no descriptor, a mapping that is sealed.
 */
static void
replace(const struct piece *p, struct file *f, size_t page)
{
	if (f->fd == -1 || p->begin != f->end) {
		close_file(f);
		f->fd = (int)syscall(SYS_memfd_create, "svd-data", MFD_CLOEXEC);
		f->begin = p->begin;
	}
	f->end = p->end;
	if (f->fd != -1 && copy(p, f, page) == 0)
		syscall(SYS_mmap, p->begin, p->end - p->begin, p->protection,
		    MAP_PRIVATE | MAP_FIXED, f->fd,
		    (long)(p->begin - f->begin));
}

void
floor_data_share(const struct floor_mappings *all)
{
	struct pieces objects = {0}, found = {0};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i;
	struct file file = {.fd = -1};
	sigset_t mask;

	if (dl_iterate_phdr(add_object, &objects) == 0 &&
	    find(all, &objects, &found) == 0) {
		sigprocmask(SIG_SETMASK, NULL, &mask);
		sys_sigmask(SIG_ALL);
		for (i = 0; i < found.n; i++)
			replace(&found.at[i], &file, page);
		close_file(&file);
		sigprocmask(SIG_SETMASK, &mask, NULL);
	}
	free(objects.at);
	free(found.at);
}
