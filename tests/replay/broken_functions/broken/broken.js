// SPDX-License-Identifier: BSD-2-Clause
throw new Error('broken on purpose');
