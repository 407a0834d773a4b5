"""The operator's mail server, over SMTP with verified TLS."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from anchor.project.notification_config import MailConfig
from anchor.service.tls_trust import make_tls_context
from anchor.store.deliveries import Trouble

# Seconds for each answer of the mail server.
_SECONDS = 20.0
# RFC 5321, 4.2.1: from this status on, another attempt would be answered in the same way.
_PERMANENT = 500


class MailRefused(Exception):
    """The attempt failed; ``is_final`` if another one would, too."""

    def __init__(
        self, trouble: Trouble, status: int | None = None, *, is_final: bool = False
    ) -> None:
        super().__init__()
        self.trouble = trouble
        self.status = status
        self.is_final = is_final


class MailServer:
    """Sends e-mails; ``sender`` is the address that they come from."""

    def __init__(self, config: MailConfig) -> None:
        """Read the password."""
        self.sender = config.sender
        self._config = config
        self._password = config.read_password()
        self._tls = make_tls_context()

    def send(self, mail: EmailMessage) -> None:
        """Send an e-mail."""
        try:
            with self._connect() as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            status = max((code for code, _ in error.recipients.values()), default=0)
            raise MailRefused("refused", status, is_final=status >= _PERMANENT) from error
        except smtplib.SMTPSenderRefused as error:  # for the operator to mend
            raise MailRefused("refused", error.smtp_code) from error
        except smtplib.SMTPDataError as error:
            is_final = error.smtp_code >= _PERMANENT
            raise MailRefused("refused", error.smtp_code, is_final=is_final) from error
        except smtplib.SMTPResponseException as error:
            raise MailRefused("connection", error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            # The server takes no address with such characters; or no STARTTLS, as an attacker may
            # say in its name, without which nothing is sent.
            is_odd = not str(mail["To"]).isascii()
            raise MailRefused("address" if is_odd else "tls", is_final=is_odd) from error
        except ssl.SSLError as error:
            raise MailRefused("tls") from error
        except TimeoutError as error:
            raise MailRefused("time") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise MailRefused("connection") from error

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        if config.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host, config.port, timeout=_SECONDS, context=self._tls
            )
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=_SECONDS)
        try:
            if config.security == "starttls":
                server.starttls(context=self._tls)
            if config.user is not None and self._password is not None:
                server.login(config.user, self._password)
        except BaseException:
            server.close()
            raise
        return server
