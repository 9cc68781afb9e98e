#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes a file's bytes as a C array: embed.py INPUT OUTPUT.c NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w") as f:
    f.write(f"extern const unsigned char {name}[];\nextern const unsigned int {name}_len;\n")
    f.write(f"const unsigned char {name}[] __attribute__((aligned(8))) = {{\n")
    for i in range(0, len(data), 12):
        f.write("\t" + ", ".join(f"0x{b:02x}" for b in data[i:i + 12]) + ",\n")
    f.write(f"}};\nconst unsigned int {name}_len = {len(data)};\n")
