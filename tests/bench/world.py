"""The world of a sweep that is measured: a configuration, a rule on uploads, and the sweep as a process of its own."""

import json
import os
import shutil
import subprocess
import time

CONFIG = """
rules = "rules"
state = "sqlite://state.db"

[ledger]
origin = "bench.example.com/ledger"
key = { file = "ledger.key" }
keys = "keys"

[defaults]
rows_per_second = %s
batch = %d

[datastore.uploads]
%s
"""

RULES = """
[service]
name = "Uploads"
owner = "bench@example.com"
time_zone = "Europe/Berlin"

[[promise]]
id = "uploads"
text = "Uploads are gone in time."
source = "benchmark"
trigger = "uploaded"
no_later_than = "%(delete_by)s"
covers = ["upload"]

[[rule]]
id = "upload"
class = "upload"
keeps = ["uploads"]
datastore = "uploads"
%(records)s
retain = "%(retain)s"
delete_by = "%(delete_by)s"
schedule = "0 0 * * * *"
%(action)s
"""


def table(trigger=""):
    """The records of a rule on the table that every engine has; `trigger`: what its type needs."""
    return f'table = "account_upload"\nkey = ["id"]\ntrigger = {{ column = "uploaded_at"{trigger}, pending = ["future"] }}'


class World:
    """A fresh directory with a key, a configuration and one rule."""

    def __init__(self, binary, directory, datastore, records, action='action = "delete"', retain="2 months", delete_by="3 months", batch=2000, pace='"unlimited"'):
        self.directory, self.command = directory, [binary, "--config", directory / "expunged.toml"]
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "rules").mkdir(parents=True)
        rules = RULES % {"records": records, "action": action, "retain": retain, "delete_by": delete_by}
        (directory / "rules" / "uploads.toml").write_text(rules)
        (directory / "expunged.toml").write_text(CONFIG % (pace, batch, datastore))
        subprocess.run([*self.command, "key", "generate", directory / "ledger.key"], check=True, capture_output=True)
        # As everywhere before a first sweep of so much: it parks, and somebody approves.
        subprocess.run([*self.command, "sweep"], capture_output=True)
        subprocess.run([*self.command, "approve", "uploads/upload", "--up-to", "1000000000"], check=True, capture_output=True)

    def sweep(self):
        """What the sweep says of the rule, its seconds from the process's start to its end, and what the process used."""
        begun = time.perf_counter()
        child = subprocess.Popen([*self.command, "--format", "json", "sweep"], stdout=subprocess.PIPE, text=True)
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        if status != 0:
            raise SystemExit(f"the sweep ended with status {status}: {out}")
        return json.loads(out)["rules"][0], seconds, usage
