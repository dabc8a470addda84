// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine/sandbox/steperror.h"

#include <system_error>

namespace moru::engine {

namespace {

std::string sentenceOf(const std::string &step, int code)
{
    std::string text = "Could not " + step;
    if (code != 0)
        text += ": " + std::generic_category().message(code);
    return text + ".";
}

} // namespace

StepError::StepError(std::string step, int code)
    : std::runtime_error(sentenceOf(step, code))
    , m_step(std::move(step))
    , m_code(code)
{}

StepError::StepError(std::string step, int code, const std::string &sentence)
    : std::runtime_error(sentence)
    , m_step(std::move(step))
    , m_code(code)
{}

} // namespace moru::engine
