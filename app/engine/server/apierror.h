// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdexcept>
#include <string>

namespace moru::engine {

/// A refusal of the control plane: becomes the HTTP status and the message of the error body.
class ApiError : public std::runtime_error {
public:
    ApiError(int status, const std::string &message)
        : std::runtime_error(message)
        , m_status(status)
    {}
    [[nodiscard]] int status() const { return m_status; }

private:
    int m_status;
};

/// The 400 of a request that does not fit the schema.
inline ApiError validationError(const std::string &what)
{
    return {400, "validation error: " + what};
}

} // namespace moru::engine
