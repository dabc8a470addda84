// SPDX-License-Identifier: GPL-3.0-or-later
// The compiled part of Boost.JSON; nothing else belongs in this file.
#include <boost/json/src.hpp>
