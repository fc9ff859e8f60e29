"""Output, errors and exit codes of all command lines.

Results go to standard output, progress and errors to standard error. An error that a user can fix
is one sentence and exit code 1; a bad option is exit code 2; Ctrl-C is 130.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import typer
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.common import output
from infra.common.output import OutputLost
from ride_scoring.errors import RideScoringError

# No emoji: text such as ":on:" would be replaced by one.
out: Final = Console(highlight=False, soft_wrap=True, emoji=False)
err: Final = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

_INTERRUPTED: Final = 130
_SECRETS: Final = (
    # As headers, query parameters, or parts of the header `Authorization`.
    re.compile(
        r"(?i)((?:x-amz-security-token|authorization|credential|signature)['\"]?\s*[:=]\s*['\"]?)"
        r"(?:AWS4-HMAC-SHA256\s+)?[^\s,;&'\"<]+"
    ),
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(r"(//)[^\s/@:]*:[^\s/@]*(?=@)"),  # user name and password in a URL
)


class UserError(RideScoringError):
    """An error that the user can fix; the message says how."""


def new_app(help_text: str) -> typer.Typer:
    """A command line with plain tracebacks for our bugs, and none for users' errors."""
    return typer.Typer(
        help=help_text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


def run(app: Callable[[], object]) -> NoReturn:
    """Runs a command line and exits the process with a meaningful exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # shut down as cleanly as on Ctrl-C
    try:
        output.prepare()
        code = _code(_of_text(app))
        output.finish()
    except KeyboardInterrupt:
        fail("stopped", _INTERRUPTED)
    except OutputLost as error:
        output.give_up()
        fail(str(error), 1)
    except RideScoringError as error:
        fail(str(error), 1)
    except (ClientError, BotoCoreError) as error:
        fail(_aws_sentence(error), 1)
    except ValueError as error:
        # botocore and urllib raise a plain ValueError for these.
        if not str(error).startswith(("Invalid endpoint", "Invalid IPv6 URL")):
            raise
        fail(f"{error}: AWS_ENDPOINT_URL must be a URL such as http://127.0.0.1:4566", 1)
    except OSError as error:
        if error.filename is None:
            raise
        fail(_file_sentence(error), 1)
    sys.exit(code)


def _file_sentence(error: OSError) -> str:
    """Fallback message for an `OSError` about a file."""
    why = (error.strerror or type(error).__name__).lower()
    return f"{os.fsdecode(error.filename)} cannot be used: {why}; fix it, or name another"


def _that_is_no_text(error: BaseException | None) -> str | None:
    """The argument that is not valid text, if that is what the error is about."""
    while error is not None and not isinstance(error, UnicodeEncodeError):
        error = error.__cause__ or error.__context__
    return next((word for word in sys.argv if error and not _is_text(word)), None)


def _is_text(word: str) -> bool:
    """Python decodes invalid bytes in arguments to lone surrogates."""
    return word.isascii() or not any("\udc80" <= character <= "\udcff" for character in word)


def print_json(result: object) -> None:
    """Prints a result as one line of JSON that survives any output encoding."""
    text = msgspec.json.encode(result).decode()
    out.print(output.readable_json(text), markup=False)


def _of_text(app: Callable[[], object]) -> Callable[[], object]:
    """Wraps a command line so that an argument that is not valid text is a one-sentence error."""

    def run_it() -> None:
        try:
            app()
        except Exception as error:
            if (word := _that_is_no_text(error)) is None:
                raise
            raise UserError(f"the argument {os.fsencode(word)!r} is not valid UTF-8") from error

    return run_it


def _code(app: Callable[[], object]) -> int:
    """The exit code of a command line. Raises `KeyboardInterrupt` and the command's errors."""
    try:
        app()
    except SystemExit as error:
        # Typer turns Ctrl-C into a silent exit.
        if error.code == _INTERRUPTED and isinstance(error.__context__, typer.Exit):
            raise KeyboardInterrupt from None
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def require_writable(path: Path) -> None:
    """Raises `UserError` up front if a file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): name another file"
        ) from error


def seen_from_here(path: Path) -> Path:
    """The path relative to the working directory."""
    return path.relative_to(Path.cwd(), walk_up=True)


def without_password(text: str) -> str:
    """The text with user names and passwords removed from its URLs."""
    text = re.sub(r"//[^\s@]*@", "//", text)
    text = re.sub(r"(?<![/\w])[\w.%+-]+:[^\s@/]+@", "", text)  # for URLs without a scheme
    return re.sub(r"([?&](?:password|passwd|pwd|token|sig)=)[^&\s'\"]*", r"\1…", text)


def without_keys(text: str) -> str:
    """The text without keys, signatures and passwords in URLs: on a signature mismatch AWS quotes
    the request, including its headers."""
    for secret in _SECRETS:
        text = secret.sub(r"\1…", text)
    return text


def progress() -> Progress:
    """A progress bar on a terminal; nothing if the output is a file or a pipe."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def fail(sentence: str, code: int) -> NoReturn:
    err.print(f"[red]error:[/red] {_escaped(without_keys(sentence))}")
    sys.exit(code)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _aws_sentence(error: Exception) -> str:
    match error:
        case NoCredentialsError():
            return (
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
            )
        case NoRegionError():
            return "no AWS region: set AWS_DEFAULT_REGION"
        case EndpointConnectionError():
            return f"{error} Is LocalStack up (`make up`), and AWS_ENDPOINT_URL right?"
        case ClientError(response={"Error": {"Code": code, "Message": message}}):
            # The lines after the first quote the request.
            return f"AWS refused {error.operation_name}: {code}: {message.partition('\n')[0]}"
    return f"AWS did not answer: {error}"
