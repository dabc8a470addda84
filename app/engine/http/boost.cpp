// SPDX-License-Identifier: GPL-3.0-or-later
// The out-of-line parts of Asio and Beast (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
