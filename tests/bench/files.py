"""A sweep of files against `find … -delete` on the same tree, in the same run, interleaved; called by `run --what files`."""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import world

# The bar: the rate of `find`, which syncs nothing and proves nothing, and what the sweep's process holds at most.
LEAST_RATIO = 1.0
MOST_MEMORY_MIB = 64
DIRECTORIES = 4096
OLD, NEW = 86_400, 1_000_000_000  # 1970-01-02 and 2001-09-09: due after 50 years, and not
CUT = "2000-01-01"

EVERYTHING = 'pattern = "**"\ntrigger = { file = "modified" }'


def plant(tree, files):
    """Half of the files of every directory are old."""
    content = b"x" * 4096
    for number in range(min(DIRECTORIES, files)):
        directory = tree / f"{number // 16:03x}" / f"{number % 16:x}"
        directory.mkdir(parents=True)
        fd = os.open(directory, os.O_RDONLY)
        for at in range(number, files, DIRECTORIES):
            name = f"{at}.pdf"
            with open(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd), "wb") as file:
                file.write(content)
            when = OLD if (at // DIRECTORIES) % 2 == 0 else NEW
            os.utime(name, (when, when), dir_fd=fd)
        os.close(fd)
    os.chmod(tree, 0o755)
    os.sync()


def left(tree):
    return sum(len(names) for _, _, names in os.walk(tree))


def find(directory, files):
    tree = directory / "find"
    plant(tree, files)
    begun = time.perf_counter()
    subprocess.run(["find", tree, "-type", "f", "!", "-newermt", CUT, "-delete"], check=True)
    return time.perf_counter() - begun, left(tree), tree


def sweep(binary, directory, files):
    datastore = 'kind = "files"\nroot = "tree"'
    made = world.World(binary, directory / "world", datastore, EVERYTHING, retain="50 years", delete_by="200 years")
    plant(made.directory / "tree", files)
    said, seconds, usage = made.sweep()
    return seconds, left(made.directory / "tree"), usage.ru_maxrss / 1024, said["ledger_wait_seconds"]


def measure(binary, files, rounds):
    ratios, memory = [], []
    for _ in range(rounds):
        # On a real disk: a directory in memory has nothing to sync.
        with tempfile.TemporaryDirectory(dir=os.environ.get("EXPUNGED_BENCH_DIR")) as name:
            directory = pathlib.Path(name)
            base, stays, _ = find(directory, files)
            seconds, kept, peak, wait = sweep(binary, directory, files)
            assert kept == stays, f"the sweep left {kept} files, find {stays}"
        ratios.append(base / seconds)
        memory.append(peak)
        print(json.dumps({"find_s": round(base, 3), "sweep_s": round(seconds, 3), "ratio": round(base / seconds, 3),
                          "peak_mib": round(peak, 1), "ledger_share": round(wait / seconds, 3)}))
    print(f"files {files}, half due: ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}), "
          f"peak memory {max(memory):.0f} MiB")
    missed = []
    if statistics.median(ratios) < LEAST_RATIO:
        missed.append(f"ratio {statistics.median(ratios):.3f}, the bar is {LEAST_RATIO}")
    if max(memory) > MOST_MEMORY_MIB:
        missed.append(f"peak memory {max(memory):.1f} MiB, the bar is {MOST_MEMORY_MIB} MiB")
    return missed
