// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/secretstore.h"

#include <QPointer>

#include <qt6keychain/keychain.h>

namespace moru {

namespace {

const QString serviceName = QStringLiteral("io.moru.Desktop");

Error keychainError(const QKeychain::Job &job)
{
    Error error;
    error.kind = Error::Kind::Local;
    error.detail = job.errorString();
    switch (job.error()) {
    case QKeychain::NoError:
        break;
    case QKeychain::EntryNotFound:
        error.kind = Error::Kind::NotFound;
        error.message = QStringLiteral("The keychain has no such entry");
        break;
    case QKeychain::AccessDenied:
    case QKeychain::AccessDeniedByUser:
        error.message = QStringLiteral("The keychain is locked or refused access");
        break;
    case QKeychain::NoBackendAvailable:
    case QKeychain::NotImplemented:
        error.message =
            QStringLiteral("No keychain service is running (Secret Service, KWallet or KeePassXC)");
        break;
    case QKeychain::CouldNotDeleteEntry:
        error.message = QStringLiteral("The keychain did not delete the entry");
        break;
    case QKeychain::OtherError:
        // What libsecret says when nobody owns the service's name on the session bus.
        if (error.detail.contains(QLatin1String("org.freedesktop.secrets"))
            || error.detail.contains(QLatin1String("D-Bus")))
            error.message = QStringLiteral(
                "No keychain service is running (Secret Service, KWallet or KeePassXC)");
        else
            error.message =
                QStringLiteral("The keychain reported an error: %1").arg(job.errorString());
        break;
    }
    return error;
}

/// Starts `job` and runs `ended` with it, unless `context` is gone by then.
template <typename Job, typename Ended>
void begin(Job *job, const QString &entry, QObject *context, Ended ended)
{
    job->setKey(entry);
    job->setInsecureFallback(false); // never a plain file
    job->setAutoDelete(true);
    const QPointer<QObject> alive(context);
    QObject::connect(job, &QKeychain::Job::finished, job,
                     [job, alive, ended = std::move(ended)](QKeychain::Job *) {
                         if (alive)
                             ended(*job);
                     });
    job->start();
}

} // namespace

void KeychainStore::read(const QString &entry, QObject *context, Done<QString> done)
{
    begin(new QKeychain::ReadPasswordJob(serviceName), entry, context,
          [done = std::move(done)](const QKeychain::ReadPasswordJob &job) {
              if (job.error() == QKeychain::NoError)
                  done(job.textData());
              else
                  done(tl::unexpected<Error>(keychainError(job)));
          });
}

void KeychainStore::write(const QString &entry, const QString &secret, QObject *context,
                          Done<> done)
{
    auto *job = new QKeychain::WritePasswordJob(serviceName);
    job->setTextData(secret);
    begin(job, entry, context,
          [done = std::move(done)](const QKeychain::WritePasswordJob &finished) {
              if (finished.error() == QKeychain::NoError)
                  done({});
              else
                  done(tl::unexpected<Error>(keychainError(finished)));
          });
}

void KeychainStore::remove(const QString &entry, QObject *context, Done<> done)
{
    begin(new QKeychain::DeletePasswordJob(serviceName), entry, context,
          [done = std::move(done)](const QKeychain::DeletePasswordJob &job) {
              // What is gone already needs no deleting.
              if (job.error() == QKeychain::NoError || job.error() == QKeychain::EntryNotFound)
                  done({});
              else
                  done(tl::unexpected<Error>(keychainError(job)));
          });
}

} // namespace moru
