// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace moru {

/// A request under way. Copies refer to the same request; dropping it does not stop the request.
class Call {
public:
    Call() = default;
    /// `abort` is run at most once, by abort().
    explicit Call(std::function<void()> abort)
        : m_abort(std::make_shared<std::function<void()>>(std::move(abort)))
    {}

    /// Ends the transfer; the call's Done is not run any more. Harmless when it has finished.
    void abort()
    {
        if (!m_abort)
            return;
        if (auto action = std::exchange(*m_abort, nullptr))
            action();
    }

private:
    std::shared_ptr<std::function<void()>> m_abort;
};

} // namespace moru
