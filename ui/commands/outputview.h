// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/stores/commandoutput.h"

#include <QPlainTextEdit>
#include <QTimer>

namespace moru {

/// Shows a CommandOutput that may still grow. Lines of stderr have their own colour and the mark
/// "err" beside them. Filled in small steps, so that no amount of output holds the window up; while
/// output floods in only its end is shown, and the whole of what is kept when it calms down.
class OutputView : public QPlainTextEdit {
    Q_OBJECT
public:
    explicit OutputView(QWidget *parent = nullptr);

    /// `output` must stay alive until another is set; null empties the view.
    void setOutput(const CommandOutput *output);
    /// The output grew.
    void follow();
    /// True when everything that is kept is on screen.
    [[nodiscard]] bool isComplete() const;

protected:
    void resizeEvent(QResizeEvent *event) override;

private:
    class Gutter;

    void restart(qint64 from);
    void step();
    void applyTheme();
    void paintGutter(const QPaintEvent &event);
    void placeGutter();

    const CommandOutput *m_output = nullptr;
    qint64 m_first = 0;     ///< position of the first character in the view
    qint64 m_shown = 0;     ///< position behind the last one
    bool m_partial = false; ///< something that is kept was skipped
    QTimer m_step;
    QTimer m_calm;
    QWidget *m_gutter = nullptr;
    QTextCharFormat m_formats[2];
};

} // namespace moru
