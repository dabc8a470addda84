// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

/// What may be done with the name of a file that somebody else chose. Pure functions.
///
/// A name from a sandbox is a Unix name that arrived as text: it may hold newlines, terminal
/// escapes, direction marks, a path, or U+FFFD where the bytes were not UTF-8. None of that may
/// reach a label raw or decide where a download lands.
namespace moru::filename {

/// The name as one line of text in which nothing is invisible: control characters, line
/// separators, direction marks and lone surrogates appear as escapes ("\n", "\x1b", "\u202e").
[[nodiscard]] QString display(const QString &name);

/// True if the server could not express the name (it holds U+FFFD or a lone surrogate): asking for
/// it by this name would ask for another file.
[[nodiscard]] bool isLossy(const QString &name);

/// True if an entry of this name can be addressed below its folder.
[[nodiscard]] bool isAddressable(const QString &name);

/// Why a name that the user typed cannot be given to a file in a sandbox.
enum class Problem {
    None,
    Empty,
    Dots,      ///< "." or ".."
    Separator, ///< holds '/'
    Control,   ///< holds a control character
    TooLong,   ///< more than 255 bytes of UTF-8
    NotText,   ///< lone surrogate or U+FFFD
};
[[nodiscard]] Problem check(const QString &name);

/// Which names the local file system takes.
enum class Rules {
    Unix,
    Windows,
};
[[nodiscard]] Rules hostRules();

/// A name for a local file that resembles `remoteName`. Always one non-empty path component, never
/// "." or "..", free of separators and control characters, at most 200 bytes of UTF-8 (so that
/// " (2)" and a temporary suffix still fit); with Windows rules also free of <>:"|?* and of device
/// names. Applying it twice changes nothing more.
[[nodiscard]] QString forDownload(const QString &remoteName, Rules rules = hostRules());

/// "report (2).txt" for ("report.txt", 2); the dot of a hidden file is no suffix.
[[nodiscard]] QString numbered(const QString &name, int number);

/// The name of the file that is written before it takes the place of `name` in the same folder:
/// hidden, at most 255 bytes, made unique by `token`.
[[nodiscard]] QString temporary(const QString &name, const QString &token);
/// Eight random hex digits for temporary().
[[nodiscard]] QString randomToken();

/// A string whose plain comparison puts names into natural order without regard to case: "a2"
/// before "A10".
[[nodiscard]] QString sortKey(const QString &name);

/// Paths of a sandbox (always with '/').
[[nodiscard]] QString join(const QString &folder, const QString &name);
[[nodiscard]] QString parentOf(const QString &path); ///< "/" for "/" and for "/a"
[[nodiscard]] QString baseOf(const QString &path);   ///< "a" for "/x/a"; empty for "/"

} // namespace moru::filename
