// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/stores/remotewrite.h"

#include "app/core/log.h"
#include "app/stores/filename.h"

#include <QIODevice>
#include <QPointer>

namespace moru {

Call statFollowed(EnvdClient &envd, const QString &path, QObject *context, Done<FileEntry> done)
{
    // The second request is aborted through the first's handle.
    auto second = std::make_shared<Call>();
    Call first = envd.stat(path, context,
                           [&envd, guard = QPointer(context), second,
                            done = std::move(done)](const Result<FileEntry> &result) {
                               if (!result || !result->isSymlink || result->symlinkTarget.isEmpty()
                                   || result->symlinkTarget == result->path || !guard) {
                                   done(result);
                                   return;
                               }
                               *second = envd.stat(result->symlinkTarget, guard, done);
                           });
    return Call([first, second]() mutable {
        first.abort();
        second->abort();
    });
}

struct RemoteWrite::Private {
    enum class Step { Idle, Looking, Sending, Checking, Adjusting, LookingAgain, Moving, Done };

    RemoteWrite &q;
    EnvdClient &envd;
    QIODevice &source;
    Options options;
    Done<Written> done;
    Step step = Step::Idle;
    QString target; ///< options.path, links resolved
    QString temporary;
    std::optional<FileEntry> old;
    std::optional<FileEntry> found;
    FileEntry sent;
    bool attributesKept = true;
    bool asRoot = true;
    Call call;
    QPointer<Transfer> transfer;
    QPointer<ProcessStream> process;

    Private(RemoteWrite &job, EnvdClient &client, QIODevice &device, Options wanted)
        : q(job)
        , envd(client)
        , source(device)
        , options(std::move(wanted))
    {}

    void finish(const Result<Written> &result)
    {
        if (step == Step::Done)
            return;
        step = Step::Done;
        done(result);
    }

    void fail(const Error &error)
    {
        discardTemporary();
        finish(tl::unexpected(error));
    }

    void discardTemporary()
    {
        if (temporary.isEmpty())
            return;
        // The client outlives this job, so the clean-up does not depend on it. What cannot be
        // removed now (no connection) stays behind as a hidden ".part" file.
        envd.remove(temporary, &envd, [](const Result<> &result) {
            if (!result)
                qCDebug(lcFiles) << "a temporary file was left behind:" << result.error().message;
        });
        temporary.clear();
    }

    void conflict(const std::optional<FileEntry> &now)
    {
        found = now;
        fail(Error{Error::Kind::Conflict,
                   0,
                   now ? QStringLiteral("the file exists or has changed: %1").arg(target)
                       : QStringLiteral("the file is gone: %1").arg(target),
                   {},
                   -1});
    }

    /// True if what is there now may be replaced; otherwise the job has failed.
    bool admits(const std::optional<FileEntry> &now)
    {
        bool ok = true;
        switch (options.existing) {
        case Existing::Replace:
            break;
        case Existing::Refuse:
            ok = !now;
            break;
        case Existing::OnlyUnchanged:
            ok = now.has_value() == options.expected.has_value()
                 && (!now || isSameVersion(*now, *options.expected));
            break;
        }
        if (!ok)
            conflict(now);
        return ok;
    }

    void look()
    {
        step = Step::Looking;
        call = statFollowed(envd, options.path, &q, [this](const Result<FileEntry> &result) {
            if (!result && result.error().kind != Error::Kind::NotFound) {
                fail(result.error());
                return;
            }
            target = options.path;
            if (result) {
                if (result->type != FileType::File) {
                    fail(Error{
                        Error::Kind::Invalid,
                        0,
                        result->type == FileType::Directory
                            ? QStringLiteral("a folder of this name exists: %1").arg(options.path)
                            : QStringLiteral("not a regular file: %1").arg(options.path),
                        {},
                        -1});
                    return;
                }
                old = *result;
                if (!result->path.isEmpty())
                    target = result->path;
            }
            if (admits(old))
                send();
        });
    }

    void send()
    {
        step = Step::Sending;
        temporary =
            filename::join(filename::parentOf(target),
                           filename::temporary(filename::baseOf(target), filename::randomToken()));
        if (!source.seek(0)) {
            fail(Error{Error::Kind::Local, 0, source.errorString(), {}, -1});
            return;
        }
        transfer = envd.upload(temporary, &source, &q);
        connect(transfer, &Transfer::progress, &q, &RemoteWrite::progress);
        connect(transfer, &Transfer::finished, &q, [this](const Result<> &result) {
            transfer->deleteLater();
            transfer = nullptr;
            if (!result)
                fail(result.error());
            else
                check();
        });
    }

    void check()
    {
        step = Step::Checking;
        call = envd.stat(temporary, &q, [this](const Result<FileEntry> &result) {
            if (!result) {
                fail(result.error());
                return;
            }
            const qint64 expected = source.size();
            if (result->size != expected) {
                fail(Error{Error::Kind::Protocol,
                           0,
                           QStringLiteral("%1 of %2 bytes arrived").arg(result->size).arg(expected),
                           {},
                           -1});
                return;
            }
            sent = *result;
            if (old
                && (old->mode != sent.mode || old->owner != sent.owner || old->group != sent.group))
                adjust();
            else
                lookAgain();
        });
    }

    /// envd has no call for mode and owner; a small program inside does it. As root first, because
    /// only root may give a file away.
    void adjust()
    {
        step = Step::Adjusting;
        ProcessSpec spec;
        spec.cmd = QStringLiteral("/bin/sh");
        spec.args = {QStringLiteral("-c"),
                     asRoot ? QStringLiteral("chown -- \"$1\" \"$3\" && chmod -- \"$2\" \"$3\"")
                            : QStringLiteral("chmod -- \"$2\" \"$3\""),
                     QStringLiteral("sh"),
                     old->owner + QLatin1Char(':') + old->group,
                     QString::number(old->mode & 07777U, 8).rightJustified(4, u'0'),
                     temporary};
        spec.user = asRoot ? QStringLiteral("root") : QString();
        spec.timeoutSeconds = 10;
        process = envd.start(spec, &q);
        connect(process, &ProcessStream::finished, &q,
                [this](const ProcessEnd &end) { onAdjusted(end.exited && end.exitCode == 0); });
        connect(process, &ProcessStream::failed, &q, [this](const Error &) { onAdjusted(false); });
    }

    void onAdjusted(bool ok)
    {
        process->deleteLater();
        process = nullptr;
        if (!ok && asRoot) {
            asRoot = false;
            attributesKept = old->owner == sent.owner && old->group == sent.group;
            if (old->mode != sent.mode) {
                adjust();
                return;
            }
        } else if (!ok) {
            attributesKept = false;
        }
        lookAgain();
    }

    /// The upload may have taken minutes: what was true before it need not be true any more.
    void lookAgain()
    {
        if (options.existing == Existing::Replace) {
            move();
            return;
        }
        step = Step::LookingAgain;
        call = envd.stat(target, &q, [this](const Result<FileEntry> &result) {
            if (!result && result.error().kind != Error::Kind::NotFound) {
                fail(result.error());
                return;
            }
            if (admits(result ? std::optional(*result) : std::nullopt))
                move();
        });
    }

    void move()
    {
        step = Step::Moving;
        call = envd.move(temporary, target, &q, [this](const Result<FileEntry> &result) {
            if (result) {
                temporary.clear();
                report();
                return;
            }
            const Error error = result.error();
            if (error.kind != Error::Kind::Network && error.kind != Error::Kind::Timeout) {
                fail(error);
                return;
            }
            // The answer was lost, not necessarily the request: a temporary file that is gone was
            // moved.
            call = envd.stat(temporary, &q, [this, error](const Result<FileEntry> &still) {
                if (!still && still.error().kind == Error::Kind::NotFound) {
                    temporary.clear();
                    report();
                } else {
                    fail(error);
                }
            });
        });
    }

    void report()
    {
        call = envd.stat(target, &q, [this](const Result<FileEntry> &result) {
            Written written;
            written.attributesKept = attributesKept;
            if (result) {
                written.entry = *result;
            } else {
                written.entry = sent;
                written.entry.path = target;
                written.entry.name = filename::baseOf(target);
            }
            finish(written);
        });
    }
};

RemoteWrite::RemoteWrite(EnvdClient &envd, QIODevice &source, Options options, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>(*this, envd, source, std::move(options)))
{}

RemoteWrite::~RemoteWrite()
{
    d->call.abort();
    if (d->transfer) {
        d->transfer->disconnect(this);
        d->transfer->cancel();
    }
    if (d->step != Private::Step::Moving)
        d->discardTemporary();
}

void RemoteWrite::start(Done<Written> done)
{
    Q_ASSERT(d->step == Private::Step::Idle);
    d->done = std::move(done);
    d->look();
}

void RemoteWrite::cancel()
{
    using Step = Private::Step;
    switch (d->step) {
    case Step::Idle:
    case Step::Moving:
    case Step::Done:
        return;
    case Step::Sending:
        if (d->transfer)
            d->transfer->cancel(); // its end is ours
        return;
    case Step::Looking:
    case Step::Checking:
    case Step::Adjusting:
    case Step::LookingAgain:
        break;
    }
    d->call.abort();
    if (d->process) {
        d->process->disconnect(this);
        d->process->detach();
    }
    d->fail(Error{Error::Kind::Canceled, 0, {}, {}, -1});
}

const std::optional<FileEntry> &RemoteWrite::found() const
{
    return d->found;
}

bool RemoteWrite::isSameVersion(const FileEntry &a, const FileEntry &b)
{
    return a.type == b.type && a.size == b.size && a.modified == b.modified;
}

} // namespace moru
