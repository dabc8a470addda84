// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/connections/connectiondialog.h"

#include "ui/common/banner.h"
#include "ui/common/format.h"
#include "ui/common/theme.h"

#include <QCheckBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHostAddress>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QUuid>
#include <QVBoxLayout>

namespace moru {
namespace {

constexpr int iconSide = 16;

QString defaultDomain()
{
    return QStringLiteral("moru.io");
}

bool isLoopback(const QString &host)
{
    return host == QLatin1String("localhost") || QHostAddress(host).isLoopback();
}

QLineEdit *lineEdit(const QString &objectName, const QString &accessibleName, QWidget *parent)
{
    auto *edit = new QLineEdit(parent);
    edit->setObjectName(objectName);
    edit->setAccessibleName(accessibleName);
    return edit;
}

} // namespace

ConnectionDialog::ConnectionDialog(ConnectionManager &connections, Connection *existing,
                                   QWidget *parent)
    : QDialog(parent)
    , m_connections(connections)
    , m_existing(existing)
{
    setObjectName(QStringLiteral("connectionDialog"));
    setAttribute(Qt::WA_DeleteOnClose);
    setModal(true);
    setWindowTitle(existing ? tr("Edit connection %1").arg(existing->name())
                            : tr("Add a connection"));
    setMinimumWidth(520);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(16, 16, 16, 16);
    layout->setSpacing(12);

    m_banner = new Banner(this);
    m_banner->setObjectName(QStringLiteral("connectionBanner"));
    layout->addWidget(m_banner);

    auto *form = new QFormLayout;
    form->setHorizontalSpacing(12);
    form->setVerticalSpacing(8);
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    layout->addLayout(form);
    m_name = lineEdit(QStringLiteral("nameEdit"), tr("Name"), this);
    m_name->setPlaceholderText(tr("for instance Acme staging"));
    m_domain = lineEdit(QStringLiteral("domainEdit"), tr("Domain"), this);
    m_apiUrl = lineEdit(QStringLiteral("apiUrlEdit"), tr("API address"), this);
    m_sandboxUrl = lineEdit(QStringLiteral("sandboxUrlEdit"), tr("Sandbox address"), this);
    m_sandboxUrl->setPlaceholderText(tr("one host per sandbox below the domain"));
    m_sandboxUrl->setToolTip(tr("Only for clusters that serve all sandboxes at one address."));
    m_key = lineEdit(QStringLiteral("keyEdit"), tr("API key"), this);
    m_key->setEchoMode(QLineEdit::Password);
    m_key->setPlaceholderText(existing ? tr("unchanged") : tr("moru_…"));
    m_production = new QCheckBox(tr("&Production: ask more before anything is killed"), this);
    m_production->setObjectName(QStringLiteral("productionBox"));
    m_production->setAccessibleName(tr("Production"));
    form->addRow(tr("&Name"), m_name);
    form->addRow(tr("&Domain"), m_domain);
    form->addRow(tr("&API address"), m_apiUrl);
    form->addRow(tr("Sandbox add&ress"), m_sandboxUrl);
    form->addRow(tr("API &key"), m_key);
    form->addRow(QString(), m_production);

    m_steps = new QWidget(this);
    m_steps->setObjectName(QStringLiteral("testSteps"));
    auto *steps = new QVBoxLayout(m_steps);
    steps->setContentsMargins(0, 0, 0, 0);
    steps->setSpacing(4);
    for (StepLine &line : m_step) {
        auto *row = new QHBoxLayout;
        row->setSpacing(8);
        line.icon = new QLabel(m_steps);
        line.icon->setFixedSize(iconSide, iconSide);
        line.text = new QLabel(m_steps);
        line.text->setTextFormat(Qt::PlainText);
        line.text->setWordWrap(true);
        row->addWidget(line.icon, 0, Qt::AlignTop);
        row->addWidget(line.text, 1);
        steps->addLayout(row);
    }
    m_steps->hide();
    layout->addWidget(m_steps);
    layout->addStretch();

    auto *buttons = new QDialogButtonBox(this);
    m_test = buttons->addButton(tr("&Test"), QDialogButtonBox::ActionRole);
    m_test->setObjectName(QStringLiteral("testButton"));
    m_test->setAccessibleName(tr("Test the connection"));
    m_test->setAutoDefault(false);
    m_save = buttons->addButton(tr("&Save"), QDialogButtonBox::AcceptRole);
    m_save->setObjectName(QStringLiteral("saveButton"));
    m_save->setAccessibleName(tr("Save the connection"));
    m_save->setDefault(true);
    m_cancel = buttons->addButton(QDialogButtonBox::Cancel);
    m_cancel->setText(tr("&Cancel"));
    m_cancel->setObjectName(QStringLiteral("cancelButton"));
    m_cancel->setAccessibleName(tr("Cancel"));
    m_cancel->setAutoDefault(false);
    layout->addWidget(buttons);

    if (existing) {
        const ConnectionSpec &spec = existing->spec();
        m_name->setText(spec.name);
        m_domain->setText(spec.endpoint.domain);
        const QUrl derived(QStringLiteral("https://api.%1").arg(spec.endpoint.domain));
        if (spec.endpoint.apiUrl != derived)
            m_apiUrl->setText(spec.endpoint.apiUrl.toString());
        m_sandboxUrl->setText(spec.endpoint.sandboxUrl.toString());
        m_production->setChecked(spec.production);
    } else {
        m_domain->setText(defaultDomain());
    }

    for (QLineEdit *edit : {m_name, m_domain, m_apiUrl, m_sandboxUrl, m_key})
        connect(edit, &QLineEdit::textChanged, this, [this] {
            m_steps->hide();
            refresh();
        });
    connect(m_test, &QPushButton::clicked, this, &ConnectionDialog::test);
    connect(m_save, &QPushButton::clicked, this, [this] { save(false); });
    connect(m_cancel, &QPushButton::clicked, this, &ConnectionDialog::reject);
    connect(m_banner, &Banner::actionTriggered, this, [this] { save(true); });
    refresh();
    m_name->setFocus();
}

ConnectionDialog::~ConnectionDialog() = default;

QUrl ConnectionDialog::parseUrl(const QString &text)
{
    QString trimmed = text.trimmed();
    if (trimmed.isEmpty())
        return {};
    if (!trimmed.contains(QLatin1String("://"))) {
        const QUrl guess(QStringLiteral("https://") + trimmed, QUrl::StrictMode);
        trimmed.prepend(isLoopback(guess.host()) ? QLatin1String("http://")
                                                 : QLatin1String("https://"));
    }
    QUrl url(trimmed, QUrl::StrictMode);
    const bool web =
        url.scheme() == QLatin1String("http") || url.scheme() == QLatin1String("https");
    const bool plain = (url.path().isEmpty() || url.path() == QLatin1String("/")) && !url.hasQuery()
                       && !url.hasFragment() && url.userInfo().isEmpty();
    if (!url.isValid() || !web || url.host().isEmpty() || !plain)
        return {};
    url.setPath(QString());
    return url;
}

ConnectionSpec ConnectionDialog::spec() const
{
    ConnectionSpec spec;
    if (m_existing) {
        spec = m_existing->spec();
    } else {
        spec.id = QUuid::createUuid().toString(QUuid::WithoutBraces);
        spec.kind = ConnectionSpec::Kind::Remote;
    }
    spec.name = m_name->text().trimmed();
    spec.endpoint.domain = m_domain->text().trimmed();
    spec.endpoint.apiUrl = m_apiUrl->text().trimmed().isEmpty()
                               ? QUrl(QStringLiteral("https://api.%1").arg(spec.endpoint.domain))
                               : parseUrl(m_apiUrl->text());
    spec.endpoint.sandboxUrl = parseUrl(m_sandboxUrl->text());
    spec.production = m_production->isChecked();
    return spec;
}

void ConnectionDialog::reject()
{
    if (!m_busy)
        QDialog::reject();
}

QString ConnectionDialog::problem() const
{
    if (m_name->text().trimmed().isEmpty())
        return tr("Give the connection a name.");
    const QString domain = m_domain->text().trimmed();
    if (domain.isEmpty() || domain.contains(QLatin1Char('/')) || domain.contains(QLatin1Char(' '))
        || QUrl(QStringLiteral("https://") + domain, QUrl::StrictMode).host().isEmpty())
        return tr("Enter a domain such as %1.").arg(defaultDomain());
    if (!m_apiUrl->text().trimmed().isEmpty() && parseUrl(m_apiUrl->text()).isEmpty())
        return tr("The API address must be like https://api.example.org, without a path.");
    if (!m_sandboxUrl->text().trimmed().isEmpty() && parseUrl(m_sandboxUrl->text()).isEmpty())
        return tr("The sandbox address must be like https://host.example.org, without a path.");
    if (!m_existing && m_key->text().trimmed().isEmpty())
        return tr("Enter the API key.");
    return {};
}

void ConnectionDialog::refresh()
{
    const QString what = problem();
    const QString domain = m_domain->text().trimmed();
    m_apiUrl->setPlaceholderText(
        QStringLiteral("https://api.%1").arg(domain.isEmpty() ? defaultDomain() : domain));
    m_save->setEnabled(what.isEmpty() && !m_busy);
    m_save->setToolTip(what);
    // Without a new key only what is stored can be tested, and it must not go to another address.
    const bool otherAddress = m_existing && m_key->text().trimmed().isEmpty()
                              && spec().endpoint != m_existing->spec().endpoint;
    m_test->setEnabled(what.isEmpty() && !m_busy && !otherAddress);
    m_test->setToolTip(otherAddress ? tr("Enter the key to test another address.") : what);
    m_cancel->setEnabled(!m_busy);
}

void ConnectionDialog::test()
{
    m_busy = true;
    m_banner->clear();
    m_steps->hide();
    refresh();
    const QString key = m_key->text().trimmed();
    ControlClient *control = nullptr;
    if (key.isEmpty() && m_existing) {
        control = &m_existing->control();
    } else {
        m_probe = std::make_unique<Connection>(spec());
        m_probe->transport().setApiKey(key);
        control = &m_probe->control();
    }
    m_test->setText(tr("Testing…"));
    control->probe(this, [this](const Result<> &result) {
        m_busy = false;
        m_test->setText(tr("&Test"));
        showTest(result);
        refresh();
        m_test->setFocus();
    });
}

void ConnectionDialog::showTest(const Result<> &result)
{
    const QString host = spec().endpoint.apiUrl.host();
    for (StepLine &line : m_step) {
        line.icon->clear();
        line.text->clear();
    }
    const auto good = [this](Step step, const QString &text) { setStep(step, true, text); };
    const auto bad = [this](Step step, const QString &text) { setStep(step, false, text); };
    const QString reached = tr("Address: %1 answers.").arg(host);
    const QString speaks = tr("Server: it is a Moru server.");
    if (result) {
        good(Step::Address, reached);
        good(Step::Answer, speaks);
        good(Step::Key, tr("Key: accepted."));
    } else {
        const Error &error = result.error();
        const QString sentence = format::sentence(error);
        switch (error.kind) {
        case Error::Kind::Network:
        case Error::Kind::Timeout:
        case Error::Kind::Tls:
        case Error::Kind::Canceled:
        case Error::Kind::Local:
            bad(Step::Address, tr("Address: %1 failed. %2").arg(host, sentence));
            break;
        case Error::Kind::Unauthorized:
            good(Step::Address, reached);
            good(Step::Answer, speaks);
            bad(Step::Key, tr("Key: refused. Check that it belongs to this server."));
            break;
        case Error::Kind::RateLimited:
            good(Step::Address, reached);
            good(Step::Answer, speaks);
            bad(Step::Key, tr("Key: not checked. %1").arg(sentence));
            break;
        case Error::Kind::NotFound:
        case Error::Kind::Conflict:
        case Error::Kind::Server:
        case Error::Kind::Protocol:
        case Error::Kind::Invalid:
        case Error::Kind::NoSpace:
            good(Step::Address, reached);
            bad(Step::Answer,
                tr("Server: its answer is not that of a Moru server. %1").arg(sentence));
            break;
        }
    }
    m_steps->show();
}

void ConnectionDialog::setStep(Step step, bool good, const QString &text)
{
    StepLine &line = m_step[static_cast<int>(step)];
    line.icon->setPixmap((good ? theme::icon(QStringLiteral("check"), theme::Token::Running)
                               : theme::icon(QStringLiteral("error"), theme::Token::Danger))
                             .pixmap(QSize(iconSide, iconSide), devicePixelRatioF()));
    line.text->setText(text);
    line.text->setAccessibleName(text);
}

void ConnectionDialog::save(bool memoryOnly)
{
    if (m_busy || !problem().isEmpty())
        return;
    m_busy = true;
    m_banner->clear();
    refresh();
    const ConnectionSpec wanted = spec();
    const QString key = m_key->text().trimmed();
    const auto failed = [this](const Error &error) {
        m_busy = false;
        refresh();
        const bool keychain = error.kind == Error::Kind::Local;
        m_banner->showMessage(Banner::Level::Error,
                              tr("The connection was not saved. %1").arg(format::sentence(error)),
                              keychain ? tr("Keep the key for this run only") : QString(),
                              format::details(error));
    };
    if (m_existing) {
        m_connections.update(wanted, key, memoryOnly, this, [this, failed](const Result<> &result) {
            if (!result) {
                failed(result.error());
                return;
            }
            m_busy = false;
            emit saved(m_existing);
            accept();
        });
        return;
    }
    m_connections.add(wanted, key, memoryOnly, this,
                      [this, failed](const Result<Connection *> &result) {
                          if (!result) {
                              failed(result.error());
                              return;
                          }
                          m_busy = false;
                          emit saved(*result);
                          accept();
                      });
}

} // namespace moru
