// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/sandboxes/dialogparts.h"

#include "ui/common/theme.h"

#include <QCoreApplication>
#include <QDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>

namespace moru::dialogparts {
namespace {

struct Words {
    Q_DECLARE_TR_FUNCTIONS(moru::dialogparts)
};

} // namespace

QVBoxLayout *frame(QDialog &dialog, const QString &name)
{
    dialog.setObjectName(name);
    dialog.setAttribute(Qt::WA_DeleteOnClose);
    dialog.setModal(true);
    dialog.setMinimumWidth(480);
    auto *layout = new QVBoxLayout(&dialog);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(12);
    return layout;
}

QLabel *heading(const QString &text, QWidget *parent)
{
    auto *label = new QLabel(text, parent);
    label->setObjectName(QStringLiteral("headingLabel"));
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    QFont large = label->font();
    large.setPointSizeF(large.pointSizeF() * 1.15);
    large.setWeight(QFont::DemiBold);
    label->setFont(large);
    return label;
}

QLabel *text(const QString &text, QWidget *parent)
{
    auto *label = new QLabel(text, parent);
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    return label;
}

void fit(QDialog &dialog)
{
    const int width = std::max(dialog.minimumWidth(), dialog.layout()->minimumSize().width());
    const int height = dialog.layout()->hasHeightForWidth()
                           ? dialog.layout()->totalHeightForWidth(width)
                           : dialog.sizeHint().height();
    dialog.resize(width, height);
}

QString where(const ConnectionSpec &spec)
{
    return spec.production ? Words::tr("%1 (PRODUCTION)").arg(spec.name) : spec.name;
}

QWidget *connectionLine(const ConnectionSpec &spec, QWidget *parent)
{
    auto *line = new QWidget(parent);
    auto *layout = new QHBoxLayout(line);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(8);
    auto *name = new QLabel(Words::tr("Connection: %1").arg(spec.name), line);
    name->setObjectName(QStringLiteral("connectionLabel"));
    name->setTextFormat(Qt::PlainText);
    layout->addWidget(name);
    if (spec.production) {
        auto *word = new QLabel(Words::tr("PRODUCTION"), line);
        word->setObjectName(QStringLiteral("productionLabel"));
        word->setTextFormat(Qt::PlainText);
        QFont bold = word->font();
        bold.setWeight(QFont::Bold);
        word->setFont(bold);
        QPalette colors = word->palette();
        const QColor back = productionColor(spec);
        colors.setColor(QPalette::Window, back);
        // Whichever of black and white reads better on the user's colour.
        colors.setColor(QPalette::WindowText,
                        theme::contrast(back, Qt::white) >= theme::contrast(back, Qt::black)
                            ? Qt::white
                            : Qt::black);
        word->setPalette(colors);
        word->setAutoFillBackground(true);
        word->setContentsMargins(8, 0, 8, 0);
        layout->addWidget(word);
    }
    layout->addStretch();
    return line;
}

QColor productionColor(const ConnectionSpec &spec)
{
    const QColor own(spec.color);
    return own.isValid() ? own : theme::color(theme::Token::Danger);
}

} // namespace moru::dialogparts
