// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace moru::engine {

/// Completion token: `co_await` gives the error code as a value instead of throwing it.
inline constexpr auto asTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

} // namespace moru::engine
