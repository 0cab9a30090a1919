"""The errors of the package.

AdlsError                             one or two lines in IPython, and the cell still fails
├─ ConfigurationError (ValueError)    account, endpoint, profile or environment: missing or wrong
├─ CredentialError (ValueError)       a key, SAS or token that cannot be right
├─ PathError (ValueError)             a lake path or name that cannot be right
├─ OptionError (ValueError)           an option's value that cannot be right
├─ PathExistsError (FileExistsError)
├─ PathNotFoundError (FileNotFoundError)
├─ PermissionDeniedError (PermissionError)
├─ SourceError (OSError)              the local side: unreadable, vanished, changed while read
│  └─ SourceNotFoundError (FileNotFoundError)
├─ OutputError (ValueError)           a value that cannot be written in the form asked for
├─ CellError (RuntimeError)           the cell itself failed, or put nothing out
├─ ConnectionFailedError (ConnectionError)   no answer from the service
├─ IntegrityError (OSError)           length, MD5 or CRC differ from what was sent
├─ ConflictError (OSError)            somebody else changed or holds the target
└─ ServiceError (OSError)             any other refusal of the service

UploadStopped (KeyboardInterrupt)     Stop or Ctrl-C; not an AdlsError, so that
                                      `except Exception` does not swallow it
"""

from __future__ import annotations

from adls_magic.core.secret import redact


class _OneLine(BaseException):
    """Shows in IPython as its own message and not as a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


def printable(text: str, *, keep: str = "\n") -> str:
    """Escape what could rewrite the screen; names and a server's words stand in messages.

    Args:
        text: to be shown.
        keep: control characters that stay; none of them where a name must not leave its line.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape").decode()
        for character in text
    )


class AdlsError(_OneLine, Exception):
    """Base of all errors of adls_magic.

    The text says what happened and what to do, in one or two lines, without secrets.

    Attributes:
        status: HTTP status of the answer, None when there was none.
        code: the service's error code (`x-ms-error-code`), None when there was none.
        request_id: the service's `x-ms-request-id`, for a support request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(printable(redact(message)))
        self.status = status
        self.code = code
        self.request_id = request_id

    def retold(self, message: str, kind: type[AdlsError] | None = None) -> AdlsError:
        """Return an error of the same kind, or of another, about the same answer."""
        return (kind or type(self))(
            message, status=self.status, code=self.code, request_id=self.request_id
        )


class ConfigurationError(AdlsError, ValueError):
    """Account, endpoint, profile or environment are missing, wrong or contradict each other."""


class CredentialError(AdlsError, ValueError):
    """A key, SAS or token cannot be right; said before anything is sent."""


class PathError(AdlsError, ValueError):
    """A lake path, filesystem or account name breaks the service's rules."""


class OptionError(AdlsError, ValueError):
    """An option has a value that cannot be right."""


class PathExistsError(AdlsError, FileExistsError):
    """The target exists and was not to be overwritten; it is unchanged."""


class PathNotFoundError(AdlsError, FileNotFoundError):
    """The path or filesystem does not exist."""


class PermissionDeniedError(AdlsError, PermissionError):
    """The service knows or rejects the credential (401, 403)."""


class SourceError(AdlsError, OSError):
    """The local source cannot be read, or changed while it was read; the target is unchanged."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """The local source does not exist."""


class OutputError(AdlsError, ValueError):
    """A value cannot be written in the form that the target's name asks for."""


class CellError(AdlsError, RuntimeError):
    """The cell failed or put nothing out, so nothing was written."""


class ConnectionFailedError(AdlsError, ConnectionError):
    """The service gave no answer: refused, name not found, proxy, TLS or time-out."""


class IntegrityError(AdlsError, OSError):
    """What arrived is not what was sent."""


class ConflictError(AdlsError, OSError):
    """Somebody else changed, leased or holds the target; it is as they left it."""


class ServiceError(AdlsError, OSError):
    """Any other refusal of the service."""


class UploadStopped(_OneLine, KeyboardInterrupt):
    """The upload was stopped by the user; the target is unchanged. The text says what is staged."""
