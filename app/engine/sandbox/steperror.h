// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/engine/sandbox/launcher.h"

#include <cerrno>
#include <stdexcept>
#include <string>

namespace moru::engine {

/// A failed step, thrown inside this folder and turned into a LaunchError at its border.
class StepError : public std::runtime_error {
public:
    /// `step` names the operation and its object ("mount overlay on /usr").
    explicit StepError(std::string step, int code = errno);
    /// With a sentence of its own instead of the one made of step and errno.
    StepError(std::string step, int code, const std::string &sentence);

    [[nodiscard]] LaunchError toLaunchError() const { return {m_step, m_code, what()}; }
    [[nodiscard]] const std::string &step() const { return m_step; }
    [[nodiscard]] int code() const { return m_code; }

private:
    std::string m_step;
    int m_code;
};

/// Throws StepError(step) with errno if `result` is negative.
template <typename T> T checked(T result, const char *step)
{
    if (result < 0)
        throw StepError(step);
    return result;
}

/// A system call again as long as a signal interrupts it.
template <typename Call> auto uninterrupted(Call call)
{
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR)
            return result;
    }
}

} // namespace moru::engine
