"""The benchmark's command: ``python -m bench``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench import report
from bench.engine import ContainerFailedError
from bench.fronts import WrongAnswerError
from bench.run import STAGES, prepare, run_stages, tell
from bench.scale import FULL, QUICK
from bench.session import ImagesMissingError, open_session
from executor_server.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.results import Results

_FOLDER = Path(__file__).parent
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and return its exit code: 0 measured, 1 could not, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        uvloop.run(_run(arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        tell("\ninterrupted: everything that was started is gone again")
        return _INTERRUPTED
    except (EngineError, ImagesMissingError, ContainerFailedError, WrongAnswerError) as failure:
        sys.stderr.write(f"bench: {failure}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the service beside what it is compared with, in one run.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="stages:\n" + "\n".join(f"  {name:<12}{text}" for name, (text, _) in STAGES.items()),
    )
    parser.add_argument("--quick", action="store_true", help="few samples: minutes, not hours")
    parser.add_argument(
        "--only", action="append", choices=STAGES, metavar="STAGE", help="this stage; repeatable"
    )
    parser.add_argument(
        "--languages", type=lambda text: text.split(","), default=[], metavar="A,B", help="these"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of results.json and plots/; else this package for a whole run, and its folder "
        "partial for any other",
    )
    return parser


async def _run(arguments: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    partial = bool(arguments.quick or arguments.only or arguments.languages)
    folder = arguments.out or (_FOLDER / "partial" if partial else _FOLDER)
    scale = QUICK if arguments.quick else FULL
    async with open_session(scale, arguments.languages) as session:
        results = await prepare(session, partial=partial)
        names = [name for name in STAGES if not arguments.only or name in arguments.only]
        try:
            await run_stages(session, results, names)
        except BaseException:
            # Hours of figures are not thrown away for what came after them.
            _finish(results, _FOLDER / "partial")
            raise
        _finish(results, folder)


def _finish(results: Results, folder: Path) -> None:
    tell("\nthe bar")
    tell(report.bar_lines(results))
    report.write(results, folder)
    tell(f"\n{results.seconds / 60:.1f} min; figures and plots are in {folder}")


if __name__ == "__main__":
    sys.exit(main())
