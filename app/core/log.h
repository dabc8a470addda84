// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLoggingCategory>

// All logging categories of the app. Never log a key, a token, a header, a query string or a
// file's content.
Q_DECLARE_LOGGING_CATEGORY(lcApi)         // moru.api
Q_DECLARE_LOGGING_CATEGORY(lcConnections) // moru.connections
Q_DECLARE_LOGGING_CATEGORY(lcEngine)      // moru.engine
Q_DECLARE_LOGGING_CATEGORY(lcStores)      // moru.stores
Q_DECLARE_LOGGING_CATEGORY(lcTerminal)    // moru.terminal
Q_DECLARE_LOGGING_CATEGORY(lcFiles)       // moru.files
Q_DECLARE_LOGGING_CATEGORY(lcUi)          // moru.ui

namespace moru {

/// Sends Qt's messages to stderr and to a rotating file (at most 2 x 5 MB) in `folder`, which is
/// created. Returns the file's path, empty if it cannot be written. Thread-safe once installed.
QString installLogFile(const QString &folder);

} // namespace moru
