# SPDX-License-Identifier: BSD-2-Clause
"""What the demo says on the terminal: headings, a progress line, alerts, a table."""
import os
import sys

BAR = 24  # characters of the progress bar


class Story:
    """On a terminal with colours and a progress line; elsewhere plain lines only."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty()
        self.colour = self.live and "NO_COLOR" not in os.environ

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def _clear(self):
        if self.live:
            self.out.write("\r\033[K")

    def line(self, text=""):
        self._clear()
        self.out.write(text + "\n")
        self.out.flush()

    def heading(self, text):
        self.line()
        self.line(self._paint("1", text))

    def command(self, argv):
        self.line(self._paint("2", "  $ " + " ".join(map(str, argv))))

    def progress(self, fraction, text):
        if self.live:
            done = round(min(max(fraction, 0), 1) * BAR)
            self.out.write(f"\r\033[K  [{'=' * done}{' ' * (BAR - done)}] {text}")
            self.out.flush()

    def alert(self, text, expected):
        mark = self._paint("1;31", "ALERT") if expected else self._paint("1;35", "UNEXPECTED ALERT")
        self.line(f"  {mark}  {text}")

    def good(self, text):
        self.line(self._paint("32", f"  {text}"))

    def bad(self, text):
        self.line(self._paint("31", f"  {text}"))

    def table(self, rows):
        """Rows of strings, the first one the heading; columns as wide as they need to be."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for number, row in enumerate(rows):
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            self.line("  " + (self._paint("1", text) if number == 0 else text))
