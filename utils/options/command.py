"""The command line of a run: ``--model`` is read first, then only that model's flags are."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from utils.models import MODELS
from utils.options.run import DEFAULT_MODEL, ModelChoice, RunOptions, defaults_of, fields_of, parts_of
from utils.system.command_line import parser_for


def run_parser(
    argv: Sequence[str] | None, prog: str, description: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """A parser with the flags of the model that ``argv`` (None: ``sys.argv``) names; others' are refused by name."""
    model, preset = _named_in(sys.argv[1:] if argv is None else argv)
    data, *others = parts_of(model).values()
    owners: dict[str, list[str]] = {}
    for other in MODELS:
        for name in fields_of(other).keys() - fields_of(model).keys():
            owners.setdefault(f"--{name}", []).append(other)
    hints = {flag: f"it is a flag of {_listed(others)}, not of {model}" for flag, others in owners.items()}
    return parser_for([data, ModelChoice, *others], prog, description, epilog, defaults_of(model, preset), hints)


def options_in(given: argparse.Namespace) -> RunOptions:
    """The options of a command line parsed by :func:`run_parser`, which may hold more.

    A flag that is legal and changes nothing is told on stderr.
    """
    options = RunOptions(**{name: getattr(given, name) for name in ("model", *fields_of(given.model))})
    values, defaults = options.values(), defaults_of(given.model)
    for name, reason in options.model.unused.items():
        if values[name] != defaults[name]:
            print(f"--{name} is ignored: {reason}", file=sys.stderr)
    return options


def parsed_run(argv: Sequence[str] | None, prog: str, description: str = "", epilog: str | None = None) -> RunOptions:
    """The options on the command line ``argv``; ``UserError`` says in a line what is wrong with it."""
    return options_in(run_parser(argv, prog, description, epilog).parse_args(argv))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _named_in(argv: Sequence[str]) -> tuple[str, str | None]:
    """The model and the preset that a command line names, which decide the defaults of other flags.

    The default and None where it names none that is known: the parser itself tells then.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--model", default=DEFAULT_MODEL)
    first.add_argument("--preset")
    with contextlib.suppress(argparse.ArgumentError):
        named = first.parse_known_args(argv)[0]
        if named.model in MODELS:
            known = MODELS[named.model].options.presets
            return named.model, named.preset if named.preset in known else None
    return DEFAULT_MODEL, None
