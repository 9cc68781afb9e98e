# SPDX-License-Identifier: BSD-2-Clause
die "broken on purpose\n";
