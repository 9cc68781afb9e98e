#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An ordinary visitor of a web site: browse.py SECONDS URL... fetches them in turn, with pauses."""
import itertools
import sys
import time
import urllib.request

PAUSE = 0.04  # seconds between requests: about 25 connections a second


def main():
    end = time.monotonic() + float(sys.argv[1])
    done = 0
    for url in itertools.cycle(sys.argv[2:]):
        if time.monotonic() > end:
            break
        with urllib.request.urlopen(url, timeout=20) as response:
            response.read()
        done += 1
        time.sleep(PAUSE)
    print(done)


if __name__ == "__main__":
    main()
