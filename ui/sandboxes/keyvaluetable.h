// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QMap>
#include <QTableWidget>

namespace moru {

/// A small table of names and values with one empty row at its end to write into. Pasting lines of
/// the form NAME=value (as in a .env file) fills several rows.
class KeyValueTable : public QTableWidget {
    Q_OBJECT
public:
    /// `secretValues`: values whose name looks like a secret are shown as dots.
    KeyValueTable(const QString &keyTitle, bool secretValues, QWidget *parent = nullptr);

    [[nodiscard]] QMap<QString, QString> values() const;
    void setValues(const QMap<QString, QString> &values);
    /// What is wrong, as a sentence; empty = nothing.
    [[nodiscard]] QString problem() const;

    /// Reads NAME=value lines: comments and blank lines are skipped, "export " and one pair of
    /// quotes are removed.
    static QList<std::pair<QString, QString>> parseLines(const QString &text);

signals:
    void edited();

protected:
    void keyPressEvent(QKeyEvent *event) override;

private:
    void keepEmptyRow();
    void removeSelected();
    void paste();
    void setRow(int row, const QString &key, const QString &value);
    [[nodiscard]] QString textAt(int row, int column) const;

    bool m_changing = false;
};

} // namespace moru
