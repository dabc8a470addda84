// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QByteArray>

#include <memory>
#include <optional>

namespace moru::test {

/// Receives one asynchronous result and counts how often it came.
///
///     Outcome<bool> killed;
///     client.killSandbox(id, &context, killed.done());
///     QTRY_VERIFY(killed.arrived());
template <typename T = void> class Outcome {
public:
    [[nodiscard]] Done<T> done() const
    {
        return [state = m_state](const Result<T> &result) {
            state->result = result;
            state->count += 1;
        };
    }
    [[nodiscard]] bool arrived() const { return m_state->count > 0; }
    [[nodiscard]] int count() const { return m_state->count; }
    [[nodiscard]] bool ok() const { return m_state->result && m_state->result->has_value(); }
    /// Only after arrived().
    [[nodiscard]] const Result<T> &result() const { return m_state->result.value(); }
    [[nodiscard]] const Error &error() const { return m_state->result.value().error(); }
    template <typename U = T> [[nodiscard]] const U &value() const
    {
        return m_state->result.value().value();
    }

private:
    struct State {
        std::optional<Result<T>> result;
        int count = 0;
    };
    std::shared_ptr<State> m_state = std::make_shared<State>();
};

/// JSON text without backslashes: ' stands for ". (Qt's moc stumbles over C++ raw strings.)
inline QByteArray json(QByteArray text)
{
    return text.replace('\'', '"');
}

} // namespace moru::test
