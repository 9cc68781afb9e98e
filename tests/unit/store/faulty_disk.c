// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/store/faulty_disk.h"

#include "base/attr.h"
#include "tests/unit/faults.h"

#include <sqlite3.h>
#include <stdlib.h>

struct file {
	sqlite3_file base;
	sqlite3_file real[]; /* SQLite allocates what the real disk asks for */
};

static sqlite3_vfs *disk; /* the real one */

static sqlite3_file *real_of(sqlite3_file *file)
{
	return container_of(file, struct file, base)->real;
}

/* ---- a file ---- */

/* A method that does what the real one does, or fails with `error`. */
#define METHOD(name, error, parameters, arguments)                                                 \
	static int file_##name parameters                                                          \
	{                                                                                          \
		sqlite3_file *real = real_of(file);                                                \
                                                                                                   \
		if (faults_call(#name, true))                                                      \
			return (error);                                                            \
		return real->pMethods->x##name arguments;                                          \
	}

METHOD(Read, SQLITE_IOERR_READ, (sqlite3_file * file, void *bytes, int size, sqlite3_int64 at),
	(real, bytes, size, at))
METHOD(Truncate, SQLITE_IOERR_TRUNCATE, (sqlite3_file * file, sqlite3_int64 size), (real, size))
METHOD(FileSize, SQLITE_IOERR_FSTAT, (sqlite3_file * file, sqlite3_int64 *size), (real, size))
METHOD(Lock, SQLITE_IOERR_LOCK, (sqlite3_file * file, int level), (real, level))
METHOD(ShmMap, SQLITE_IOERR_SHMMAP,
	(sqlite3_file * file, int page, int size, int extend, void volatile **memory),
	(real, page, size, extend, memory))
/* A lock that is given back is given back. */
static int file_ShmLock(sqlite3_file *file, int offset, int count, int flags)
{
	sqlite3_file *real = real_of(file);

	if (!(flags & SQLITE_SHM_UNLOCK) && faults_call("ShmLock", true))
		return SQLITE_IOERR_SHMLOCK;
	return real->pMethods->xShmLock(real, offset, count, flags);
}

/* Processes die in these tests, and not the machine: so nothing has to get to the disk, which takes time. */
static int file_Sync(sqlite3_file *file _unused_, int flags _unused_)
{
	return faults_call("Sync", true) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

/* A full disk takes the first half. */
static int file_Write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
	sqlite3_file *real = real_of(file);

	if (!faults_call("Write", true))
		return real->pMethods->xWrite(real, bytes, size, at);
	real->pMethods->xWrite(real, bytes, size / 2, at);
	return SQLITE_FULL;
}

/* What gives something back does not fail, and answers are no calls of the system. */
#define PASS(type, name, parameters, arguments)                                                    \
	static type file_##name parameters                                                         \
	{                                                                                          \
		sqlite3_file *real = real_of(file);                                                \
                                                                                                   \
		return real->pMethods->x##name arguments;                                          \
	}

PASS(int, Close, (sqlite3_file * file), (real))
PASS(int, Unlock, (sqlite3_file * file, int level), (real, level))
PASS(int, CheckReservedLock, (sqlite3_file * file, int *reserved), (real, reserved))
PASS(int, FileControl, (sqlite3_file * file, int operation, void *value), (real, operation, value))
PASS(int, SectorSize, (sqlite3_file * file), (real))
PASS(int, DeviceCharacteristics, (sqlite3_file * file), (real))
PASS(void, ShmBarrier, (sqlite3_file * file), (real))
PASS(int, ShmUnmap, (sqlite3_file * file, int delete), (real, delete))

static const sqlite3_io_methods file_methods = {
	.iVersion = 2,
	.xClose = file_Close,
	.xRead = file_Read,
	.xWrite = file_Write,
	.xTruncate = file_Truncate,
	.xSync = file_Sync,
	.xFileSize = file_FileSize,
	.xLock = file_Lock,
	.xUnlock = file_Unlock,
	.xCheckReservedLock = file_CheckReservedLock,
	.xFileControl = file_FileControl,
	.xSectorSize = file_SectorSize,
	.xDeviceCharacteristics = file_DeviceCharacteristics,
	.xShmMap = file_ShmMap,
	.xShmLock = file_ShmLock,
	.xShmBarrier = file_ShmBarrier,
	.xShmUnmap = file_ShmUnmap,
};

/* ---- the disk ---- */

static int disk_open(
	sqlite3_vfs *vfs _unused_, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	int rc;

	file->pMethods = NULL;
	if (faults_call("Open", true))
		return SQLITE_CANTOPEN;
	rc = disk->xOpen(disk, name, real_of(file), flags, ret_flags);
	if (real_of(file)->pMethods)
		file->pMethods = &file_methods;
	return rc;
}

static int disk_delete(sqlite3_vfs *vfs _unused_, const char *name, int sync)
{
	return faults_call("Delete", true) ? SQLITE_IOERR_DELETE : disk->xDelete(disk, name, sync);
}

static int disk_access(sqlite3_vfs *vfs _unused_, const char *name, int flags, int *ret_answer)
{
	return faults_call("Access", true) ? SQLITE_IOERR_ACCESS
					   : disk->xAccess(disk, name, flags, ret_answer);
}

/* ---- memory ---- */

static sqlite3_mem_methods memory; /* the real one */

static void *memory_allocate(int size)
{
	return faults_call("sqlite3_malloc", false) ? NULL : memory.xMalloc(size);
}

static void *memory_reallocate(void *old, int size)
{
	return faults_call("sqlite3_realloc", false) ? NULL : memory.xRealloc(old, size);
}

void faulty_disk_install(void)
{
	static sqlite3_mem_methods methods;
	static sqlite3_vfs vfs;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK)
		abort();
	methods = memory;
	methods.xMalloc = memory_allocate;
	methods.xRealloc = memory_reallocate;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
		sqlite3_initialize() != SQLITE_OK)
		abort();
	disk = sqlite3_vfs_find(NULL);
	vfs = *disk;
	vfs.zName = "faulty";
	vfs.pNext = NULL;
	vfs.szOsFile += (int)sizeof(struct file);
	vfs.xOpen = disk_open;
	vfs.xDelete = disk_delete;
	vfs.xAccess = disk_access;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}
