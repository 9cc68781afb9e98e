#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Joins headers into one that needs no other of ours: join_headers.py HEADER... > JOINED"""
import sys

SPDX, OURS = "/* SPDX-License-Identifier:", "#include <netlambda/"

print("/* SPDX-License-Identifier: BSD-2-Clause */")
print("/* What functions in C are called with, in one file, by `netlambda function types --runtime native`. */")
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as header:
        print("".join(line for line in header if not line.startswith((SPDX, OURS))), end="")
