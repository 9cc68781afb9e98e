#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks that includes run along the arrows of ARCHITECTURE.md's layout: check_includes.py [TOP].

The layout is the rule: in its lines `src/PART/  words  -> PART, PART` a part may include itself, the
parts it points at, and what those point at. `include` stands for <netlambda/...>. The parts in SANS_IO
take time, randomness and I/O as parameters, so the headers that give access to those are refused there.
"""
import pathlib
import re
import sys

LAYOUT_LINE = re.compile(r"^\s+(?:src/)?(\w+)/\s.*?->\s*([\w, ]+?)\s*(?:\(.*\))?$")
INCLUDE_LINE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')

IMPURE = (r"base/(log|clock|loop)\.h|sys/(socket|epoll|time|random)\.h|threads\.h|pthread\.h"
          r"|unistd\.h|fcntl\.h")
SANS_IO = {  # part: the headers refused; rendering a time needs <time.h>'s gmtime_r()
    "wire": re.compile(f"^({IMPURE}|time\\.h|stdio\\.h)$"),
    "event": re.compile(f"^({IMPURE})$"),
}


def read_arrows(text):
    """{part: set of parts it may include}, closed over the arrows, from the layout's lines."""
    direct = {}
    for line in text.splitlines():
        match = LAYOUT_LINE.match(line)
        if match:
            names = [name.strip() for name in match[2].split(",")]
            direct[match[1]] = set() if names == ["libc only"] else set(names)
    return {part: reachable(part, direct) for part in direct}


def reachable(part, direct):
    seen, todo = {part}, [part]
    while todo:
        for following in direct.get(todo.pop(), ()):
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen


def included_part(name, quoted, top):
    """The part that an include names; None for the system's headers and the file's own directory."""
    first = name.split("/")[0]
    if first == "netlambda":
        return "include"
    if "/" in name and (top / "src" / first).is_dir():
        return first
    if quoted and (name.endswith(".skel.h") or (top / "bpf" / name).exists()):
        return "bpf"
    return None


def violations(top):
    """Yields a message for each include against the arrows."""
    layout = top / "ARCHITECTURE.md"
    arrows = read_arrows(layout.read_text(encoding="utf-8"))
    for directory in sorted(path for path in (top / "src").iterdir() if path.is_dir()):
        part = directory.name
        if part not in arrows:
            yield f"{layout.name}: the layout has no line with an arrow for src/{part}/"
            continue
        for source in sorted(directory.rglob("*.[ch]")):
            yield from check_file(source, part, arrows[part], top)


def check_file(source, part, allowed, top):
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE_LINE.match(line)
        if not match:
            continue
        where = f"{source.relative_to(top)}:{number}"
        target = included_part(match[2], match[1] == '"', top)
        if target and target not in allowed:
            yield (f"{where}: src/{part} may not include \"{match[2]}\": the layout's arrows give it "
                   f"only {', '.join(sorted(allowed - {part})) or 'libc'}")
        elif part in SANS_IO and SANS_IO[part].match(match[2]) and not source.name.endswith(".bpf.c"):
            yield f"{where}: src/{part} does no I/O and reads no clock: it may not include {match[2]}"


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    found = list(violations(top))
    print("\n".join(found) if found else "all includes run along the arrows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
