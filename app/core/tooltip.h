// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace moru {

/// `text` for a tooltip. Tooltips show what looks like HTML as HTML, and names that come out of a
/// sandbox must not be able to load images or to forge words.
inline QString plainToolTip(const QString &text)
{
    if (!text.contains(u'<') && !text.contains(QLatin1String("&lt")))
        return text;
    return QStringLiteral("<p style=\"white-space:pre-wrap\">") + text.toHtmlEscaped()
           + QStringLiteral("</p>");
}

} // namespace moru
