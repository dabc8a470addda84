// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/editorpage.h"

#include "app/stores/filename.h"
#include "ui/common/banner.h"
#include "ui/common/elidedlabel.h"
#include "ui/common/format.h"
#include "ui/common/placeholder.h"
#include "ui/common/theme.h"
#include "ui/files/choicebar.h"
#include "ui/files/filewords.h"
#include "ui/files/syntax.h"

#include <QCheckBox>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QShortcut>
#include <QStackedWidget>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <Qsci/qscilexer.h>
#include <Qsci/qscilexermakefile.h>
#include <Qsci/qsciscintilla.h>

namespace moru {

namespace {

constexpr int kLoadingDelayMs = 150;
// Colouring a bigger file costs more time than it gives.
constexpr qsizetype kMaxColoured = 2 << 20;

QToolButton *toolButton(const QString &icon, const QString &text, const char *name, QWidget *parent)
{
    auto *button = new QToolButton(parent);
    button->setIcon(theme::icon(icon));
    button->setAutoRaise(true);
    button->setToolTip(text);
    button->setAccessibleName(text);
    button->setObjectName(QLatin1String(name));
    button->setFocusPolicy(Qt::TabFocus);
    return button;
}

} // namespace

EditorPage::EditorPage(EnvdClient &envd, const QString &path, QWidget *parent)
    : QWidget(parent)
    , m_file(new TextFile(envd, path, this))
    , m_name(filename::baseOf(path))
{
    build();
    connect(m_file, &TextFile::savingChanged, this, &EditorPage::updateState);
    connect(&theme::notifier(), &theme::Notifier::changed, this, &EditorPage::applyTheme);
    updateState();
}

EditorPage::~EditorPage() = default;

void EditorPage::build()
{
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);

    auto *head = new QHBoxLayout;
    head->setContentsMargins(8, 4, 4, 4);
    head->setSpacing(8);
    m_title = new ElidedLabel(this);
    m_title->setFullText(filename::display(m_file->path()));
    head->addWidget(m_title, 1);
    m_findButton = toolButton(QStringLiteral("search"), tr("Find (Ctrl+F)"), "findButton", this);
    head->addWidget(m_findButton);
    m_reloadButton = toolButton(QStringLiteral("refresh"), tr("Reload from the sandbox"),
                                "reloadFileButton", this);
    head->addWidget(m_reloadButton);
    m_saveButton = new QPushButton(theme::icon(QStringLiteral("save")), tr("Save"), this);
    m_saveButton->setAccessibleName(tr("Save file"));
    m_saveButton->setAutoDefault(false);
    head->addWidget(m_saveButton);
    layout->addLayout(head);

    m_banner = new Banner(this);
    m_banner->setObjectName(QStringLiteral("editorBanner"));
    layout->addWidget(m_banner);
    m_conflict =
        new ChoiceBar({{QStringLiteral("conflictOverwriteButton"), tr("Overwrite")},
                       {QStringLiteral("conflictReloadButton"), tr("Reload, lose my edits")},
                       {QStringLiteral("conflictCancelButton"), tr("Cancel")}},
                      {}, this);
    m_conflict->setObjectName(QStringLiteral("conflictBar"));
    layout->addWidget(m_conflict);

    m_stack = new QStackedWidget(this);
    m_placeholder = new Placeholder(QStringLiteral("editorPlaceholder"),
                                    QStringLiteral("editorPlaceholderButton"), this);
    m_stack->addWidget(m_placeholder);
    m_editor = new QsciScintilla(this);
    m_editor->setAccessibleName(tr("Text of %1").arg(filename::display(m_name)));
    m_editor->setFrameShape(QFrame::NoFrame);
    m_editor->setUtf8(true);
    m_editor->setAutoIndent(true);
    m_editor->setTabWidth(4);
    m_editor->setBackspaceUnindents(true);
    m_editor->setBraceMatching(QsciScintilla::SloppyBraceMatch);
    m_editor->setCaretLineVisible(true);
    m_editor->setMarginType(0, QsciScintilla::NumberMargin);
    m_editor->setMarginWidth(1, 4);
    m_editor->setScrollWidth(1);
    m_editor->setScrollWidthTracking(true);
    m_stack->addWidget(m_editor);
    layout->addWidget(m_stack, 1);

    buildFindBar();
    layout->addWidget(m_findBar);

    auto *foot = new QHBoxLayout;
    foot->setContentsMargins(8, 2, 8, 2);
    foot->setSpacing(16);
    m_info = new QLabel(this);
    m_info->setTextFormat(Qt::PlainText);
    m_info->setObjectName(QStringLiteral("editorInfoLabel"));
    m_position = new QLabel(this);
    m_position->setTextFormat(Qt::PlainText);
    for (QLabel *label : {m_info, m_position})
        label->setForegroundRole(QPalette::PlaceholderText);
    foot->addWidget(m_info, 1);
    foot->addWidget(m_position);
    layout->addLayout(foot);

    connect(m_saveButton, &QPushButton::clicked, this, &EditorPage::save);
    connect(m_reloadButton, &QToolButton::clicked, this, [this] {
        if (isModified())
            m_conflict->ask(
                tr("Reloading would lose your edits of “%1”.").arg(filename::display(m_name)));
        else
            load();
    });
    connect(m_findButton, &QToolButton::clicked, this, &EditorPage::showFind);
    connect(m_editor, &QsciScintilla::textChanged, this, [this] {
        ++m_edits;
        updateState();
    });
    connect(m_editor, &QsciScintilla::modificationChanged, this, [this] {
        updateState();
        emit modifiedChanged();
    });
    connect(m_editor, &QsciScintilla::linesChanged, this, &EditorPage::updateMargin);
    connect(m_editor, &QsciScintilla::cursorPositionChanged, this, &EditorPage::updatePosition);
    connect(m_conflict, &ChoiceBar::answered, this, [this](int answer) {
        if (answer == 0)
            store(true);
        else if (answer == 1)
            load();
        focusEditor();
    });
    connect(m_banner, &Banner::actionTriggered, this, [this] {
        m_banner->clear();
        if (isModified())
            save();
        else
            load();
    });
    connect(m_placeholder, &Placeholder::actionTriggered, this, [this] {
        if (m_placeholderAction == PlaceholderAction::Retry)
            load();
        else if (m_placeholderAction == PlaceholderAction::Download)
            emit downloadWanted(m_file->path());
    });

    const auto shortcut = [this](const QKeySequence &keys, auto slot) {
        auto *s = new QShortcut(keys, this);
        s->setContext(Qt::WidgetWithChildrenShortcut);
        connect(s, &QShortcut::activated, this, slot);
    };
    shortcut(QKeySequence::Save, [this] { save(); });
    shortcut(QKeySequence::Find, [this] { showFind(); });
    shortcut(QKeySequence::FindNext, [this] { find(true, false); });
    shortcut(QKeySequence::FindPrevious, [this] { find(false, false); });
}

void EditorPage::buildFindBar()
{
    m_findBar = new QWidget(this);
    auto *layout = new QHBoxLayout(m_findBar);
    layout->setContentsMargins(8, 4, 4, 4);
    layout->setSpacing(8);
    m_findEdit = new QLineEdit(m_findBar);
    m_findEdit->setObjectName(QStringLiteral("findEdit"));
    m_findEdit->setPlaceholderText(tr("Find"));
    m_findEdit->setAccessibleName(tr("Find in the file"));
    m_findEdit->setClearButtonEnabled(true);
    layout->addWidget(m_findEdit, 1);
    m_findResult = new QLabel(m_findBar);
    m_findResult->setTextFormat(Qt::PlainText);
    m_findResult->setObjectName(QStringLiteral("findResultLabel"));
    layout->addWidget(m_findResult);
    m_findCase = new QCheckBox(tr("Match case"), m_findBar);
    m_findCase->setObjectName(QStringLiteral("findCaseBox"));
    layout->addWidget(m_findCase);
    auto *previous = toolButton(QStringLiteral("collapse"), tr("Previous (Shift+F3)"),
                                "findPreviousButton", m_findBar);
    auto *next = toolButton(QStringLiteral("expand"), tr("Next (F3)"), "findNextButton", m_findBar);
    auto *close =
        toolButton(QStringLiteral("close"), tr("Close (Esc)"), "findCloseButton", m_findBar);
    layout->addWidget(previous);
    layout->addWidget(next);
    layout->addWidget(close);
    m_findBar->hide();
    connect(m_findEdit, &QLineEdit::textChanged, this, [this] { find(true, true); });
    connect(m_findEdit, &QLineEdit::returnPressed, this, [this] { find(true, false); });
    connect(m_findCase, &QCheckBox::toggled, this, [this] { find(true, true); });
    connect(previous, &QToolButton::clicked, this, [this] { find(false, false); });
    connect(next, &QToolButton::clicked, this, [this] { find(true, false); });
    connect(close, &QToolButton::clicked, this, &EditorPage::closeFind);
    auto *escape = new QShortcut(QKeySequence(Qt::Key_Escape), m_findBar);
    escape->setContext(Qt::WidgetWithChildrenShortcut);
    connect(escape, &QShortcut::activated, this, &EditorPage::closeFind);
}

const QString &EditorPage::path() const
{
    return m_file->path();
}

bool EditorPage::isModified() const
{
    return m_loaded && m_editor->isModified();
}

bool EditorPage::isSaving() const
{
    return m_file->isSaving();
}

void EditorPage::setInFront(bool inFront)
{
    m_editor->setObjectName(inFront ? QStringLiteral("fileEditor") : QString());
    m_saveButton->setObjectName(inFront ? QStringLiteral("saveFileButton") : QString());
}

void EditorPage::focusEditor()
{
    if (m_loaded)
        m_editor->setFocus(Qt::OtherFocusReason);
}

void EditorPage::load()
{
    if (m_file->isSaving())
        return;
    m_loading = true;
    m_conflict->hide();
    m_banner->clear();
    updateState();
    if (!m_loaded) {
        m_placeholderAction = PlaceholderAction::None;
        m_placeholder->setContent({}, {}, {});
        m_stack->setCurrentWidget(m_placeholder);
        QTimer::singleShot(kLoadingDelayMs, this, [this] {
            if (m_loading && !m_loaded)
                m_placeholder->setContent(QStringLiteral("file"), tr("Loading…"),
                                          filename::display(m_file->path()));
        });
    }
    m_file->open(this, [this](const tl::expected<TextContent, TextFile::OpenFailure> &result) {
        m_loading = false;
        if (result)
            onOpened(*result);
        else
            onRefused(result.error());
        updateState();
    });
}

void EditorPage::onOpened(const TextContent &content)
{
    int line = 0;
    int column = 0;
    const bool again = m_loaded;
    const int firstVisible = m_editor->firstVisibleLine();
    m_editor->getCursorPosition(&line, &column);

    m_bom = content.bom;
    if (!again) {
        if (content.text.size() <= kMaxColoured)
            m_lexer = syntax::lexerFor(
                m_name, content.text.left(content.text.indexOf(u'\n')).left(200), this);
        const bool tabs = content.text.startsWith(u'\t')
                          || content.text.contains(QLatin1String("\n\t"))
                          || qobject_cast<QsciLexerMakefile *>(m_lexer) != nullptr;
        m_editor->setIndentationsUseTabs(tabs);
        applyTheme();
    }
    switch (content.lineEnd) {
    case TextContent::LineEnd::Lf:
        m_editor->setEolMode(QsciScintilla::EolUnix);
        break;
    case TextContent::LineEnd::CrLf:
        m_editor->setEolMode(QsciScintilla::EolWindows);
        break;
    case TextContent::LineEnd::Cr:
        m_editor->setEolMode(QsciScintilla::EolMac);
        break;
    }
    m_editor->setText(content.text);
    m_editor->SendScintilla(QsciScintilla::SCI_EMPTYUNDOBUFFER);
    m_editor->setModified(false);
    if (again) {
        m_editor->setCursorPosition(line, column);
        m_editor->setFirstVisibleLine(firstVisible);
    }
    const QString language = m_lexer ? QString::fromLatin1(m_lexer->language()) : tr("Plain text");
    m_info->setText(tr("%1   %2").arg(
        language, filewords::encoding(content.bom, content.lineEnd, content.mixedLineEnds)));
    m_loaded = true;
    m_toldOf = {};
    m_stack->setCurrentWidget(m_editor);
    updateMargin();
    updatePosition();
    emit modifiedChanged();
}

void EditorPage::onRefused(const TextFile::OpenFailure &failed)
{
    const QString name = filename::display(m_name);
    if (m_loaded) {
        // What is on screen stays: it may be the only copy.
        if (failed.refusal == TextRefusal::None)
            m_banner->showMessage(
                Banner::Level::Error,
                tr("“%1” was not reloaded. %2").arg(name, filewords::sentence(failed.error)), {},
                format::details(failed.error));
        else
            m_banner->showMessage(Banner::Level::Warning,
                                  tr("“%1” was not reloaded. %2")
                                      .arg(name, filewords::refusal(failed.refusal, failed.size)));
        return;
    }
    if (failed.refusal == TextRefusal::None) {
        m_placeholderAction = PlaceholderAction::Retry;
        m_placeholder->setContent(QStringLiteral("error"), tr("“%1” was not opened").arg(name),
                                  filewords::sentence(failed.error), tr("Retry"));
    } else if (failed.refusal == TextRefusal::NotAFile) {
        m_placeholderAction = PlaceholderAction::None;
        m_placeholder->setContent(QStringLiteral("file"), tr("“%1” cannot be edited").arg(name),
                                  filewords::refusal(failed.refusal, failed.size));
    } else {
        m_placeholderAction = PlaceholderAction::Download;
        m_placeholder->setContent(QStringLiteral("file"), tr("“%1” is not opened here").arg(name),
                                  filewords::refusal(failed.refusal, failed.size), tr("Download…"));
    }
    m_stack->setCurrentWidget(m_placeholder);
}

void EditorPage::save()
{
    if (!m_loaded || m_file->isSaving())
        return;
    if (!m_reachable) {
        m_banner->showMessage(Banner::Level::Warning,
                              tr("Not saved: %1 Your edits stay here.").arg(m_unreachableReason));
        return;
    }
    if (isModified())
        store(false);
}

void EditorPage::store(bool force)
{
    if (m_file->isSaving())
        return;
    m_banner->clear();
    m_conflict->hide();
    m_savedEdits = m_edits;
    m_file->save(encodeText(m_editor->text(), m_bom), force, this,
                 [this](const Result<RemoteWrite::Written> &result) { onSaved(result); });
}

void EditorPage::onSaved(const Result<RemoteWrite::Written> &result)
{
    if (!result) {
        if (result.error().kind == Error::Kind::Conflict && result.error().httpStatus == 0
            && !EnvdClient::isPaused(result.error())) {
            showConflict();
            return;
        }
        m_banner->showMessage(
            Banner::Level::Error,
            tr("“%1” was not saved. %2 The file in the sandbox is as it was.")
                .arg(filename::display(m_name), filewords::sentence(result.error())),
            tr("Save again"), format::details(result.error()));
        return;
    }
    // What was typed while the save was on its way is not saved.
    if (m_savedEdits == m_edits)
        m_editor->setModified(false);
    m_toldOf = {};
    if (!result->attributesKept)
        m_banner->showMessage(Banner::Level::Warning,
                              tr("Saved, but the file's mode or owner could not be kept."));
    emit saved(m_file->path());
    emit statusMessage(tr("Saved %1").arg(filename::display(m_file->path())));
    updateState();
}

void EditorPage::showConflict()
{
    const QString name = filename::display(m_name);
    const auto &now = m_file->conflictWith();
    if (!now) {
        m_conflict->ask(tr("Not saved: “%1” was deleted in the sandbox since you opened it. "
                           "Overwrite creates it again.")
                            .arg(name));
        return;
    }
    m_conflict->ask(tr("Not saved: “%1” changed in the sandbox since you opened it (now %2, %3).")
                        .arg(name, format::bytes(now->size),
                             format::relative(now->modified, QDateTime::currentDateTimeUtc())));
}

void EditorPage::noteListed(const FileEntry &entry)
{
    if (!m_loaded || m_file->isSaving() || m_loading || entry.isSymlink || !m_conflict->isHidden())
        return;
    // A listing may be older than what was read or written last.
    if (entry.modified <= m_file->version().modified || entry.modified == m_toldOf)
        return;
    m_toldOf = entry.modified;
    if (isModified())
        m_banner->showMessage(
            Banner::Level::Warning,
            tr("“%1” changed in the sandbox while you edit it. Saving will ask what to do.")
                .arg(filename::display(m_name)));
    else
        m_banner->showMessage(Banner::Level::Info,
                              tr("“%1” changed in the sandbox.").arg(filename::display(m_name)),
                              tr("Reload"));
}

void EditorPage::setReachable(bool reachable, const QString &reason)
{
    m_reachable = reachable;
    m_unreachableReason = reason;
    updateState();
}

void EditorPage::showFind()
{
    if (!m_loaded)
        return;
    const QString selected = m_editor->selectedText();
    m_findBar->show();
    if (!selected.isEmpty() && !selected.contains(u'\n'))
        m_findEdit->setText(selected);
    m_findEdit->setFocus(Qt::ShortcutFocusReason);
    m_findEdit->selectAll();
}

void EditorPage::closeFind()
{
    m_findBar->hide();
    focusEditor();
}

void EditorPage::find(bool forward, bool fromStart)
{
    if (!m_loaded)
        return;
    if (m_findEdit->text().isEmpty()) {
        m_findResult->clear();
        return;
    }
    int line = -1;
    int index = -1;
    int endLine = 0;
    int endIndex = 0;
    // Searching on begins behind the match, searching back or anew before it.
    m_editor->getSelection(&line, &index, &endLine, &endIndex);
    if (line < 0)
        m_editor->getCursorPosition(&line, &index);
    else if (forward && !fromStart)
        line = endLine, index = endIndex;
    const bool found = m_editor->findFirst(m_findEdit->text(), false, m_findCase->isChecked(),
                                           false, true, forward, line, index, true);
    m_findResult->setText(found ? QString() : tr("Not found"));
}

void EditorPage::applyTheme()
{
    syntax::applyTheme(*m_editor, m_lexer);
    m_editor->setMarginWidth(1, 4);
    updateMargin();
}

void EditorPage::updateMargin()
{
    const int digits = qMax(3, int(QString::number(m_editor->lines()).size()));
    m_editor->setMarginWidth(0, QString(digits + 1, u'0'));
}

void EditorPage::updateState()
{
    const bool modified = isModified();
    m_saveButton->setEnabled(m_loaded && modified && !m_file->isSaving() && m_reachable);
    m_saveButton->setText(m_file->isSaving() ? tr("Saving…") : tr("Save"));
    QString why = tr("Save to the sandbox (Ctrl+S)");
    if (!m_reachable)
        why = m_unreachableReason;
    else if (m_loaded && !modified)
        why = tr("Nothing to save");
    m_saveButton->setToolTip(why);
    m_findButton->setEnabled(m_loaded);
    m_reloadButton->setEnabled(m_reachable && !m_loading && !m_file->isSaving());
    m_title->setFullText(modified ? tr("%1 (modified)").arg(filename::display(m_file->path()))
                                  : filename::display(m_file->path()));
}

void EditorPage::updatePosition()
{
    if (!m_loaded)
        return;
    int line = 0;
    int column = 0;
    m_editor->getCursorPosition(&line, &column);
    m_position->setText(tr("Line %1, column %2").arg(line + 1).arg(column + 1));
}

} // namespace moru
