"""A sweep of MariaDB against one plain DELETE over the same rows, and against pt-archiver: a private server in its default
configuration, whose files are the same bytes before every run."""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import world

LOAD = """
create database bench; use bench;
create table account_upload(id bigint not null primary key, account_id bigint not null, filename varchar(255) not null, sha256 varbinary(32) not null,
  size bigint not null, uploaded_at datetime not null, payload text) engine=innodb default charset=utf8mb4;
insert into account_upload select seq, (seq*7919) %% 100000, concat('upload_', seq, '_scan.pdf'), unhex(sha2(seq, 256)), (seq*31) %% 10000000,
  if(seq <= %(rows)d / 2, timestampadd(second, seq * 20, '2024-01-01'), timestampadd(second, seq %% 86400, utc_timestamp() - interval 20 day)),
  rpad(concat(md5(seq), md5(seq+1), md5(seq+2)), 200, md5(seq+3)) from seq_1_to_%(rows)d;
create index account_upload_uploaded_at on account_upload(uploaded_at);
analyze table account_upload;
"""
DUE = "uploaded_at < utc_timestamp() - interval 62 day"

# pt-archiver's time over that of the sweep, as the issue that built this asked; and what the sweep's process holds at most.
LEAST_AGAINST_ARCHIVER, MOST_MEMORY_MIB = 1.2, 48


class Server:
    """A private server."""

    def __init__(self, directory):
        self.directory, self.data, self.saved = directory, directory / "data", directory / "saved"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        directory.chmod(0o755)
        self.data.mkdir()
        shutil.chown(self.data, "mysql", "mysql")
        # Temporary tables at a place of their own: a server that starts removes those of others, and one that runs dies of it.
        self.own = ["--no-defaults", "--user=mysql", f"--datadir={self.data}", f"--tmpdir={self.data}", "--skip-name-resolve"]
        subprocess.run(["mariadb-install-db", *self.own, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.process = subprocess.Popen(
            ["mariadbd", *self.own, f"--port={self.port}", "--bind-address=127.0.0.1",
             f"--socket={self.data / 'socket'}", f"--pid-file={self.data / 'pid'}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if subprocess.run(self.client("select 1"), capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit("MariaDB does not start")

    def client(self, statement, database=""):
        return ["mariadb", "--no-defaults", "-N", "-h", "127.0.0.1", "-P", str(self.port), "-u", "root", "-e", statement, *([database] if database else [])]

    def run(self, statement, database=""):
        return subprocess.run(self.client(statement, database), check=True, capture_output=True, text=True).stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def save(self):
        self.stop()
        subprocess.run(["cp", "-a", self.data, self.saved], check=True)

    def restore(self):
        """The same bytes as at the first run, and the table in the system's cache."""
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", self.saved, self.data], check=True)
        os.sync()
        self.start()
        self.run("select count(*), avg(length(payload)) from account_upload", "bench")


def plain(server):
    server.run(f"delete from account_upload where {DUE}", "bench")
    return {}


def archiver(server):
    subprocess.run(["pt-archiver", "--source", f"h=127.0.0.1,P={server.port},u=root,D=bench,t=account_upload", "--purge", "--bulk-delete",
                    "--limit", "10000", "--commit-each", "--no-check-charset", "--no-version-check", "--where", DUE],
                   check=True, stdout=subprocess.DEVNULL)
    return {}


def sweep(binary, server, directory, batch):
    datastore = f'kind = "mariadb"\nurl = "mariadb://root@127.0.0.1:{server.port}/bench"'
    made = world.World(binary, directory / "world", datastore, world.table(', time_zone = "UTC"'), batch=batch)

    def run():
        said, _, usage = made.sweep()
        return {"disposed": said["disposed"], "peak_mib": usage.ru_maxrss / 1024, "ledger_share": said["ledger_wait_seconds"]}

    return run


def measure(binary, rows, rounds, batch):
    if shutil.which("pt-archiver") is None:
        raise SystemExit("pt-archiver is missing: apt-get install percona-toolkit")
    with tempfile.TemporaryDirectory(prefix="expunged-bench-") as name:
        directory = pathlib.Path(name)
        server = Server(directory)
        server.start()
        try:
            server.run(LOAD % {"rows": rows})
            due = int(server.run(f"select count(*) from account_upload where {DUE}", "bench"))
            server.save()
            server.start()
            return rounds_of(binary, server, directory, (rows, due), rounds, batch)
        finally:
            server.stop()


def rounds_of(binary, server, directory, sizes, rounds, batch):
    rows, due = sizes
    methods = {"plain": lambda: lambda: plain(server), "sweep": lambda: sweep(binary, server, directory, batch), "pt-archiver": lambda: lambda: archiver(server)}
    took = {name: [] for name in methods}
    for _ in range(rounds):
        for name, prepare in methods.items():
            server.restore()
            run = prepare()
            begun = time.perf_counter()
            said = run()
            said["seconds"] = time.perf_counter() - begun
            left = int(server.run("select count(*) from account_upload", "bench"))
            if left != rows - due:
                raise SystemExit(f"{name} left {left} rows, expected {rows - due}")
            took[name].append(said)
            print(json.dumps({"method": name, **{key: round(value, 3) for key, value in said.items()}}), flush=True)
    return report(rows, due, took)


def report(rows, due, took):
    median = lambda name: statistics.median(run["seconds"] for run in took[name])
    against = median("pt-archiver") / median("sweep")
    peak = max(run["peak_mib"] for run in took["sweep"])
    ledger = statistics.median(run["ledger_share"] / run["seconds"] for run in took["sweep"])
    print(f"{rows} rows, {due} due: ratio {median('plain') / median('sweep'):.2f}, {against:.2f} x pt-archiver, peak memory {peak:.0f} MiB, "
          f"waiting for the ledger {ledger:.0%}")
    missed = []
    if against < LEAST_AGAINST_ARCHIVER:
        missed.append(f"{against:.2f} x pt-archiver, the bar is {LEAST_AGAINST_ARCHIVER}")
    if peak > MOST_MEMORY_MIB:
        missed.append(f"peak memory {peak:.1f} MiB, the bar is {MOST_MEMORY_MIB}")
    return missed
