// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace moru {

/// Reads like std::optional<T>, but costs one pointer while empty: for large values that most of
/// very many objects do not have. Copies copy the value.
template <typename T> class Boxed {
public:
    Boxed() = default;
    Boxed(std::nullopt_t) {}
    Boxed(const T &value)
        : m_value(std::make_unique<T>(value))
    {}
    Boxed(const Boxed &other)
        : m_value(other ? std::make_unique<T>(*other) : nullptr)
    {}
    Boxed(Boxed &&) noexcept = default;
    ~Boxed() = default;
    Boxed &operator=(const Boxed &other)
    {
        if (this != &other)
            m_value = other ? std::make_unique<T>(*other) : nullptr;
        return *this;
    }
    Boxed &operator=(Boxed &&) noexcept = default;

    [[nodiscard]] bool has_value() const { return m_value != nullptr; }
    explicit operator bool() const { return has_value(); }
    const T &operator*() const { return *m_value; } ///< only when has_value()
    const T *operator->() const { return m_value.get(); }
    [[nodiscard]] const T &value() const { return *m_value; }
    void reset() { m_value.reset(); }

    friend bool operator==(const Boxed &a, const Boxed &b)
    {
        return a.has_value() == b.has_value() && (!a || *a == *b);
    }

private:
    std::unique_ptr<T> m_value;
};

} // namespace moru
