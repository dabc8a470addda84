// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace moru::bench {

/// The program that runs *inside* the terminal under test: writes each workload to the tty, asks
/// for the cursor's position, and when the answer comes notes how much CPU the terminal (its
/// parent) has used. Arguments: result file, then pairs of workload name and megabytes.
int drive(int argc, char **argv);

} // namespace moru::bench
