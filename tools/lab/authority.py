# SPDX-License-Identifier: BSD-2-Clause
"""A CA of a lab's own, made as an operator makes one: with `netlambda pki`."""
import pathlib

from . import network
from .daemons import program


class Authority:
    """A CA in a directory, and the certificates that it issues there."""

    def __init__(self, directory, build):
        self.directory = pathlib.Path(directory)
        self.netlambda = program("netlambda", build)
        self.directory.mkdir(exist_ok=True)
        self._pki("init")

    def _pki(self, verb, *words):
        network.command(self.netlambda, "pki", verb, "--dir", str(self.directory / "ca"), *map(str, words))

    @property
    def crl(self):
        """The revocation list, which is replaced whenever one is revoked."""
        return self.directory / "ca/crl.pem"

    def server(self, *hosts, to="server.pem", options=()):
        """A server's file for the names and addresses that agents know it by."""
        path = self.directory / to
        self._pki("issue", "server", *hosts, "--to", path, *options)
        return path

    def switch(self, number, *, to=None, options=()):
        path = self.directory / (to or f"switch-{number}.pem")
        self._pki("issue", "switch", number, "--to", path, *options)
        return path

    def renew(self, number, path):
        """Another certificate for the switch's key, put into the place of the one in `path`."""
        renewed = self.directory / "renewed.pem"
        renewed.unlink(missing_ok=True)
        self._pki("renew", "switch", number, "--to", renewed)
        network.command(self.netlambda, "pki", "enroll", str(renewed), "--to", str(path))

    def revoke(self, number):
        self._pki("revoke", "switch", number)
