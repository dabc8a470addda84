// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/connections/connectionmanager.h"
#include "app/core/settings.h"
#include "app/enginehost/enginehost.h"
#include "tests/stores/fleetserver.h"
#include "ui/common/prompt.h"
#include "ui/mainwindow/mainwindow.h"

#include <QAbstractButton>
#include <QApplication>
#include <QDialog>
#include <QHash>
#include <QTemporaryDir>
#include <QTest>

#include <memory>
#include <stdexcept>

namespace moru::screens {

constexpr int patience = 60'000;

/// Ends the picture at hand with a sentence.
struct Failure : std::runtime_error {
    explicit Failure(const QString &what)
        : std::runtime_error(what.toStdString())
    {}
};

inline void need(bool condition, const QString &what)
{
    if (!condition)
        throw Failure(what);
}

/// Runs the event loop until `condition` holds, or fails with `what`.
template <typename Condition> void await(Condition condition, const QString &what)
{
    need(QTest::qWaitFor(condition, patience), QStringLiteral("never: ") + what);
}

/// Keys in memory: nobody's keychain is touched.
class MemorySecrets final : public SecretStore {
public:
    void read(const QString &entry, QObject *context, Done<QString> done) override;
    void write(const QString &entry, const QString &secret, QObject *context, Done<> done) override;
    void remove(const QString &entry, QObject *context, Done<> done) override;

private:
    QHash<QString, QString> m_secrets;
};

/// The real dialogs, except that files are chosen beforehand.
class ChoosingPrompt final : public Prompt {
public:
    QStringList files;
    void confirm(QWidget *parent, const Question &question,
                 std::function<void(bool)> answer) override;
    void text(QWidget *parent, const QString &title, const QString &label, const QString &initial,
              std::function<void(QString)> answer) override;
    void openFiles(QWidget *parent, const QString &title,
                   std::function<void(QStringList)> answer) override;
    void saveFile(QWidget *parent, const QString &title, const QString &suggestedName,
                  std::function<void(QString)> answer) override;
    void folder(QWidget *parent, const QString &title,
                std::function<void(QString)> answer) override;
};

/// The app's window on one source of sandboxes, with settings of its own.
class Stage {
public:
    explicit Stage(const QSize &size);
    virtual ~Stage();

    [[nodiscard]] MainWindow &window() { return *m_window; }
    void show();
    void hide() { m_window->hide(); }
    template <typename T = QWidget> T *visible(const QString &name)
    {
        for (T *found : m_window->template findChildren<T *>(name)) {
            if (found->isVisible())
                return found;
        }
        return nullptr;
    }
    /// The visible widget of that name; waits for it.
    template <typename T = QWidget> T *the(const QString &name)
    {
        T *found = nullptr;
        await([&] { return (found = visible<T>(name)) != nullptr; }, name);
        return found;
    }
    void trigger(const QString &action);
    void click(const QString &button);
    QDialog *dialog(const QString &name) { return the<QDialog>(name); }
    /// Closes what dialogs are open.
    void closeDialogs();
    void select(const QString &id);

protected:
    void open(EngineHost *engine, const QProcessEnvironment &environment);

    QTemporaryDir m_folder;
    Settings m_settings;
    MemorySecrets m_secrets;
    ChoosingPrompt m_prompt;
    std::unique_ptr<EngineHost> m_engine;
    std::unique_ptr<ConnectionManager> m_connections;
    std::unique_ptr<MainWindow> m_window;
    QSize m_size;
};

/// A real engine, which the window itself starts, and real sandboxes.
class LocalStage final : public Stage {
public:
    LocalStage(const QString &engine, const QSize &size);
    ~LocalStage() override;

    /// The engine waits at a gate until this; before, the window shows how it starts.
    void openGate();
    void haveEngine();
    void haveSandboxes();
    /// The ID of the sandbox whose metadata say that name.
    [[nodiscard]] QString named(const QString &name);
    /// Runs a command in a sandbox to its end.
    QByteArray run(const QString &id, const QString &command);
    [[nodiscard]] const EngineHost &engine() const { return *m_engine; }
    void chooseFiles(const QStringList &files) { m_prompt.files = files; }
    [[nodiscard]] QString file(const QString &name) const { return m_folder.filePath(name); }

private:
    QString create(const NewSandbox &spec);
    QString m_program;
    QString m_gate;
    QHash<QString, QString> m_ids;
};

/// A made-up fleet behind real HTTP, for faults and for numbers no machine here could run.
class FleetStage final : public Stage {
public:
    explicit FleetStage(const QSize &size);
    test::FleetServer server;
    /// Begins with the connection to the made-up fleet.
    void start();
    void fill(int count);
    void setProduction(bool production);
};

/// Saves what the screen shows of the window and what stands before it, once it stands still.
/// `moving`: takes it at once. Returns the file.
void shoot(Stage &stage, const QString &file, bool moving = false);

} // namespace moru::screens
