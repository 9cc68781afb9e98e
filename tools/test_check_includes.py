#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plants includes in a small tree and expects check_includes.py to find exactly the wrong ones."""
import pathlib
import tempfile
import unittest

import check_includes

LAYOUT = """
    include/netlambda/  what outsiders compile
    src/base/           error, log                              -> libc only
    src/event/          records                                 -> base, include
    src/wire/           protocol core                           -> base, include
    src/store/          where state lasts                       -> event
    src/server/         ingest                                  -> store, wire
    src/cli/            commands                                -> base (speaks HTTP)
"""


class IncludeDirections(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.top = pathlib.Path(self.directory.name)
        (self.top / "ARCHITECTURE.md").write_text(LAYOUT)
        for part in ("base", "event", "wire", "store", "server", "cli"):
            (self.top / "src" / part).mkdir(parents=True)

    def plant(self, path, *includes):
        (self.top / "src" / path).write_text("".join(f"#include {name}\n" for name in includes))

    def found(self):
        return list(check_includes.violations(self.top))

    def test_includes_along_the_arrows_pass(self):
        self.plant("event/a.c", '"event/a.h"', '"base/fd.h"', "<netlambda/event.h>", "<stdio.h>")
        self.plant("cli/a.c", '"base/log.h"', "<curl/curl.h>")
        self.assertEqual(self.found(), [])

    def test_an_arrow_reaches_what_its_target_reaches(self):
        self.plant("server/a.c", '"event/a.h"', '"base/fd.h"', '"netlambda/event.h"')
        self.assertEqual(self.found(), [])

    def test_an_include_against_an_arrow_is_found_with_its_line(self):
        self.plant("base/a.c", '"base/a.h"', '"event/a.h"')
        self.assertEqual(len(self.found()), 1)
        self.assertIn("src/base/a.c:2: src/base may not include \"event/a.h\"", self.found()[0])

    def test_an_include_without_an_arrow_is_found(self):
        self.plant("wire/a.c", '"event/a.h"')
        self.plant("cli/a.h", "<netlambda/event.h>")
        self.assertEqual(len(self.found()), 2)

    def test_a_sans_io_part_may_not_reach_the_clock(self):
        self.plant("wire/a.c", '"base/clock.h"', "<time.h>", "<sys/socket.h>", '"base/cursor.h"')
        self.assertEqual(len(self.found()), 3)

    def test_a_part_that_the_layout_does_not_know_is_found(self):
        (self.top / "src" / "stray").mkdir()
        self.assertEqual(len(self.found()), 1)


if __name__ == "__main__":
    unittest.main()
