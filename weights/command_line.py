"""What the scripts of this folder share: errors, exit codes of sysexits, which Python runs."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

SYSTEM_PYTHON = "/usr/bin/python3"


class Failure(Exception):
    """An error that is the user's to mend: it becomes one line on stderr and the exit code."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line the way Ember's programs do."""

    def error(self, message: str) -> NoReturn:
        raise Failure(os.EX_USAGE, f"{message} (see --help)")


def one_line(error: object) -> str:
    return " ".join(str(error).split())


def note(message: str) -> None:
    print(f"note: {one_line(message)}", file=sys.stderr)


def run(main: Callable[[], None]) -> NoReturn:
    """Calls `main`. SIGTERM unwinds as Ctrl-C does, so that temporary files are removed."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        main()
    except Failure as failure:
        print(f"error: {one_line(failure)}", file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(os.EX_OK)


def require(*modules: str) -> None:
    """Makes sure that `modules` can be imported. A `python3` of the user's own (pyenv, conda, a
    virtual environment) may lack them where the system's has them: then the script starts over."""
    try:
        for module in modules:
            importlib.import_module(module)
        return
    except ImportError:
        pass
    probe = [SYSTEM_PYTHON, "-c", f"import {', '.join(modules)}"]
    if os.path.exists(SYSTEM_PYTHON) and subprocess.run(probe, capture_output=True).returncode == 0:
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    packages = " ".join(f"python3-{module}" for module in modules)
    print(f"error: Python finds no {' and '.join(modules)}: apt install {packages}, "
          f"or pip install {' '.join(modules)}", file=sys.stderr)
    sys.exit(os.EX_UNAVAILABLE)


def input_file(name: str) -> Path:
    path = Path(name)
    try:
        path.open("rb").close()
    except OSError as error:
        raise Failure(os.EX_NOINPUT, f"cannot read {path}: {error.strerror}") from error
    return path


def output_file(name: str, *sources: Path) -> Path:
    """The path of a weights file to write, which is none of `sources`."""
    path = Path(name)
    if path.suffix != ".safetensors":
        raise Failure(os.EX_USAGE, f"{path}: the output is a .safetensors file, name it so")
    if not path.parent.is_dir():
        raise Failure(os.EX_CANTCREAT, f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and any(path.samefile(source) for source in sources):
        raise Failure(os.EX_USAGE, f"{path}: this is the source file itself, give another output")
    return path
