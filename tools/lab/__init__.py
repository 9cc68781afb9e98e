# SPDX-License-Identifier: BSD-2-Clause
"""A network in namespaces and the daemons in it: what the demo and the network tests stand on."""
