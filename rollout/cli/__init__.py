"""The command line. One file per command; a command's module is imported only when it is used."""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "init": "Write a commented plan, an example inventory and the playbooks.",
    "validate": "Check a plan and its inventory; report every mistake.",
    "schema": "Print the JSON Schema of a plan, for editors.",
    "plan": "Show which host is upgraded when, and what is not touched.",
    "show": "Show a saved plan.",
    "diff": "Show what differs between two plans, or a saved plan and now.",
    "graph": "Draw the waves of a plan, and what waits for what.",
    "apply": "Carry out a plan, or carry on with the run of it.",
    "resume": "Carry on with the newest run.",
    "amend": "Let a run go on with a plan that has changed.",
    "rehearse": "Carry out a plan on imagined hosts, in no time.",
    "simulate": "Tell how a plan would go, with defects, stragglers and crashes.",
    "status": "Show where the run stands.",
    "report": "Tell how a run went, or goes, for whoever was not there.",
    "watch": "Watch a run from anywhere, until it ends.",
    "why": "Say where a host is, and what it waits for.",
    "hosts": "List the hosts of the run.",
    "events": "List what has happened.",
    "failures": "Group what has failed by its cause.",
    "risks": "List known errors, and try them on failures that happened.",
    "pause": "Begin nothing more until `resume`.",
    "approve": "Let a plan begin, or what comes after a rung.",
    "promote": "End the soak now: ask the gates at once.",
    "skip": "Leave out a host that has not begun.",
    "abort": "End the run; what has begun comes to a safe point.",
    "gate": "Ask one gate now, waive one, or write a new kind.",
    "retry": "Let a held host try again.",
    "resolve": "Say what became of a held host.",
    "retire": "Take a host out of the run.",
    "rollback": "Take back what was done to hosts.",
    "unlock": "Take a run from a controller that is dead and cannot be seen.",
    "compat": "Check compatibility files, or write one out of Leapp's list.",
    "doctor": "Look at this machine, and at what a plan needs of it.",
    "ci": "What GitLab pipelines need: a note, a check of jobs, buttons.",
    "lab": "Real SSH hosts on this machine, with faults.",
}
"""The commands and their one-line help, known without importing any of them. Each is a module of this package."""

USAGE, DEFECT, INTERRUPTED = 64, 1, 130

CARRYING = ("apply", "resume", "rehearse")
"""Commands that carry a run. Cut off by a closed output they have not done what was asked, and 0 would say so."""


class Commands(click.Group):
    """Imports a command when it is called for, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"rollout.cli.{cmd_name}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"rollout.cli.{cmd_name} has no click command named `command`")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else " `rollout --help` lists the commands."
            ctx.fail(f"there is no command {_harmless(args[0])}.{hint}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"rollout {version('rollout')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--traceback", is_flag=True, help="Show where in the code an error arose (or ROLLOUT_TRACEBACK=1)."
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def command(traceback: bool) -> None:
    """Upgrade the operating system of a fleet of hosts without watching.

    Exit codes: 0 done, 1 error, 2 a plan has changes, 3 halted: a person is needed, 4 finished with
    hosts held, 5 locked by another controller, 6 the plan is stale, 7 approval is missing,
    8 not now, 64 usage, 65 the plan has mistakes, 75 its time was used up: run again, 130 or 143 stopped safely.
    """
    if traceback:
        os.environ["ROLLOUT_TRACEBACK"] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit code. Every error becomes one message on stderr."""
    _open_what_is_closed()
    _take_every_character()
    words = sys.argv[1:] if arguments is None else arguments
    code: Any = None
    try:
        code = command.main(args=arguments, prog_name="rollout", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return _then(words, USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the second is what click makes of the first
        return _reader_gone(words, code)
    except Exception as error:  # noqa: BLE001  the edge: whatever it is becomes a message and an exit code
        return _then(words, _said(error))
    return code if isinstance(code, int) else 0


def _open_what_is_closed() -> None:
    """After `>&-` there is no stdout, and the next file that is opened would take its number: a journal, say."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  it lives as long as we


def _take_every_character() -> None:
    """What a host says need not fit into the encoding of whoever reads us, and must not end a run."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _then(words: Sequence[str], code: int) -> int:
    """The last line of a GitLab job says what to do next, after an error, too."""
    if os.environ.get("GITLAB_CI") == "true" and _name(words) in {"apply", "resume"}:
        from rollout.report.gitlab_log import after_error

        click.echo(after_error(code), err=True)
    return code


def _name(words: Sequence[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _said(error: Exception) -> int:
    from rollout.errors import RolloutError

    if os.environ.get("ROLLOUT_TRACEBACK"):
        from traceback import print_exception

        print_exception(error)
    if isinstance(error, RolloutError):
        positions = hasattr(error, "problems")  # editors read FILE:LINE:COLUMN at the start of a line
        click.echo(_harmless(f"{'' if positions else 'rollout: '}{error}"), err=True)
        return error.exit_code
    sentence = f"{type(error).__name__}: {error}"
    whose = "" if isinstance(error, OSError) else "this is a defect in rollout: "  # a full disk is not ours
    click.echo(
        f"rollout: {whose}{_harmless(sentence)}; run again with --traceback: rollout --traceback ...",
        err=True,
    )
    return DEFECT


def _harmless(text: str) -> str:
    """Messages of several lines stay so; nothing else in them acts on the terminal."""
    from rollout.report.plain import plain

    return "\n".join(plain(line, 10_000) for line in text.split("\n"))


def _reader_gone(words: Sequence[str], code: object) -> int:
    """Whoever read our output has closed it: no error for `rollout events | head`, but for a run that was to be carried."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(code, int):  # it had ended; only the last of its words were lost
        return code
    name = _name(words)
    if name not in CARRYING:
        return 0
    click.echo(f"rollout: the output of `rollout {name}` was closed before it had ended", err=True)
    return DEFECT
