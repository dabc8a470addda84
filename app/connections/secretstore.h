// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/core/result.h"

#include <QObject>

namespace moru {

/// Where API keys live. The real one is the system keychain; tests may use another.
class SecretStore : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;
    /// NotFound if there is no such entry; Local with a sentence when the keychain cannot be used.
    virtual void read(const QString &entry, QObject *context, Done<QString> done) = 0;
    virtual void write(const QString &entry, const QString &secret, QObject *context,
                       Done<> done) = 0;
    virtual void remove(const QString &entry, QObject *context, Done<> done) = 0;
};

/// The system's keychain: Secret Service or KWallet by QtKeychain, on Windows the Credential
/// Manager, by QtKeychain or our own code. Never falls back to a file.
class KeychainStore final : public SecretStore {
    Q_OBJECT
public:
    using SecretStore::SecretStore;
    void read(const QString &entry, QObject *context, Done<QString> done) override;
    void write(const QString &entry, const QString &secret, QObject *context, Done<> done) override;
    void remove(const QString &entry, QObject *context, Done<> done) override;
};

} // namespace moru
