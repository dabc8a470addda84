// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/core/tooltip.h"
#include "ui/common/armedbutton.h"
#include "ui/common/banner.h"
#include "ui/common/elidedlabel.h"
#include "ui/common/format.h"
#include "ui/common/placeholder.h"
#include "ui/common/prompt.h"
#include "ui/common/theme.h"

#include <QApplication>
#include <QDialog>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPalette>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QTextDocument>
#include <QTimeZone>

#include <optional>

using namespace moru;

namespace {

/// The dialog that is open now, by name.
QDialog *openDialog(const char *name)
{
    const auto widgets = QApplication::topLevelWidgets();
    for (QWidget *widget : widgets) {
        auto *dialog = qobject_cast<QDialog *>(widget);
        if (dialog && dialog->isVisible() && dialog->objectName() == QLatin1String(name))
            return dialog;
    }
    return nullptr;
}

} // namespace

class TestUiCommon : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void durationsNameTwoUnitsAtMost_data();
    void durationsNameTwoUnitsAtMost();
    void relativeTimesNameOneUnit();
    void sizesAreBinaryAndNeverSay1024_data();
    void sizesAreBinaryAndNeverSay1024();
    void shortIdsKeepBothEnds();
    void everyErrorHasASentence();
    void sentencesTellWhatHappened_data();
    void sentencesTellWhatHappened();
    void toolTipsAreNeverRendered_data();
    void toolTipsAreNeverRendered();
    void foreignWordsInASentenceAreOneBoundedLine();
    void colorsAreReadable_data();
    void colorsAreReadable();
    void everyDrawnIconIsBuiltIn();
    void iconsFollowTheScheme();
    void disabledIconsAreGrey();
    void iconsAreSharpOnFineScreens();
    void armedButtonIgnoresTheFirstMoment();
    void armedButtonIgnoresAHeldKey();
    void armedButtonIsNeverTheDefault();
    void destructiveConfirmationDefaultsToCancel();
    void confirmationDeliversOnceWhenClosed();
    void textPromptRefusesAnEmptyName();
    void bannerShowsAndForgets();
    void bannerTextIsNeverHtml();
    void placeholderHidesWhatItDoesNotNeed();
    void elidedLabelKeepsTheWholeInItsTooltip();
};

void TestUiCommon::initTestCase()
{
    theme::install(*qApp);
}

void TestUiCommon::durationsNameTwoUnitsAtMost_data()
{
    QTest::addColumn<qint64>("seconds");
    QTest::addColumn<QString>("text");
    QTest::newRow("nothing") << qint64(0) << QStringLiteral("0 s");
    QTest::newRow("negative") << qint64(-5) << QStringLiteral("0 s");
    QTest::newRow("seconds") << qint64(45) << QStringLiteral("45 s");
    QTest::newRow("minute") << qint64(60) << QStringLiteral("1 min");
    QTest::newRow("few minutes") << qint64(245) << QStringLiteral("4 min 5 s");
    QTest::newRow("many minutes") << qint64(24 * 60 + 30) << QStringLiteral("24 min");
    QTest::newRow("hours") << qint64(3 * 3600 + 12 * 60 + 59) << QStringLiteral("3 h 12 min");
    QTest::newRow("full hours") << qint64(7200) << QStringLiteral("2 h");
    QTest::newRow("days") << qint64(86400 + 3600 + 60) << QStringLiteral("1 d 1 h");
    QTest::newRow("day and minutes") << qint64(86400 + 60) << QStringLiteral("1 d");
}

void TestUiCommon::durationsNameTwoUnitsAtMost()
{
    QFETCH(qint64, seconds);
    QTEST(format::duration(seconds), "text");
}

void TestUiCommon::relativeTimesNameOneUnit()
{
    const QDateTime now = QDateTime::fromSecsSinceEpoch(1'700'000'000, QTimeZone::utc());
    QCOMPARE(format::relative(now.addSecs(-2), now), QStringLiteral("just now"));
    QCOMPARE(format::relative(now.addSecs(-42), now), QStringLiteral("42 s ago"));
    QCOMPARE(format::relative(now.addSecs(-245), now), QStringLiteral("4 min ago"));
    QCOMPARE(format::relative(now.addSecs(-3 * 3600 - 720), now), QStringLiteral("3 h ago"));
    QCOMPARE(format::relative(now.addSecs(90), now), QStringLiteral("in 1 min"));
    QCOMPARE(format::relative(QDateTime(), now), QStringLiteral("unknown"));
}

void TestUiCommon::sizesAreBinaryAndNeverSay1024_data()
{
    QTest::addColumn<qint64>("size");
    QTest::addColumn<QString>("text");
    QTest::newRow("bytes") << qint64(12) << QStringLiteral("12 B");
    QTest::newRow("last byte") << qint64(1023) << QStringLiteral("1023 B");
    QTest::newRow("kibibyte") << qint64(1024) << QStringLiteral("1.0 KiB");
    QTest::newRow("rounding up") << qint64(1048575) << QStringLiteral("1.0 MiB");
    QTest::newRow("hundred") << qint64(150) * 1024 << QStringLiteral("150 KiB");
    QTest::newRow("gibibyte") << qint64(1503238554) << QStringLiteral("1.4 GiB");
}

void TestUiCommon::sizesAreBinaryAndNeverSay1024()
{
    QFETCH(qint64, size);
    QLocale::setDefault(QLocale::c());
    QString text = format::bytes(size);
    QTEST(text.remove(QLatin1Char(',')), "text");
}

void TestUiCommon::shortIdsKeepBothEnds()
{
    QCOMPARE(format::shortId(QStringLiteral("i7f3k2m9qx4w")), QStringLiteral("i7f3k2m9qx4w"));
    const QString shortened = format::shortId(QStringLiteral("i7f3k2m9qx4w-6532622b"));
    QVERIFY(shortened.startsWith(QStringLiteral("i7f3k")));
    QVERIFY(shortened.endsWith(QStringLiteral("622b")));
    QVERIFY(shortened.size() < 12);
}

void TestUiCommon::everyErrorHasASentence()
{
    for (int kind = 0; kind <= static_cast<int>(Error::Kind::Local); ++kind) {
        const Error error{static_cast<Error::Kind>(kind), 0, {}, {}, -1};
        const QString sentence = format::sentence(error);
        QVERIFY2(
            sentence.size() > 8
                && (sentence.endsWith(QLatin1Char('.')) || sentence.endsWith(QLatin1Char('?'))),
            qPrintable(QString::number(kind) + sentence));
        QVERIFY(!sentence.contains(QLatin1Char('!')));
        QVERIFY(!format::details(error).isEmpty());
    }
    Error limited{Error::Kind::RateLimited, 429, {}, {}, 90};
    QVERIFY(format::sentence(limited).contains(QStringLiteral("1 min 30 s")));
    const Error server{Error::Kind::Server, 502, QStringLiteral("bad gateway"), {}, -1};
    QVERIFY(format::sentence(server).contains(QStringLiteral("502")));
    QVERIFY(format::sentence(server).contains(QStringLiteral("bad gateway")));
}

void TestUiCommon::sentencesTellWhatHappened_data()
{
    QTest::addColumn<Error>("error");
    QTest::addColumn<QString>("sentence");
    const auto row = [](const char *name, Error::Kind kind, int status, const char *message,
                        const char *sentence) {
        QTest::newRow(name) << Error{kind, status, QString::fromUtf8(message), {}, -1}
                            << QString::fromUtf8(sentence);
    };
    using Kind = Error::Kind;
    row("401", Kind::Unauthorized, 401, "no",
        "Access was refused. Check the API key of this connection.");
    row("403", Kind::Unauthorized, 403, "HTTP 403", "The API key does not allow this.");
    row("no key", Kind::Unauthorized, 0, "No key is stored for this connection",
        "No key is stored for this connection.");
    row("404", Kind::NotFound, 404, "HTTP 404", "It does not exist any more.");
    row("sandbox gone", Kind::NotFound, 502, "The sandbox was not found",
        "The sandbox does not answer: it is paused or gone.");
    row("409", Kind::Conflict, 409, "is busy", "Its present state does not allow this. is busy.");
    row("429", Kind::RateLimited, 429, "HTTP 429",
        "A limit of the account is reached. Wait, or stop what is not needed.");
    row("500", Kind::Server, 500, "HTTP 500",
        "The server failed (status 500). Try again in a while.");
    row("refused", Kind::Network, 0, "127.0.0.1:1 refused the connection",
        "The server could not be reached. Check the network and the address. 127.0.0.1:1 refused "
        "the connection.");
    row("broken amid the answer", Kind::Network, 200, "x",
        "The connection broke before the answer was complete. Try again.");
    row("damaged", Kind::Protocol, 200, "The server's answer is damaged or incomplete",
        "The answer could not be understood. Is the address that of a Moru server? The server's "
        "answer is damaged or incomplete.");
}

void TestUiCommon::sentencesTellWhatHappened()
{
    QFETCH(const Error, error);
    QTEST(format::sentence(error), "sentence");
}

void TestUiCommon::toolTipsAreNeverRendered_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<bool>("same");
    QTest::newRow("plain") << QStringLiteral("a & b\nc") << true;
    QTest::newRow("tag") << QStringLiteral("<img src=\"x\">") << false;
    QTest::newRow("entity") << QStringLiteral("a &lt;b") << false;
    QTest::newRow("second line") << QStringLiteral("a\n<b>c</b>") << false;
}

void TestUiCommon::toolTipsAreNeverRendered()
{
    QFETCH(const QString, text);
    const QString tip = plainToolTip(text);
    QTextDocument document;
    if (Qt::mightBeRichText(tip))
        document.setHtml(tip);
    else
        document.setPlainText(tip);
    QCOMPARE(document.toPlainText(), text);
    QTEST(tip == text, "same");
}

void TestUiCommon::foreignWordsInASentenceAreOneBoundedLine()
{
    const Error error{
        Error::Kind::Invalid, 400, QString(5000, QLatin1Char('x')).replace(50, 1, u'\n'), {}, -1};
    const QString sentence = format::sentence(error);
    QVERIFY(!sentence.contains(QLatin1Char('\n')));
    QVERIFY(sentence.size() < 400);
}

void TestUiCommon::colorsAreReadable_data()
{
    QTest::addColumn<theme::Scheme>("scheme");
    QTest::newRow("light") << theme::Scheme::Light;
    QTest::newRow("dark") << theme::Scheme::Dark;
}

void TestUiCommon::colorsAreReadable()
{
    QFETCH(theme::Scheme, scheme);
    theme::setScheme(scheme);
    QCOMPARE(theme::isDark(), scheme == theme::Scheme::Dark);
    const QPalette palette = QGuiApplication::palette();
    const QList<QColor> grounds{
        palette.color(QPalette::Window),           palette.color(QPalette::Base),
        palette.color(QPalette::AlternateBase),    theme::color(theme::Token::Hover),
        theme::color(theme::Token::PaleSelection),
    };
    const QList<theme::Token> inks{theme::Token::Running,  theme::Token::Paused,
                                   theme::Token::Changing, theme::Token::Ended,
                                   theme::Token::Danger,   theme::Token::Warning,
                                   theme::Token::Accent,   theme::Token::Secondary};
    const auto check = [](const QColor &ink, const QColor &ground, const QString &what) {
        const double ratio = theme::contrast(ink, ground);
        QVERIFY2(ratio >= 4.5, qPrintable(QStringLiteral("%1: %2 on %3 is %4")
                                              .arg(what, ink.name(), ground.name())
                                              .arg(ratio)));
    };
    for (const theme::Token token : inks) {
        // The inactive selection is behind state words too, the others behind everything.
        for (const QColor &ground : grounds)
            check(theme::color(token), ground,
                  QStringLiteral("token %1").arg(static_cast<int>(token)));
    }
    for (const QColor &ground : grounds)
        check(palette.color(QPalette::Text), ground, QStringLiteral("text"));
    check(palette.color(QPalette::HighlightedText), palette.color(QPalette::Highlight),
          QStringLiteral("selection"));
    check(palette.color(QPalette::Text), palette.color(QPalette::Inactive, QPalette::Highlight),
          QStringLiteral("pale selection elsewhere"));
    check(palette.color(QPalette::ButtonText), palette.color(QPalette::Button),
          QStringLiteral("button"));
    check(theme::color(theme::Token::Danger), palette.color(QPalette::Button),
          QStringLiteral("kill button"));
    check(palette.color(QPalette::PlaceholderText), palette.color(QPalette::Base),
          QStringLiteral("placeholder"));
    check(palette.color(QPalette::ToolTipText), palette.color(QPalette::ToolTipBase),
          QStringLiteral("tooltip"));
    check(theme::color(theme::Token::OnAccent), palette.color(QPalette::Highlight),
          QStringLiteral("new button"));
    theme::setScheme(theme::Scheme::System);
}

void TestUiCommon::everyDrawnIconIsBuiltIn()
{
    const QDir drawings(qEnvironmentVariable("MORU_SOURCE_DIR")
                        + QStringLiteral("/resources/icons"));
    const QStringList files = drawings.entryList({QStringLiteral("*.svg")}, QDir::Files);
    QVERIFY(files.size() >= 45);
    for (const QString &file : files) {
        const QString name = file.chopped(4);
        for (const int side : {16, 24, 32, 48}) {
            const QPixmap pixmap = theme::icon(name).pixmap(QSize(side, side), 1.0);
            QCOMPARE(pixmap.size(), QSize(side, side));
            const QImage image = pixmap.toImage();
            int drawn = 0;
            for (int y = 0; y < side; ++y) {
                for (int x = 0; x < side; ++x)
                    drawn += qAlpha(image.pixel(x, y)) > 64 ? 1 : 0;
            }
            QVERIFY2(drawn > side / 4, qPrintable(name));
        }
    }
}

void TestUiCommon::iconsFollowTheScheme()
{
    const QIcon icon = theme::icon(QStringLiteral("state-running"), theme::Token::Running);
    const auto middle = [&icon] {
        return icon.pixmap(QSize(16, 16), 1.0).toImage().pixelColor(8, 8);
    };
    theme::setScheme(theme::Scheme::Light);
    QCOMPARE(middle().name(), theme::color(theme::Token::Running).name());
    const QColor before = middle();
    QSignalSpy told(&theme::notifier(), &theme::Notifier::changed);
    theme::setScheme(theme::Scheme::Dark);
    QCOMPARE(told.size(), 1);
    QCOMPARE(middle().name(), theme::color(theme::Token::Running).name());
    QVERIFY(middle() != before);
    theme::setScheme(theme::Scheme::System);
}

void TestUiCommon::disabledIconsAreGrey()
{
    const QIcon icon = theme::icon(QStringLiteral("state-running"));
    const QColor ink = icon.pixmap(QSize(16, 16), 1.0, QIcon::Disabled).toImage().pixelColor(8, 8);
    QCOMPARE(ink.name(),
             QGuiApplication::palette().color(QPalette::Disabled, QPalette::ButtonText).name());
}

void TestUiCommon::iconsAreSharpOnFineScreens()
{
    const QPixmap fine = theme::icon(QStringLiteral("kill")).pixmap(QSize(16, 16), 2.0);
    QCOMPARE(fine.size(), QSize(32, 32));
    QCOMPARE(fine.devicePixelRatio(), 2.0);
}

void TestUiCommon::armedButtonIgnoresTheFirstMoment()
{
    ArmedButton button(QStringLiteral("Kill"));
    QSignalSpy clicked(&button, &QPushButton::clicked);
    button.show();
    QVERIFY(QTest::qWaitForWindowExposed(&button));
    button.rearm();
    QVERIFY(!button.isArmed());
    QTest::mouseClick(&button, Qt::LeftButton);
    QTest::keyClick(&button, Qt::Key_Space);
    QCOMPARE(clicked.size(), 0);
    QTRY_VERIFY(button.isArmed());
    QTest::mouseClick(&button, Qt::LeftButton);
    QCOMPARE(clicked.size(), 1);
    QTest::keyClick(&button, Qt::Key_Space);
    QCOMPARE(clicked.size(), 2);
}

void TestUiCommon::armedButtonIgnoresAHeldKey()
{
    ArmedButton button(QStringLiteral("Kill"));
    QSignalSpy clicked(&button, &QPushButton::clicked);
    button.show();
    QTRY_VERIFY(button.isArmed());
    for (const int key : {Qt::Key_Return, Qt::Key_Space}) {
        QKeyEvent press(QEvent::KeyPress, key, Qt::NoModifier, QStringLiteral(" "), true);
        QApplication::sendEvent(&button, &press);
        QKeyEvent release(QEvent::KeyRelease, key, Qt::NoModifier, QStringLiteral(" "), true);
        QApplication::sendEvent(&button, &release);
    }
    QCOMPARE(clicked.size(), 0);
}

void TestUiCommon::armedButtonIsNeverTheDefault()
{
    QDialog dialog;
    ArmedButton button(QStringLiteral("Kill"), &dialog);
    QSignalSpy clicked(&button, &QPushButton::clicked);
    dialog.show();
    QTRY_VERIFY(button.isArmed());
    QVERIFY(!button.isDefault());
    QVERIFY(!button.autoDefault());
}

void TestUiCommon::destructiveConfirmationDefaultsToCancel()
{
    std::optional<bool> answer;
    Prompt::Question question;
    question.title = QStringLiteral("Delete 2 files?");
    question.list = {QStringLiteral("<b>one</b>"), QStringLiteral("two\nlines")};
    question.action = QStringLiteral("Delete 2 files");
    question.destructive = true;
    dialogPrompt().confirm(nullptr, question, [&answer](bool yes) { answer = yes; });
    QDialog *dialog = openDialog("confirmDialog");
    QVERIFY(dialog);
    auto *cancel = dialog->findChild<QPushButton *>(QStringLiteral("cancelButton"));
    QVERIFY(cancel->isDefault());
    QTRY_VERIFY(cancel->hasFocus());
    const auto *list = dialog->findChild<QListWidget *>();
    QCOMPARE(list->count(), 2);
    QVERIFY(!list->item(1)->text().contains(QLatin1Char('\n')));
    QTest::keyClick(dialog, Qt::Key_Return);
    QTRY_VERIFY(answer.has_value());
    QCOMPARE(*answer, false);
}

void TestUiCommon::confirmationDeliversOnceWhenClosed()
{
    int calls = 0;
    bool last = true;
    Prompt::Question question;
    question.title = QStringLiteral("Go on?");
    question.action = QStringLiteral("Go on");
    const auto answer = [&](bool yes) {
        ++calls;
        last = yes;
    };
    dialogPrompt().confirm(nullptr, question, answer);
    QTest::keyClick(openDialog("confirmDialog"), Qt::Key_Escape);
    QTRY_COMPARE(calls, 1);
    QCOMPARE(last, false);
    QTRY_VERIFY(!openDialog("confirmDialog"));
    dialogPrompt().confirm(nullptr, question, answer);
    openDialog("confirmDialog")->findChild<QPushButton *>(QStringLiteral("confirmButton"))->click();
    QTRY_COMPARE(calls, 2);
    QCOMPARE(last, true);
}

void TestUiCommon::textPromptRefusesAnEmptyName()
{
    std::optional<QString> answer;
    dialogPrompt().text(nullptr, QStringLiteral("Rename"), QStringLiteral("New name"),
                        QStringLiteral("notes.txt"),
                        [&answer](const QString &text) { answer = text; });
    QDialog *dialog = openDialog("textDialog");
    QVERIFY(dialog);
    auto *edit = dialog->findChild<QLineEdit *>(QStringLiteral("textEdit"));
    auto *ok = dialog->findChild<QPushButton *>(QStringLiteral("okButton"));
    QCOMPARE(edit->selectedText(), QStringLiteral("notes"));
    edit->clear();
    QVERIFY(!ok->isEnabled());
    QTest::keyClicks(edit, QStringLiteral("other"));
    ok->click();
    QTRY_VERIFY(answer.has_value());
    QCOMPARE(*answer, QStringLiteral("other"));
}

void TestUiCommon::bannerShowsAndForgets()
{
    QWidget window;
    Banner banner(&window);
    window.show();
    QVERIFY(!banner.isVisible());
    QSignalSpy action(&banner, &Banner::actionTriggered);
    QSignalSpy dismissed(&banner, &Banner::dismissed);
    banner.showError({Error::Kind::Network, 0, {}, QStringLiteral("refused"), -1},
                     QStringLiteral("The list cannot be read."), QStringLiteral("Retry"));
    QVERIFY(banner.isVisible());
    banner.findChild<QPushButton *>(QStringLiteral("bannerAction"))->click();
    QCOMPARE(action.size(), 1);
    QVERIFY(banner.findChild<QPushButton *>(QStringLiteral("bannerDetails"))->isVisible());
    banner.showMessage(Banner::Level::Info, QStringLiteral("Known."));
    QVERIFY(!banner.findChild<QPushButton *>(QStringLiteral("bannerDetails"))->isVisible());
    QVERIFY(!banner.findChild<QPushButton *>(QStringLiteral("bannerAction"))->isVisible());
    banner.findChild<QPushButton *>(QStringLiteral("bannerClose"))->click();
    QVERIFY(!banner.isVisible());
    QCOMPARE(dismissed.size(), 1);
}

void TestUiCommon::bannerTextIsNeverHtml()
{
    Banner banner;
    banner.showMessage(Banner::Level::Error, QStringLiteral("<img src=x>"));
    QCOMPARE(banner.findChild<QLabel *>(QStringLiteral("bannerText"))->textFormat(), Qt::PlainText);
}

void TestUiCommon::placeholderHidesWhatItDoesNotNeed()
{
    Placeholder placeholder(QStringLiteral("emptyState"), QStringLiteral("emptyNewButton"));
    placeholder.setContent(QStringLiteral("sandbox"), QStringLiteral("Nothing here."), {});
    placeholder.show();
    QVERIFY(!placeholder.button()->isVisible());
    placeholder.setContent(QStringLiteral("sandbox"), QStringLiteral("Nothing here."), {},
                           QStringLiteral("&New"));
    QVERIFY(placeholder.button()->isVisible());
    QCOMPARE(placeholder.button()->accessibleName(), QStringLiteral("New"));
    QSignalSpy triggered(&placeholder, &Placeholder::actionTriggered);
    placeholder.button()->click();
    QCOMPARE(triggered.size(), 1);
}

void TestUiCommon::elidedLabelKeepsTheWholeInItsTooltip()
{
    ElidedLabel label;
    const QString text = QStringLiteral("a-very-long-name-of-a-sandbox-that-does-not-fit");
    label.setFullText(text);
    label.resize(80, 20);
    label.show();
    QTRY_VERIFY(label.text() != text);
    QCOMPARE(label.toolTip(), text);
    label.resize(1000, 20);
    QTRY_COMPARE(label.text(), text);
    QVERIFY(label.toolTip().isEmpty());
    QCOMPARE(label.accessibleName(), text);
}

QTEST_MAIN(TestUiCommon)
#include "tst_uicommon.moc"
