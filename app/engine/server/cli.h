// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru::engine {

/// What moru-local's process ends with.
enum ExitCode : int {
    ExitSuccess = 0,
    ExitFailure = 1,        ///< told on stderr
    ExitUsage = 2,          ///< wrong arguments
    ExitNotRunning = 3,     ///< env, status: no engine serves this state directory
    ExitAlreadyRunning = 4, ///< serve: another engine does
};

/// moru-local's command line: serve, env, doctor, status, stop, reset, --help, --version. Returns
/// the process's exit code, see ExitCode.
int runCli(int argc, char **argv);

} // namespace moru::engine
