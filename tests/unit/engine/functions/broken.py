# SPDX-License-Identifier: BSD-2-Clause
raise RuntimeError('broken on purpose')
