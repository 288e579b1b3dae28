"""Finds the verb, runs it, and turns every way to fail into one message and one exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import typer
import typer.core
import typer.exceptions
import typer.main

from roost.cli.main import VERBS, Verb, help_page
from roost.model.errors import InvalidInput, RoostError, Unavailable

DONE, FAILED, USAGE, COULD_NOT_CHECK, INTERRUPTED = 0, 1, 2, 3, 130
SETTINGS: dict[str, Any] = {"help_option_names": ["--help", "-h"]}


class LazyGroup(typer.core.TyperGroup):
    """All verbs by name; a verb's module is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help page."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the verb."""
        del ctx
        if cmd_name not in VERBS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(VERBS[cmd_name])
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Name the nearest verb when there is none of that name."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise InvalidInput(f"There is no verb {args[0]!r}.", hint=_nearest(args[0]))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The same page as without importing anything."""
        del ctx
        formatter.write(help_page() + "\n")


def run(words: Sequence[str]) -> int:
    """Run what was typed and return the exit code."""
    try:
        code = _command().main([*words], prog_name="roost", standalone_mode=False)
        sys.stdout.flush()
        return int(code or DONE)
    except RoostError as error:
        return explain(error)
    except typer.exceptions.TyperException as error:
        return _explain_usage(error)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `roost ... | head`: whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def explain(error: RoostError) -> int:
    """Say what went wrong and what to do next; returns the exit code."""
    message = error.message
    if error.subject and error.subject not in message:
        message = f"{message.rstrip('.')} ({error.subject})."
    if error.field and error.field not in message:
        message = f"{error.field}: {message}"
    print(f"error: {message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    if isinstance(error, InvalidInput):
        return USAGE
    return COULD_NOT_CHECK if isinstance(error, Unavailable) else FAILED


def _explain_usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if not message or message.startswith("Usage:"):  # a group without a verb shows its page
        print(message or (context.get_help() if context is not None else help_page()), file=sys.stderr)
        return int(error.exit_code)
    print(f"error: {message.replace('Value error, ', '')}", file=sys.stderr)
    if context is not None:
        print(f"hint: See `{context.command_path} --help`.", file=sys.stderr)
    return int(error.exit_code)


def _command() -> Any:
    app = typer.Typer(name="roost", cls=LazyGroup, rich_markup_mode=None, context_settings=SETTINGS)
    app.callback()(_no_options)
    return typer.main.get_command(app)


def _no_options() -> None:
    """Workspaces and Dask clusters, and what they cost."""


def _load(verb: Verb) -> Any:
    module, attribute = verb.target.split(":")
    target: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
    if not isinstance(target, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(verb.name, context_settings=SETTINGS)(target)
        target = alone
    command = typer.main.get_command(target)
    command.name = verb.name
    return command


def _nearest(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, VERBS, n=1)
    return f"Did you mean `roost {near[0]}`?" if near else "See `roost --help`."
