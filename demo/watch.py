# SPDX-License-Identifier: BSD-2-Clause
"""Reads the server's alert file as it grows, and tells expected alerts from others."""
import json
import time


class AlertFile:
    """The NDJSON file of alerts, read from where it was left the last time."""

    def __init__(self, path):
        self.path = path
        self.position = 0
        self.partial = b""

    def new(self):
        """The alerts that came since the last call, each with the monotonic time it was seen."""
        try:
            with open(self.path, "rb") as lines:
                lines.seek(self.position)
                read = lines.read()
        except FileNotFoundError:
            return []
        self.position += len(read)
        *complete, self.partial = (self.partial + read).split(b"\n")
        now = time.monotonic()
        return [(now, json.loads(line)) for line in complete if line]


SEVERITIES = {1: "high", 2: "medium", 3: "low"}  # EVE's numbers


def describe(alert):
    """One alert in one line."""
    ends = f"{alert.get('src_ip', '?')} -> {alert.get('dest_ip', '?')}"
    if alert.get("dest_port") is not None:
        ends += f":{alert['dest_port']}"
    inner = alert["alert"]
    function = alert.get("netlambda", {}).get("function", "?")
    severity = SEVERITIES.get(inner["severity"], inner["severity"])
    return f"{inner['signature']} [{severity}]  {ends}  (function {function})"
