// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/launcher.h"
#include "app/engine/server/cli.h"

#include <string_view>

int main(int argc, char **argv)
{
    // The same binary is PID 1 of every sandbox; it arrives there by a sealed copy of itself.
    if (argc > 0 && std::string_view(argv[0]) == moru::engine::SandboxArgv0)
        return moru::engine::sandboxMain();
    return moru::engine::runCli(argc, argv);
}
