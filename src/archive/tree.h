/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ARCHIVE_TREE_H
#define ARCHIVE_TREE_H

/* Folders of files as wholes: what names their contents, and their end. */

#include "base/attr.h"

#define TREE_DIGEST_MAX 33 /* hexadecimal digits, with the NUL */

/*
 * Names what is in a folder: the first 128 bits of the SHA-256 of all its files, their paths and
 * whether they may be executed, in the paths' order. Returns 0; -ELOOP: something is neither a file
 * nor a folder; or another negative errno.
 */
int tree_digest(const char *dir, char ret_digest[static TREE_DIGEST_MAX]) _must_check_;

/*
 * Takes write permission from a folder and those in it: nothing is added to it by accident. 0 or a
 * negative errno.
 */
int tree_seal(const char *dir) _must_check_;

/*
 * Removes a folder with what is in it, sealed or not. 0, also if there is none, or a negative
 * errno.
 */
int tree_remove(const char *dir);

#endif
