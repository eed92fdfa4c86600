"""Swaps directories for symbolic links into another tree and back, as fast as it can, until its input ends."""
import os
import sys
import threading

root, victim, side = sys.argv[1:4]
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()

targets = [(f"{root}/d{i}", f"{victim}/d{i}") for i in range(4)]
targets += [(f"{root}/d{i}/fixed", f"{victim}/d{i}/fixed") for i in range(4)]
links = []
for number, (_, outside) in enumerate(targets):
    link = f"{side}/link-{number}"
    os.symlink(outside, link)
    links.append(link)

swaps = 0
while not over.is_set():
    # Inner directories first: while an outer one is a link, a path through it would lead into the victim.
    for number in reversed(range(len(targets))):
        directory, away = targets[number][0], f"{side}/away-{number}"
        os.rename(directory, away)
        os.rename(links[number], directory)
        os.rename(directory, links[number])
        os.rename(away, directory)
        swaps += 1
print(swaps)
