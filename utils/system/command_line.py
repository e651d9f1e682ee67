"""From a dataclass of options to a command line: flags, help, parsing, errors of one line."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from utils.system.errors import UserError
from utils.system.streams import flushed

T = TypeVar("T")


def option(default: Any, heading: str, help: str, parse: Callable[[str], Any] = str, **extra: Any) -> Any:
    """A dataclass field that is also a command-line flag.

    ``heading`` is where the help shows it. ``parse`` turns the text given into the value and raises ``ValueError``
    saying what was expected; a default of ``False`` makes a flag without a value. ``extra`` may hold ``choices``,
    ``metavar``, ``affects_result=False`` (paths and the like, which the run id ignores) and ``later=True`` (added since
    records of options are made: left out of them at its default).
    """
    return dataclasses.field(default=default, metadata={"heading": heading, "help": help, "parse": parse, **extra})


def integer(minimum: int | None = None, maximum: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers, at least ``minimum`` and at most ``maximum``."""
    bounds = [f", {word} {bound}" for word, bound in (("at least", minimum), ("at most", maximum)) if bound is not None]
    wanted = "".join(["a whole number", *bounds])

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(wanted) from None
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise ValueError(wanted)
        return value

    return parse


def real(
    minimum: float = -math.inf, above: float = -math.inf, below: float = math.inf, maximum: float = math.inf
) -> Callable[[str], float]:
    """A parser of finite numbers in ``[minimum, maximum]``, greater than ``above`` and less than ``below``."""
    bounds = [
        text
        for text, bound in (
            (f"at least {minimum:g}", minimum),
            (f"above {above:g}", above),
            (f"below {below:g}", below),
            (f"at most {maximum:g}", maximum),
        )
        if math.isfinite(bound)
    ]
    wanted = ", ".join(["a number", *bounds])

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(wanted) from None
        if not (math.isfinite(value) and minimum <= value <= maximum and above < value < below):
            raise ValueError(wanted)
        return value

    return parse


def list_of(parse_one: Callable[[str], T], example: str, known: Collection[str] = ()) -> Callable[[str], tuple[T, ...]]:
    """A parser of lists written ``200,600``, ``[200,600]`` or ``"[200, 600]"``, each part read by ``parse_one``.

    Where the parts are names, ``known`` are those there are.
    """

    def parse(text: str) -> tuple[T, ...]:
        match = re.fullmatch(r"\s*(\[)?([^\[\]]*)(\])?\s*", text)
        parts = [part.strip() for part in match[2].split(",")] if match and bool(match[1]) == bool(match[3]) else [""]
        if parts[-1] == "" and len(parts) > 1:
            parts.pop()  # a trailing comma, as Python's own lists allow
        try:
            return tuple(parse_one(part) for part in parts)
        except ValueError as error:
            hints = [did_you_mean(part, known) for part in parts if part not in known]
            hint = next((f"; {hint}" for hint in hints if hint), "")
            raise ValueError(f"a list such as {example} ({error} in each place){hint}") from None

    return parse


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``did you mean A or B?``: those of the names ``known`` that are nearly ``given``; "" where none is.

    Nearly: at least 0.6 alike by ``difflib``, whatever the case, and hardly less than the nearest; three at the most.
    """
    word = given[:100].lower()  # nobody mistypes more, and the time taken grows with its square
    alike = {name: difflib.SequenceMatcher(None, name.lower(), word).ratio() for name in known}
    bound = max(0.6, max(alike.values(), default=0.0) - 0.1)
    near = sorted((name for name in alike if alike[name] >= bound), key=alike.__getitem__, reverse=True)
    return f"did you mean {' or '.join(near[:3])}?" if near else ""


def text_of(value: Any) -> str:
    """``value`` as a command line would have it."""
    if isinstance(value, tuple):
        return ",".join(part if isinstance(part, str) else f"{part:g}" for part in value)
    return f"{value}"


def flag_of(field: dataclasses.Field) -> str:
    """The command-line flag of a field."""
    return f"--{field.name}"


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line (its own are a usage text and an exit)."""

    hints: Mapping[str, str] = {}

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> argparse.Namespace:
        args = sys.argv[1:] if args is None else args
        for word in args:
            if not word.isprintable() and any(ord(sign) == 0 or 0xD800 <= ord(sign) <= 0xDFFF for sign in word):
                raise UserError(f"{word!a} is no text in UTF-8; write it in letters that are")
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            words = [word.partition("=")[0] for word in unknown if word.startswith("--")]
            hints = [self.hints.get(word) or did_you_mean(word, flags) for word in words]
            hint = next((f"; {hint}" for hint in hints if hint), "")
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if hint := did_you_mean(str(value), map(str, action.choices or ())):
                raise argparse.ArgumentError(action, f"{error.message}; {hint}") from None
            raise

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)  # argparse's own says nothing where it cannot be written

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(flushed(status), message)

    def error(self, message: str) -> NoReturn:
        link = " See" if message.endswith("?") else "; see"
        raise UserError(f"{message}{link} {self.prog} --help")


def parser_for(
    options: type | Sequence[type], prog: str, description: str, epilog: str | None = None,
    defaults: Mapping[str, Any] | None = None, hints: Mapping[str, str] | None = None,
) -> argparse.ArgumentParser:  # fmt: skip
    """A command-line parser with one flag per field of the dataclass (or dataclasses) ``options``, under its heading.

    ``prog`` is the command as one types it: ``python -m data_prep``. Flags not given keep the field's default, or the
    one in ``defaults``; ``hints`` say what an unknown flag is. Raises ``UserError`` on parsing where argparse would
    print its usage and exit; ``--help`` still prints and exits 0.
    """
    parser = _Parser(
        prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.hints = hints or {}
    headings: dict[str, Any] = {}
    kinds = [options] if isinstance(options, type) else options
    for field in (field for kind in kinds for field in dataclasses.fields(kind)):
        heading = field.metadata["heading"]
        if heading not in headings:
            headings[heading] = parser.add_argument_group(heading)
        _add(headings[heading], field, (defaults or {}).get(field.name, field.default))
    return parser


def _add(heading: Any, field: dataclasses.Field, default: Any) -> None:
    about = field.metadata
    if field.default is False:
        heading.add_argument(flag_of(field), action="store_true", default=default, help=about["help"])
        return
    shown = "" if default in (None, ()) else f" (default: {text_of(default)})"
    heading.add_argument(
        flag_of(field),
        type=_argparse_type(about["parse"]),
        choices=about.get("choices"),
        default=default,
        metavar=about.get("metavar") or (None if about.get("choices") else field.name.upper()),
        help=about["help"].replace("%", "%%") + shown,
    )


def _argparse_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} was given, expected {error}") from None

    return read


def parsed(options: type[T], parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> T:
    """The dataclass ``options`` filled from the command line ``argv`` (``sys.argv`` when None)."""
    return as_options(options, parser.parse_args(argv))


def as_options(options: type[T], given: argparse.Namespace) -> T:
    """The dataclass ``options`` from a parsed command line, which may hold more than its fields."""
    return options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(options)})


def as_argv(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """The shortest command line that gives ``values`` back: those that differ from the ``defaults``."""
    argv: list[str] = []
    for name, value in values.items():
        if value == defaults[name]:
            continue
        argv.append(f"--{name}")
        if value is not True:
            argv.append(text_of(value))
    return argv
