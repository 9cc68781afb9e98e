# SPDX-License-Identifier: BSD-2-Clause
"""What is told of an error: what it says, and where in the function's folder it came from."""

import os
import traceback

MESSAGE_MAX = 500  # characters


def text_of(error):
    try:
        return f'{type(error).__name__}: {error}'
    except Exception:
        return type(error).__name__


def place_of(error, folder):
    """ "port-scan.py:12: "; "": that cannot be told."""
    root = os.path.realpath(folder) + '/'
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for path, line in reversed(places):
        if line and os.path.realpath(path).startswith(root):
            return f'{os.path.realpath(path)[len(root) :]}:{line}: '
    return ''


def message_of(error, folder):
    """Of an exception, or of a text that a function gave for a reason."""
    text = error if isinstance(error, str) else place_of(error, folder) + text_of(error)
    return text.replace('\0', '?')[:MESSAGE_MAX]
