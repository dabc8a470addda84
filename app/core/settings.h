// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QHash>
#include <QObject>
#include <QVariant>

#include <memory>

class QSettings;

namespace moru {

/// Everything the app remembers between runs, except secrets (those live in the keychain). Name,
/// type and default of each are in the one table of settings.cpp; a new setting is a line here and
/// a line there.
enum class Setting {
    WindowGeometry,    ///< QByteArray
    WindowState,       ///< QByteArray
    SandboxColumns,    ///< QByteArray: header state of the sandbox table
    MainSplitter,      ///< QByteArray
    ColorScheme,       ///< QString: "system", "light", "dark"
    RowHeight,         ///< QString: of tables: "compact", "normal", "comfortable"
    DesktopIsDark,     ///< bool: what the desktop wanted last; assumed until it answers
    CurrentConnection, ///< QString: id of the connection shown last
    Connections,       ///< QByteArray: JSON array, see ConnectionManager
    LastTemplate,      ///< QString: preselected in New sandbox
    LastTimeout,       ///< int: seconds, preselected in New sandbox
    PauseOnTimeout,    ///< bool: preselected in New sandbox
    ScrollbackLines,   ///< int: lines kept per terminal
    TerminalScheme,    ///< QString: "app", "light", "dark"
    TerminalFont,      ///< QString: QFont::toString(), empty = the system's fixed font
    CheckForUpdates,   ///< bool: ask at start whether a newer version exists
    DismissedUpdate,   ///< QString: the version whose note was closed
};

/// Typed access to the settings file, reads cached, writes only on change. GUI thread only.
class Settings : public QObject {
    Q_OBJECT
public:
    /// The user's file below paths::configDir().
    explicit Settings(QObject *parent = nullptr);
    /// Another file, for tests.
    explicit Settings(const QString &file, QObject *parent = nullptr);
    ~Settings() override;

    /// The stored value, or the default when it is missing or of a type that does not convert.
    [[nodiscard]] QVariant value(Setting setting) const;
    template <typename T> [[nodiscard]] T get(Setting setting) const
    {
        Q_ASSERT(value(setting).metaType() == QMetaType::fromType<T>());
        return value(setting).template value<T>();
    }
    /// `value` must have the type of the table.
    void set(Setting setting, const QVariant &value);
    void reset(Setting setting);
    /// Writes pending changes to disk; false if the file cannot be written. Also done on
    /// destruction.
    bool sync();

    [[nodiscard]] QString fileName() const;
    /// Of the file's layout; a file of a newer version is used as far as it is understood.
    static constexpr int Version = 1;
    /// What the file said when it was opened; 0 = it was new.
    [[nodiscard]] int loadedVersion() const { return m_loadedVersion; }

signals:
    void changed(moru::Setting setting);

private:
    std::unique_ptr<QSettings> m_file;
    mutable QHash<Setting, QVariant> m_cache;
    int m_loadedVersion = 0;
};

} // namespace moru
