// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/common/theme.h"

#include "app/core/log.h"

#include <QApplication>
#include <QFile>
#include <QHash>
#include <QIconEngine>
#include <QPainter>
#include <QPalette>
#include <QPixmapCache>
#include <QProxyStyle>
#include <QSettings>
#include <QStyle>

#if QT_CONFIG(dbus)
#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QDBusVariant>
#endif

#include <array>
#include <cmath>
#include <memory>

static void initIconData()
{
    Q_INIT_RESOURCE(moru); // outside any namespace, as the macro demands
}

namespace moru::theme {
namespace {

constexpr std::array maskSizes{16, 20, 24, 32, 48, 64, 96};

struct Colors {
    QColor window, base, alternate, text, secondary, button, hairline, hover, pale;
    QColor highlight, highlightText, highlightInactive, link, tip;
    QColor running, paused, changing, ended, danger, warning, accent;
};

const Colors &light()
{
    static const Colors colors{
        .window = QColor(0xf4f5f7),
        .base = QColor(0xffffff),
        .alternate = QColor(0xf7f8fa),
        .text = QColor(0x1c2127),
        .secondary = QColor(0x59616c),
        .button = QColor(0xfbfbfc),
        .hairline = QColor(0xe1e4e8),
        .hover = QColor(0xf5f7fa),
        .pale = QColor(0xeef3fb),
        .highlight = QColor(0x1f63b5),
        .highlightText = QColor(0xffffff),
        .highlightInactive = QColor(0xdfe6f0),
        .link = QColor(0x1f63b5),
        .tip = QColor(0xffffff),
        .running = QColor(0x1b7f3b),
        .paused = QColor(0x8a6100),
        .changing = QColor(0x1f63b5),
        .ended = QColor(0x5f6670),
        .danger = QColor(0xb3261e),
        .warning = QColor(0x8a4b00),
        .accent = QColor(0x1f63b5),
    };
    return colors;
}

const Colors &dark()
{
    static const Colors colors{
        .window = QColor(0x24282e),
        .base = QColor(0x1b1e23),
        .alternate = QColor(0x1f2328),
        .text = QColor(0xe4e7eb),
        .secondary = QColor(0xa3abb6),
        .button = QColor(0x2f343b),
        .hairline = QColor(0x343a42),
        .hover = QColor(0x23282f),
        .pale = QColor(0x2b3440),
        .highlight = QColor(0x2a62a8),
        .highlightText = QColor(0xffffff),
        .highlightInactive = QColor(0x303a47),
        .link = QColor(0x7fb4f5),
        .tip = QColor(0x2f343b),
        .running = QColor(0x6fcf8b),
        .paused = QColor(0xe8b84a),
        .changing = QColor(0x7fb4f5),
        .ended = QColor(0x9aa3ae),
        .danger = QColor(0xf2938c),
        .warning = QColor(0xf0a35e),
        // The selection's blue carries white text; as a line or a letter on the dark ground the
        // accent needs the lighter blue to be readable.
        .accent = QColor(0x7fb4f5),
    };
    return colors;
}

QPalette paletteOf(const Colors &c, bool isDarkScheme)
{
    QPalette p;
    const QColor disabled = isDarkScheme ? QColor(0x737b86) : QColor(0x9aa1ab);
    p.setColor(QPalette::Window, c.window);
    p.setColor(QPalette::WindowText, c.text);
    p.setColor(QPalette::Base, c.base);
    p.setColor(QPalette::AlternateBase, c.alternate);
    p.setColor(QPalette::Text, c.text);
    p.setColor(QPalette::Button, c.button);
    p.setColor(QPalette::ButtonText, c.text);
    p.setColor(QPalette::BrightText, c.danger);
    p.setColor(QPalette::PlaceholderText, c.secondary);
    p.setColor(QPalette::ToolTipBase, c.tip);
    p.setColor(QPalette::ToolTipText, c.text);
    p.setColor(QPalette::Link, c.link);
    p.setColor(QPalette::LinkVisited, c.link);
    p.setColor(QPalette::Highlight, c.highlight);
    p.setColor(QPalette::HighlightedText, c.highlightText);
    p.setColor(QPalette::Inactive, QPalette::Highlight, c.highlightInactive);
    p.setColor(QPalette::Inactive, QPalette::HighlightedText, c.text);
    // Bevels of the platform style.
    p.setColor(QPalette::Light, isDarkScheme ? QColor(0x3a4048) : QColor(0xffffff));
    p.setColor(QPalette::Midlight, isDarkScheme ? QColor(0x333941) : QColor(0xeceef1));
    p.setColor(QPalette::Mid, isDarkScheme ? QColor(0x3d444d) : QColor(0xc6cad0));
    p.setColor(QPalette::Dark, isDarkScheme ? QColor(0x14171a) : QColor(0xa7adb6));
    p.setColor(QPalette::Shadow, isDarkScheme ? QColor(0x0c0e10) : QColor(0x70767f));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText,
                            QPalette::HighlightedText, QPalette::PlaceholderText})
        p.setColor(QPalette::Disabled, role, disabled);
    p.setColor(QPalette::Disabled, QPalette::Highlight, c.highlightInactive);
    p.setColor(QPalette::Disabled, QPalette::Base, c.window);
    return p;
}

/// What the desktop asks for. Looked up without ever making the first paint wait: what is assumed
/// stays until the portal has spoken.
class DesktopScheme : public QObject {
    Q_OBJECT
public:
    DesktopScheme(bool platformIsDark, bool assumeDark)
        : m_dark(platformIsDark || assumeDark)
        , m_platformIsDark(platformIsDark)
    {
#ifdef Q_OS_WIN
        const QSettings personalize(
            QStringLiteral("HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\"
                           "Themes\\Personalize"),
            QSettings::NativeFormat);
        m_dark = personalize.value(QStringLiteral("AppsUseLightTheme"), 1).toInt() == 0;
#endif
    }

    [[nodiscard]] bool isDark() const
    {
        return m_dark;
    }

    void listen()
    {
#if QT_CONFIG(dbus) && !defined(Q_OS_WIN)
        // Without an announced bus the library would try to launch one.
        if (!qEnvironmentVariableIsSet("DBUS_SESSION_BUS_ADDRESS"))
            return;
        QDBusConnection bus = QDBusConnection::sessionBus();
        if (!bus.isConnected())
            return;
        const QString service = QStringLiteral("org.freedesktop.portal.Desktop");
        const QString path = QStringLiteral("/org/freedesktop/portal/desktop");
        const QString interface = QStringLiteral("org.freedesktop.portal.Settings");
        bus.connect(service, path, interface, QStringLiteral("SettingChanged"), this,
                    SLOT(onSettingChanged(QString, QString, QDBusVariant)));
        QDBusMessage ask =
            QDBusMessage::createMethodCall(service, path, interface, QStringLiteral("Read"));
        ask << QStringLiteral("org.freedesktop.appearance") << QStringLiteral("color-scheme");
        auto *watcher = new QDBusPendingCallWatcher(bus.asyncCall(ask, 3000), this);
        connect(watcher, &QDBusPendingCallWatcher::finished, this, [this, watcher] {
            const QDBusPendingReply<QDBusVariant> reply = *watcher;
            watcher->deleteLater();
            if (reply.isError()) {
                qCDebug(lcUi) << "no colour scheme from the desktop portal:"
                              << reply.error().name();
                return;
            }
            apply(reply.value().variant());
        });
#endif
    }

signals:
    void changed();

private slots:
#if QT_CONFIG(dbus)
    void onSettingChanged(const QString &group, const QString &name, const QDBusVariant &value)
    {
        if (group == QLatin1String("org.freedesktop.appearance")
            && name == QLatin1String("color-scheme"))
            apply(value.variant());
    }
#endif

private:
#if QT_CONFIG(dbus)
    void apply(QVariant value)
    {
        // Read() wraps its answer twice, the signal once.
        while (value.metaType() == QMetaType::fromType<QDBusVariant>())
            value = value.value<QDBusVariant>().variant();
        const uint wanted = value.toUInt(); // 0 no preference, 1 dark, 2 light
        const bool isDarkNow = wanted == 1 || (wanted == 0 && m_platformIsDark);
        if (isDarkNow == m_dark)
            return;
        m_dark = isDarkNow;
        emit changed();
    }
#endif

    bool m_dark = false;
    bool m_platformIsDark = false;
};

/// Fusion without its own coloured pixmaps on the buttons of dialogs, and with grid lines that can
/// be seen on dark ground too.
class QuietFusion final : public QProxyStyle {
public:
    QuietFusion()
        : QProxyStyle(QStringLiteral("Fusion"))
    {}
    int styleHint(StyleHint hint, const QStyleOption *option, const QWidget *widget,
                  QStyleHintReturn *data) const override
    {
        if (hint == SH_DialogButtonBox_ButtonsHaveIcons)
            return 0;
        if (hint == SH_Table_GridLineColor)
            return static_cast<int>(color(Token::Hairline).rgb());
        return QProxyStyle::styleHint(hint, option, widget, data);
    }
};

struct State {
    QApplication *app = nullptr;
    Scheme scheme = Scheme::System;
    Scheme terminalScheme = Scheme::System;
    bool dark = false;
    std::unique_ptr<DesktopScheme> desktop;
};

State &state()
{
    static State instance;
    return instance;
}

const Colors &colors()
{
    return state().dark ? dark() : light();
}

void applyPalette()
{
    State &s = state();
    s.dark = s.scheme == Scheme::Dark
             || (s.scheme == Scheme::System && s.desktop && s.desktop->isDark());
    if (!s.app)
        return;
    s.app->setPalette(paletteOf(colors(), s.dark));
    emit notifier().changed();
}

/// Paints a mask in a colour that is looked up at painting time, so icons follow a change of
/// scheme.
class MaskIconEngine final : public QIconEngine {
public:
    MaskIconEngine(QString name, std::optional<Token> token)
        : m_name(std::move(name))
        , m_token(token)
    {}

    void paint(QPainter *painter, const QRect &rect, QIcon::Mode mode, QIcon::State onOff) override
    {
        const qreal ratio = painter->device() ? painter->device()->devicePixelRatioF() : 1.0;
        QPixmap tinted = pixmap(rect.size() * ratio, mode, onOff);
        tinted.setDevicePixelRatio(ratio);
        painter->drawPixmap(rect, tinted);
    }

    QPixmap pixmap(const QSize &size, QIcon::Mode mode, QIcon::State) override
    {
        const int side = std::min(size.width(), size.height());
        if (side <= 0)
            return {};
        const QColor ink = colorFor(mode);
        const QString key = QStringLiteral("moru/%1/%2/%3")
                                .arg(m_name)
                                .arg(side)
                                .arg(ink.rgba(), 8, 16, QLatin1Char('0'));
        QPixmap result;
        if (QPixmapCache::find(key, &result))
            return result;
        QImage mask = load(side);
        if (mask.isNull())
            return {};
        QPainter painter(&mask);
        painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
        painter.fillRect(mask.rect(), ink);
        painter.end();
        result = QPixmap::fromImage(mask);
        QPixmapCache::insert(key, result);
        return result;
    }

    [[nodiscard]] QIconEngine *clone() const override { return new MaskIconEngine(*this); }

private:
    [[nodiscard]] QColor colorFor(QIcon::Mode mode) const
    {
        const QPalette palette = QGuiApplication::palette();
        switch (mode) {
        case QIcon::Disabled:
            return palette.color(QPalette::Disabled, QPalette::ButtonText);
        case QIcon::Selected:
            // In a window that is not in front the selection is pale.
            if (QGuiApplication::focusWindow())
                return palette.color(QPalette::Active, QPalette::HighlightedText);
            break;
        case QIcon::Normal:
        case QIcon::Active:
            break;
        }
        return m_token ? color(*m_token) : palette.color(QPalette::Active, QPalette::ButtonText);
    }

    [[nodiscard]] QImage load(int side) const
    {
        int best = maskSizes.back();
        for (const int size : maskSizes) {
            if (size >= side) {
                best = size;
                break;
            }
        }
        QImage mask(QStringLiteral(":/moru/icons/%1-%2.png").arg(m_name).arg(best));
        if (mask.isNull())
            return {};
        mask = mask.convertToFormat(QImage::Format_ARGB32_Premultiplied);
        if (mask.width() != side)
            mask = mask.scaled(side, side, Qt::KeepAspectRatio, Qt::SmoothTransformation);
        return mask;
    }

    QString m_name;
    std::optional<Token> m_token;
};

QIcon makeIcon(const QString &name, std::optional<Token> token)
{
    initIconData();
    Q_ASSERT_X(QFile::exists(QStringLiteral(":/moru/icons/%1-16.png").arg(name)), "theme::icon",
               qPrintable(name));
    return QIcon(new MaskIconEngine(name, token));
}

} // namespace

void install(QApplication &app, bool assumeDark)
{
    State &s = state();
    initIconData();
    s.app = &app;
    const QPalette platform = app.palette();
    const bool platformIsDark = platform.color(QPalette::Window).lightness() < 128;
    s.desktop = std::make_unique<DesktopScheme>(platformIsDark, assumeDark);

    // The native Windows styles cannot be dark, and the plain one is a relic: both give way.
    const QString style = app.style() ? app.style()->name() : QString();
    if (style.startsWith(QLatin1String("windows"), Qt::CaseInsensitive) || style.isEmpty()
        || style.compare(QLatin1String("fusion"), Qt::CaseInsensitive) == 0)
        QApplication::setStyle(new QuietFusion);

    QIcon appIcon;
    for (const int size : {16, 24, 32, 48, 64, 128, 256})
        appIcon.addFile(QStringLiteral(":/moru/app-%1.png").arg(size), QSize(size, size));
    QApplication::setWindowIcon(appIcon);

    // The state outlives nothing of Qt: its D-Bus objects go before the application does.
    QObject::connect(&app, &QObject::destroyed, &notifier(), [] {
        state().desktop.reset();
        state().app = nullptr;
    });
    QObject::connect(s.desktop.get(), &DesktopScheme::changed, &app, [] {
        if (state().scheme == Scheme::System)
            applyPalette();
    });
    applyPalette();
    s.desktop->listen();
}

void setScheme(Scheme scheme)
{
    if (state().scheme == scheme)
        return;
    state().scheme = scheme;
    applyPalette();
}

Scheme scheme()
{
    return state().scheme;
}

bool isDark()
{
    return state().dark;
}

void setTerminalScheme(Scheme scheme)
{
    if (state().terminalScheme == scheme)
        return;
    state().terminalScheme = scheme;
    emit notifier().changed();
}

Scheme terminalScheme()
{
    return state().terminalScheme;
}

bool isTerminalDark()
{
    return state().terminalScheme == Scheme::System ? isDark()
                                                    : state().terminalScheme == Scheme::Dark;
}

QColor color(Token token)
{
    const Colors &c = colors();
    switch (token) {
    case Token::Running:
        return c.running;
    case Token::Paused:
        return c.paused;
    case Token::Changing:
        return c.changing;
    case Token::Ended:
        return c.ended;
    case Token::Danger:
        return c.danger;
    case Token::Warning:
        return c.warning;
    case Token::Accent:
        return c.accent;
    case Token::Secondary:
        return c.secondary;
    case Token::Hairline:
        return c.hairline;
    case Token::Hover:
        return c.hover;
    case Token::PaleSelection:
        return c.pale;
    case Token::OnAccent:
        return c.highlightText;
    }
    Q_UNREACHABLE();
}

double contrast(const QColor &one, const QColor &other)
{
    const auto luminance = [](const QColor &color) {
        const auto linear = [](double channel) {
            return channel <= 0.03928 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
        };
        return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF())
               + 0.0722 * linear(color.blueF());
    };
    const double a = luminance(one);
    const double b = luminance(other);
    return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

QIcon icon(const QString &name)
{
    return makeIcon(name, std::nullopt);
}

QIcon icon(const QString &name, Token token)
{
    return makeIcon(name, token);
}

Notifier &notifier()
{
    static Notifier instance;
    return instance;
}

} // namespace moru::theme

#include "theme.moc"
