// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/textfile.h"

#include <QWidget>

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QStackedWidget;
class QToolButton;
class QsciLexer;
class QsciScintilla;

namespace moru {

class Banner;
class ChoiceBar;
class ElidedLabel;
class Placeholder;

/// One file of a sandbox in the editor: loading, refused, failed or being edited. Line ends and the
/// byte order mark stay as they are in the file.
class EditorPage : public QWidget {
    Q_OBJECT
public:
    /// `envd` must outlive the page.
    EditorPage(EnvdClient &envd, const QString &path, QWidget *parent = nullptr);
    ~EditorPage() override;

    void load();
    void save();
    [[nodiscard]] const QString &path() const;
    [[nodiscard]] bool isModified() const;
    [[nodiscard]] bool isSaving() const;
    void showFind();
    void setReachable(bool reachable, const QString &reason);
    /// What a listing says about the file: a newer version is told of, never loaded unasked.
    void noteListed(const FileEntry &entry);
    /// Only the page in front carries the well-known object names ("fileEditor", "saveFileButton").
    void setInFront(bool inFront);
    void focusEditor();

signals:
    void modifiedChanged();
    void saved(const QString &path);
    void downloadWanted(const QString &path);
    void statusMessage(const QString &text);

private:
    void build();
    void buildFindBar();
    void onOpened(const TextContent &content);
    void onRefused(const TextFile::OpenFailure &failure);
    void store(bool force);
    void onSaved(const Result<RemoteWrite::Written> &result);
    void showConflict();
    void find(bool forward, bool fromStart);
    void closeFind();
    void applyTheme();
    void updateMargin();
    void updateState();
    void updatePosition();

    TextFile *m_file = nullptr;
    QString m_name;
    bool m_bom = false;
    bool m_loaded = false;
    bool m_loading = false;
    bool m_reachable = true;
    QString m_unreachableReason;
    quint64 m_edits = 0;      ///< counts changes of the text
    quint64 m_savedEdits = 0; ///< value of m_edits when the running save began
    QDateTime m_toldOf;       ///< the newest foreign version the banner spoke of

    ElidedLabel *m_title = nullptr;
    QLabel *m_info = nullptr;
    QLabel *m_position = nullptr;
    QToolButton *m_findButton = nullptr;
    QToolButton *m_reloadButton = nullptr;
    QPushButton *m_saveButton = nullptr;
    Banner *m_banner = nullptr;
    ChoiceBar *m_conflict = nullptr;
    QStackedWidget *m_stack = nullptr;
    Placeholder *m_placeholder = nullptr;
    enum class PlaceholderAction {
        None,
        Retry,
        Download
    } m_placeholderAction = PlaceholderAction::None;
    QsciScintilla *m_editor = nullptr;
    QsciLexer *m_lexer = nullptr;
    QWidget *m_findBar = nullptr;
    QLineEdit *m_findEdit = nullptr;
    QCheckBox *m_findCase = nullptr;
    QLabel *m_findResult = nullptr;
};

} // namespace moru
