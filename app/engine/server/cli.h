// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru::engine {

/// moru-local's command line: serve, env, doctor, status, stop, reset, --help, --version. Returns the
/// process's exit code: 0 success, 1 failure told on stderr, 2 wrong usage.
int runCli(int argc, char **argv);

} // namespace moru::engine
