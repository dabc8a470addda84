// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/core/settings.h"

#include "app/core/paths.h"

#include <QDir>
#include <QSettings>

#include <algorithm>
#include <iterator>

namespace moru {

namespace {

struct Definition {
    Setting setting;
    const char *name;
    QVariant fallback;
};

const Definition &definition(Setting setting)
{
    static const Definition table[] = {
        {Setting::WindowGeometry, "window/geometry", QByteArray()},
        {Setting::WindowState, "window/state", QByteArray()},
        {Setting::SandboxColumns, "window/sandboxColumns", QByteArray()},
        {Setting::MainSplitter, "window/mainSplitter", QByteArray()},
        {Setting::ColorScheme, "appearance/colorScheme", QStringLiteral("system")},
        {Setting::RowHeight, "appearance/rowHeight", QStringLiteral("normal")},
        {Setting::DesktopIsDark, "appearance/desktopIsDark", false},
        {Setting::CurrentConnection, "connections/current", QStringLiteral("local")},
        {Setting::Connections, "connections/list", QByteArrayLiteral("[]")},
        {Setting::LastTemplate, "newSandbox/template", QStringLiteral("base")},
        {Setting::LastTimeout, "newSandbox/timeoutSeconds", 1800},
        {Setting::PauseOnTimeout, "newSandbox/pauseOnTimeout", false},
        {Setting::ScrollbackLines, "terminal/scrollbackLines", 10000},
        {Setting::TerminalScheme, "terminal/colorScheme", QStringLiteral("app")},
        {Setting::TerminalFont, "terminal/font", QString()},
        {Setting::CheckForUpdates, "updates/checkAtStart", true},
        {Setting::DismissedUpdate, "updates/dismissed", QString()},
    };
    const auto *found =
        std::find_if(std::begin(table), std::end(table),
                     [setting](const Definition &d) { return d.setting == setting; });
    Q_ASSERT(found != std::end(table));
    return *found;
}

const QString versionKey = QStringLiteral("version");

} // namespace

Settings::Settings(QObject *parent)
    : Settings(QDir(paths::configDir()).filePath(QStringLiteral("settings.ini")), parent)
{}

Settings::Settings(const QString &file, QObject *parent)
    : QObject(parent)
    , m_file(std::make_unique<QSettings>(file, QSettings::IniFormat))
    , m_loadedVersion(m_file->value(versionKey, 0).toInt())
{
    if (m_loadedVersion < Version)
        m_file->setValue(versionKey, Version);
}

Settings::~Settings() = default;

QVariant Settings::value(Setting setting) const
{
    if (const auto cached = m_cache.constFind(setting); cached != m_cache.constEnd())
        return *cached;
    const Definition &entry = definition(setting);
    QVariant stored = m_file->value(QLatin1String(entry.name));
    // An INI file knows strings only: bring the value to the table's type, or fall back.
    if (!stored.isValid() || !stored.convert(entry.fallback.metaType()))
        stored = entry.fallback;
    m_cache.insert(setting, stored);
    return stored;
}

void Settings::set(Setting setting, const QVariant &value)
{
    const Definition &entry = definition(setting);
    Q_ASSERT(value.metaType() == entry.fallback.metaType());
    if (this->value(setting) == value)
        return;
    m_file->setValue(QLatin1String(entry.name), value);
    m_cache.insert(setting, value);
    emit changed(setting);
}

void Settings::reset(Setting setting)
{
    const Definition &entry = definition(setting);
    const bool differs = value(setting) != entry.fallback;
    m_file->remove(QLatin1String(entry.name));
    m_cache.remove(setting);
    if (differs)
        emit changed(setting);
}

bool Settings::sync()
{
    m_file->sync();
    return m_file->status() == QSettings::NoError;
}

QString Settings::fileName() const
{
    return m_file->fileName();
}

} // namespace moru
