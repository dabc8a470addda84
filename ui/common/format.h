// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QDateTime>
#include <QString>

namespace moru::format {

QString duration(qint64 seconds); ///< "3 h 12 min", "45 s"; two units at most
QString relative(const QDateTime &when, const QDateTime &now); ///< "4 min ago", "just now"
QString absolute(const QDateTime &when); ///< local time with zone, for tooltips
QString bytes(qint64 size);              ///< "1.4 GiB", "12 B"
QString percent(double value);           ///< "12 %"
/// Middle-elided for table cells and titles ("i7f3k…9kx2").
QString shortId(const QString &id);

/// One sentence a person understands, with what to do where that is known. Plain text.
QString sentence(const Error &error);
/// For "Details": kind, HTTP status, the server's words, no secret.
QString details(const Error &error);

} // namespace moru::format
