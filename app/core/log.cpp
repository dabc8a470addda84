// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/core/log.h"

#include <QDateTime>
#include <QDir>
#include <QFile>

#include <mutex>

Q_LOGGING_CATEGORY(lcApi, "moru.api", QtInfoMsg)
Q_LOGGING_CATEGORY(lcConnections, "moru.connections", QtInfoMsg)
Q_LOGGING_CATEGORY(lcEngine, "moru.engine", QtInfoMsg)
Q_LOGGING_CATEGORY(lcStores, "moru.stores", QtInfoMsg)
Q_LOGGING_CATEGORY(lcTerminal, "moru.terminal", QtInfoMsg)
Q_LOGGING_CATEGORY(lcFiles, "moru.files", QtInfoMsg)
Q_LOGGING_CATEGORY(lcUi, "moru.ui", QtInfoMsg)

namespace moru {

namespace {

constexpr qint64 MaxLogBytes = 5'000'000;

QByteArray levelName(QtMsgType type)
{
    switch (type) {
    case QtDebugMsg:
        return QByteArrayLiteral("debug");
    case QtInfoMsg:
        return QByteArrayLiteral("info ");
    case QtWarningMsg:
        return QByteArrayLiteral("warn ");
    case QtCriticalMsg:
        return QByteArrayLiteral("error");
    case QtFatalMsg:
        return QByteArrayLiteral("fatal");
    }
    return QByteArrayLiteral("?    ");
}

/// The file behind the message handler. One per process, because Qt has one handler per process.
class LogFile {
public:
    bool open(const QString &path)
    {
        const std::scoped_lock lock(m_mutex);
        m_file.close();
        m_file.setFileName(path);
        return reopen();
    }

    void write(const QByteArray &line)
    {
        const std::scoped_lock lock(m_mutex);
        if (!m_file.isOpen())
            return;
        if (m_file.size() + line.size() > MaxLogBytes) {
            const QString previous = m_file.fileName() + QStringLiteral(".1");
            m_file.close();
            QFile::remove(previous);
            m_file.rename(previous);
            m_file.setFileName(previous.chopped(2));
            if (!reopen())
                return;
        }
        m_file.write(line);
        m_file.flush();
    }

private:
    bool reopen()
    {
        if (!m_file.open(QIODevice::WriteOnly | QIODevice::Append))
            return false;
        m_file.setPermissions(QFileDevice::ReadOwner | QFileDevice::WriteOwner);
        return true;
    }

    std::mutex m_mutex;
    QFile m_file;
};

LogFile &logFile()
{
    // Never destroyed: messages still arrive while static objects go away.
    static auto *file = new LogFile;
    return *file;
}

QtMessageHandler previousHandler = nullptr;

void handleMessage(QtMsgType type, const QMessageLogContext &context, const QString &message)
{
    if (previousHandler)
        previousHandler(type, context, message);
    QByteArray text = message.toUtf8();
    // One message is one line, whatever a server put into it.
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\x1b', "\\e");
    const QByteArray category =
        context.category ? QByteArray(context.category) : QByteArrayLiteral("default");
    logFile().write(QDateTime::currentDateTimeUtc().toString(Qt::ISODateWithMs).toLatin1() + ' '
                    + levelName(type) + ' ' + category + ": " + text + '\n');
}

} // namespace

QString installLogFile(const QString &folder)
{
    if (!QDir().mkpath(folder))
        return {};
    const QString path = QDir(folder).filePath(QStringLiteral("moru-desktop.log"));
    if (!logFile().open(path))
        return {};
    if (!previousHandler) // a second call changes the file only
        previousHandler = qInstallMessageHandler(handleMessage);
    return path;
}

} // namespace moru
