"""`expunged check` on 10,000 rules in 500 files, and on as many that are wrong; called by `run --what check`."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import rules as planted

# What the project promises, on a machine with two cores.
MOST_SECONDS = 1.0
MOST_MEMORY_MIB = 100
# A file with mistakes is not read more often than a good one. Time and memory are those of the messages, and text stays readable.
MOST_SECONDS_WRONG = 5.0
MOST_MEMORY_MIB_WRONG = 300
MOST_BYTES_WRONG = 200_000


def check(binary, directory):
    """Seconds, peak memory in MiB, exit status, and what was printed."""
    begun = time.perf_counter()
    child = subprocess.Popen([binary, "--config", directory / "none.toml", "check", "--rules", directory],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begun, usage.ru_maxrss / 1024, child.returncode, printed


def measure(binary, rules, files, rounds):
    missed = []
    with tempfile.TemporaryDirectory() as name:
        for wrong, expected in ((None, 0), ("text", 65), ("promises", 65)):
            directory = pathlib.Path(name) / (wrong or "good")
            _, size = planted.plant(directory, rules, files, wrong)
            seconds, memory, most_printed = [], [], 0
            for _ in range(rounds):
                took, peak, status, printed = check(binary, directory)
                assert status == expected, f"exit {status}, expected {expected}: {printed[-2000:].decode()}"
                if wrong is None:
                    last = printed.decode().rstrip().rsplit("\n", 1)[-1]
                    assert f"by {rules} rules of {files} services" in last, last
                seconds.append(took)
                memory.append(peak)
                most_printed = max(most_printed, len(printed))
                print(json.dumps({"wrong": wrong, "seconds": round(took, 3), "peak_mib": round(peak, 1), "printed": len(printed)}))
            # The best of the rounds: what disturbs a run only ever makes it slower.
            best, peak = min(seconds), max(memory)
            print(f"{rules} rules in {files} files, {size / 2**20:.1f} MiB, {f'wrong in their {wrong}' if wrong else 'right'}: "
                  f"{best:.2f} s, peak memory {peak:.0f} MiB")
            bars = (MOST_SECONDS, MOST_MEMORY_MIB) if wrong is None else (MOST_SECONDS_WRONG, MOST_MEMORY_MIB_WRONG)
            if best > bars[0]:
                missed.append(f"{best:.3f} s, the bar is {bars[0]} s")
            if peak > bars[1]:
                missed.append(f"peak memory {peak:.1f} MiB, the bar is {bars[1]} MiB")
            if wrong and most_printed > MOST_BYTES_WRONG:
                missed.append(f"{most_printed} bytes printed, the bar is {MOST_BYTES_WRONG}")
    return missed
