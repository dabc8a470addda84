// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/connections/secretstore.h"

#include <QFutureWatcher>
#include <QPointer>
#include <QtConcurrent>

#include <windows.h>

#include <wincred.h>

namespace moru {

namespace {

/// The name under which the Credential Manager shows the entry.
std::wstring targetOf(const QString &entry)
{
    return (QStringLiteral("io.moru.Desktop/") + entry).toStdWString();
}

tl::unexpected<Error> credentialFailure(DWORD code)
{
    const QString detail = qt_error_string(static_cast<int>(code));
    switch (code) {
    case ERROR_NOT_FOUND:
        return failure(Error::Kind::NotFound, QStringLiteral("The keychain has no such entry"),
                       detail);
    case ERROR_NO_SUCH_LOGON_SESSION:
        return failure(Error::Kind::Local,
                       QStringLiteral("Windows keeps no credentials for this kind of logon"),
                       detail);
    default:
        return failure(Error::Kind::Local,
                       QStringLiteral("The Credential Manager reported an error: %1").arg(detail),
                       QString::number(code));
    }
}

Result<QString> readCredential(const QString &entry)
{
    CREDENTIALW *credential = nullptr;
    if (CredReadW(targetOf(entry).c_str(), CRED_TYPE_GENERIC, 0, &credential) == 0)
        return credentialFailure(GetLastError());
    QString secret = QString::fromUtf8(reinterpret_cast<const char *>(credential->CredentialBlob),
                                       static_cast<qsizetype>(credential->CredentialBlobSize));
    SecureZeroMemory(credential->CredentialBlob, credential->CredentialBlobSize);
    CredFree(credential);
    return secret;
}

Result<> writeCredential(const QString &entry, const QString &secret)
{
    QByteArray blob = secret.toUtf8();
    if (blob.size() > CRED_MAX_CREDENTIAL_BLOB_SIZE)
        return failure(Error::Kind::Invalid,
                       QStringLiteral("The key is longer than the Credential Manager takes"));
    std::wstring target = targetOf(entry);
    std::wstring user = L"moru-desktop";
    CREDENTIALW credential = {};
    credential.Type = CRED_TYPE_GENERIC;
    credential.TargetName = target.data();
    credential.UserName = user.data();
    credential.CredentialBlob = reinterpret_cast<BYTE *>(blob.data());
    credential.CredentialBlobSize = static_cast<DWORD>(blob.size());
    // Kept for later logons of this user on this computer; roams nowhere.
    credential.Persist = CRED_PERSIST_LOCAL_MACHINE;
    const bool written = CredWriteW(&credential, 0) != 0;
    const DWORD code = GetLastError();
    SecureZeroMemory(blob.data(), static_cast<SIZE_T>(blob.size()));
    if (!written)
        return credentialFailure(code);
    return {};
}

Result<> removeCredential(const QString &entry)
{
    // What is gone already needs no deleting.
    if (CredDeleteW(targetOf(entry).c_str(), CRED_TYPE_GENERIC, 0) == 0
        && GetLastError() != ERROR_NOT_FOUND)
        return credentialFailure(GetLastError());
    return {};
}

/// Runs `work` beside the thread of the windows, as it asks another process, and then `done`,
/// unless `context` is gone by then.
template <typename T, typename Work>
void begin(SecretStore *store, QObject *context, Done<T> done, Work work)
{
    auto *watcher = new QFutureWatcher<Result<T>>(store);
    const QPointer<QObject> alive(context);
    QObject::connect(watcher, &QFutureWatcherBase::finished, store,
                     [watcher, alive, done = std::move(done)] {
                         watcher->deleteLater();
                         if (alive)
                             done(watcher->result());
                     });
    watcher->setFuture(QtConcurrent::run(std::move(work)));
}

} // namespace

void KeychainStore::read(const QString &entry, QObject *context, Done<QString> done)
{
    begin<QString>(this, context, std::move(done), [entry] { return readCredential(entry); });
}

void KeychainStore::write(const QString &entry, const QString &secret, QObject *context,
                          Done<> done)
{
    begin<void>(this, context, std::move(done),
                [entry, secret] { return writeCredential(entry, secret); });
}

void KeychainStore::remove(const QString &entry, QObject *context, Done<> done)
{
    begin<void>(this, context, std::move(done), [entry] { return removeCredential(entry); });
}

} // namespace moru
