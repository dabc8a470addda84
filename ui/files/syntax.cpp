// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/files/syntax.h"

#include "ui/common/theme.h"

#include <QApplication>
#include <QFontDatabase>
#include <QHash>
#include <QPalette>

#include <Qsci/qscilexerbash.h>
#include <Qsci/qscilexercmake.h>
#include <Qsci/qscilexercpp.h>
#include <Qsci/qscilexercsharp.h>
#include <Qsci/qscilexercss.h>
#include <Qsci/qscilexerdiff.h>
#include <Qsci/qscilexerhtml.h>
#include <Qsci/qscilexerjava.h>
#include <Qsci/qscilexerjavascript.h>
#include <Qsci/qscilexerjson.h>
#include <Qsci/qscilexerlua.h>
#include <Qsci/qscilexermakefile.h>
#include <Qsci/qscilexermarkdown.h>
#include <Qsci/qscilexerperl.h>
#include <Qsci/qscilexerproperties.h>
#include <Qsci/qscilexerpython.h>
#include <Qsci/qscilexerruby.h>
#include <Qsci/qscilexersql.h>
#include <Qsci/qscilexertcl.h>
#include <Qsci/qscilexertex.h>
#include <Qsci/qscilexerxml.h>
#include <Qsci/qscilexeryaml.h>
#include <Qsci/qsciscintilla.h>

namespace moru::syntax {

namespace {

using Maker = QsciLexer *(*)(QObject *);

template <typename Lexer> QsciLexer *make(QObject *parent)
{
    return new Lexer(parent);
}

QsciLexer *makeJson(QObject *parent)
{
    auto *lexer = new QsciLexerJSON(parent);
    lexer->setHighlightComments(true); // half of all .json files are read by something lenient
    return lexer;
}

Maker bySuffix(const QString &suffix)
{
    static const QHash<QString, Maker> makers{
        {QStringLiteral("py"), make<QsciLexerPython>},
        {QStringLiteral("pyi"), make<QsciLexerPython>},
        {QStringLiteral("js"), make<QsciLexerJavaScript>},
        {QStringLiteral("mjs"), make<QsciLexerJavaScript>},
        {QStringLiteral("cjs"), make<QsciLexerJavaScript>},
        {QStringLiteral("jsx"), make<QsciLexerJavaScript>},
        {QStringLiteral("ts"), make<QsciLexerJavaScript>},
        {QStringLiteral("tsx"), make<QsciLexerJavaScript>},
        {QStringLiteral("json"), makeJson},
        {QStringLiteral("jsonc"), makeJson},
        {QStringLiteral("ipynb"), makeJson},
        {QStringLiteral("yaml"), make<QsciLexerYAML>},
        {QStringLiteral("yml"), make<QsciLexerYAML>},
        {QStringLiteral("sh"), make<QsciLexerBash>},
        {QStringLiteral("bash"), make<QsciLexerBash>},
        {QStringLiteral("zsh"), make<QsciLexerBash>},
        {QStringLiteral("c"), make<QsciLexerCPP>},
        {QStringLiteral("h"), make<QsciLexerCPP>},
        {QStringLiteral("cc"), make<QsciLexerCPP>},
        {QStringLiteral("cpp"), make<QsciLexerCPP>},
        {QStringLiteral("cxx"), make<QsciLexerCPP>},
        {QStringLiteral("hh"), make<QsciLexerCPP>},
        {QStringLiteral("hpp"), make<QsciLexerCPP>},
        {QStringLiteral("go"), make<QsciLexerCPP>},
        {QStringLiteral("rs"), make<QsciLexerCPP>},
        {QStringLiteral("proto"), make<QsciLexerCPP>},
        {QStringLiteral("cs"), make<QsciLexerCSharp>},
        {QStringLiteral("java"), make<QsciLexerJava>},
        {QStringLiteral("kt"), make<QsciLexerJava>},
        {QStringLiteral("html"), make<QsciLexerHTML>},
        {QStringLiteral("htm"), make<QsciLexerHTML>},
        {QStringLiteral("vue"), make<QsciLexerHTML>},
        {QStringLiteral("php"), make<QsciLexerHTML>},
        {QStringLiteral("xml"), make<QsciLexerXML>},
        {QStringLiteral("svg"), make<QsciLexerXML>},
        {QStringLiteral("css"), make<QsciLexerCSS>},
        {QStringLiteral("scss"), make<QsciLexerCSS>},
        {QStringLiteral("less"), make<QsciLexerCSS>},
        {QStringLiteral("md"), make<QsciLexerMarkdown>},
        {QStringLiteral("markdown"), make<QsciLexerMarkdown>},
        {QStringLiteral("sql"), make<QsciLexerSQL>},
        {QStringLiteral("mk"), make<QsciLexerMakefile>},
        {QStringLiteral("cmake"), make<QsciLexerCMake>},
        {QStringLiteral("diff"), make<QsciLexerDiff>},
        {QStringLiteral("patch"), make<QsciLexerDiff>},
        {QStringLiteral("ini"), make<QsciLexerProperties>},
        {QStringLiteral("cfg"), make<QsciLexerProperties>},
        {QStringLiteral("conf"), make<QsciLexerProperties>},
        {QStringLiteral("env"), make<QsciLexerProperties>},
        {QStringLiteral("properties"), make<QsciLexerProperties>},
        {QStringLiteral("toml"), make<QsciLexerProperties>},
        {QStringLiteral("desktop"), make<QsciLexerProperties>},
        {QStringLiteral("service"), make<QsciLexerProperties>},
        {QStringLiteral("lua"), make<QsciLexerLua>},
        {QStringLiteral("pl"), make<QsciLexerPerl>},
        {QStringLiteral("pm"), make<QsciLexerPerl>},
        {QStringLiteral("rb"), make<QsciLexerRuby>},
        {QStringLiteral("tcl"), make<QsciLexerTCL>},
        {QStringLiteral("tex"), make<QsciLexerTeX>},
    };
    return makers.value(suffix.toLower());
}

Maker byName(const QString &fileName)
{
    static const QHash<QString, Maker> makers{
        {QStringLiteral("makefile"), make<QsciLexerMakefile>},
        {QStringLiteral("gnumakefile"), make<QsciLexerMakefile>},
        {QStringLiteral("cmakelists.txt"), make<QsciLexerCMake>},
        {QStringLiteral("dockerfile"), make<QsciLexerBash>},
        {QStringLiteral(".bashrc"), make<QsciLexerBash>},
        {QStringLiteral(".bash_profile"), make<QsciLexerBash>},
        {QStringLiteral(".bash_logout"), make<QsciLexerBash>},
        {QStringLiteral(".profile"), make<QsciLexerBash>},
        {QStringLiteral(".zshrc"), make<QsciLexerBash>},
        {QStringLiteral(".env"), make<QsciLexerProperties>},
        {QStringLiteral(".gitconfig"), make<QsciLexerProperties>},
        {QStringLiteral(".editorconfig"), make<QsciLexerProperties>},
        {QStringLiteral("gemfile"), make<QsciLexerRuby>},
    };
    return makers.value(fileName.toLower());
}

Maker byFirstLine(const QString &line)
{
    if (line.startsWith(QLatin1String("<?xml")))
        return make<QsciLexerXML>;
    if (!line.startsWith(QLatin1String("#!")))
        return nullptr;
    if (line.contains(QLatin1String("python")))
        return make<QsciLexerPython>;
    if (line.contains(QLatin1String("node")) || line.contains(QLatin1String("deno")))
        return make<QsciLexerJavaScript>;
    if (line.contains(QLatin1String("perl")))
        return make<QsciLexerPerl>;
    if (line.contains(QLatin1String("ruby")))
        return make<QsciLexerRuby>;
    if (line.contains(QLatin1String("sh")))
        return make<QsciLexerBash>;
    return nullptr;
}

/// The colour with its hue, as light or dark as reading on `paper` takes.
QColor readable(const QColor &color, const QColor &paper)
{
    constexpr double kEnough = 4.5;
    const bool darkPaper = paper.lightnessF() < 0.5F;
    float hue = 0;
    float saturation = 0;
    float lightness = 0;
    color.getHslF(&hue, &saturation, &lightness);
    QColor result = color;
    for (int step = 0; step < 20 && theme::contrast(result, paper) < kEnough; ++step) {
        lightness = darkPaper ? qMin(1.0F, lightness + 0.05F) : qMax(0.0F, lightness - 0.05F);
        result = QColor::fromHslF(qBound(0.0F, hue, 1.0F), saturation, lightness);
    }
    return result;
}

constexpr int kStyles = 128;

} // namespace

QsciLexer *lexerFor(const QString &fileName, const QString &firstLine, QObject *parent)
{
    Maker maker = byName(fileName);
    if (!maker && fileName.contains(u'.'))
        maker = bySuffix(fileName.mid(fileName.lastIndexOf(u'.') + 1));
    if (!maker)
        maker = byFirstLine(firstLine);
    return maker ? maker(parent) : nullptr;
}

void applyTheme(QsciScintilla &editor, QsciLexer *lexer)
{
    const QPalette palette = QApplication::palette();
    const QColor paper = palette.color(QPalette::Base);
    const QColor text = palette.color(QPalette::Text);
    const QFont font = QFontDatabase::systemFont(QFontDatabase::FixedFont);

    if (lexer) {
        lexer->setDefaultFont(font);
        lexer->setDefaultPaper(paper);
        lexer->setDefaultColor(text);
        lexer->setPaper(paper);
        for (int style = 0; style < kStyles; ++style) {
            if (lexer->description(style).isEmpty())
                continue;
            QColor color = lexer->defaultColor(style);
            // Black, grey and olive "default" text is the theme's text.
            if (color.hslSaturationF() < 0.05F && color.lightnessF() < 0.35F)
                color = text;
            lexer->setColor(readable(color, paper), style);
            lexer->setPaper(paper, style);
            QFont styled = font;
            styled.setBold(lexer->defaultFont(style).bold());
            styled.setItalic(lexer->defaultFont(style).italic());
            lexer->setFont(styled, style);
            lexer->setEolFill(false, style);
        }
    }
    editor.setFont(font);
    editor.setPaper(paper);
    editor.setColor(text);
    if (lexer)
        editor.setLexer(lexer);
    editor.setCaretForegroundColor(text);
    editor.setCaretLineBackgroundColor(theme::color(theme::Token::Hover));
    editor.setSelectionBackgroundColor(palette.color(QPalette::Active, QPalette::Highlight));
    editor.setSelectionForegroundColor(palette.color(QPalette::Active, QPalette::HighlightedText));
    editor.setMarginsFont(font);
    editor.setMarginsBackgroundColor(palette.color(QPalette::AlternateBase));
    editor.setMarginsForegroundColor(theme::color(theme::Token::Secondary));
    editor.setMatchedBraceBackgroundColor(theme::color(theme::Token::Hairline));
    editor.setMatchedBraceForegroundColor(text);
    editor.setUnmatchedBraceForegroundColor(theme::color(theme::Token::Danger));
    editor.setUnmatchedBraceBackgroundColor(paper);
    editor.setEdgeColor(theme::color(theme::Token::Hairline));
    editor.setFoldMarginColors(palette.color(QPalette::AlternateBase),
                               palette.color(QPalette::AlternateBase));
    editor.setIndentationGuidesForegroundColor(theme::color(theme::Token::Hairline));
}

} // namespace moru::syntax
