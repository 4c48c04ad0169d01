"""One command as a process: wall clock, processor time, and the most memory of it and its children together."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# A peak shorter than this may be missed; one sample costs about a millisecond.
LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Finished:
    """What a process came to.

    Attributes:
        processor_seconds: of it and of the children that it waited for.
        peak_bytes: resident memory of the whole tree, shared pages counted each time.
    """

    code: int
    talk: str
    seconds: float
    processor_seconds: float
    peak_bytes: int


def run_measured(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Finished:
    """Runs the command in `folder` and waits for it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as talk:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=talk, stderr=subprocess.STDOUT
        )
        peaks = [0]
        ended = threading.Event()
        looking = threading.Thread(target=_look, args=(process.pid, peaks, ended))
        looking.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            seconds = time.perf_counter() - started
            process.kill()
            ended.set()
            looking.join()
        talk.seek(0)
        spent = usage.ru_utime + usage.ru_stime
        return Finished(process.returncode, talk.read(), seconds, spent, peaks[0])


def _look(process_id: int, peaks: list[int], ended: threading.Event) -> None:
    try:
        root = psutil.Process(process_id)
    except psutil.NoSuchProcess:
        return
    while not ended.is_set():
        try:
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        peaks[0] = max(peaks[0], sum(_resident(process) for process in tree))
        ended.wait(LOOK_EVERY_SECONDS)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended between being listed and being asked
        return 0
