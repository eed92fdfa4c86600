"""A sweep of PostgreSQL against one plain DELETE over the same rows, and against what people write themselves: a private server with
its default configuration, fsync on; every run starts from a byte-identical copy of the same database."""

import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import world

ROOT = pathlib.Path(__file__).resolve().parents[2]

DELETE = 'action = "delete"'
PSEUDONYMIZE = """action = "pseudonymize"
columns = { account_id = "null", filename = "random", payload = { fixed = "gone" } }
mark = "pseudonymized_at"
"""

# Due: the first part of them, by the heap's order or by none. What is not due is of the last three weeks. As uploads are that take their
# time: in order but for an hour in half a year, as in the peers' benchmarks.
LOAD = """
set synchronous_commit = off;
create table account_upload(id bigint not null, account_id bigint, filename text not null, sha256 bytea not null, size bigint not null,
  uploaded_at timestamptz not null, payload text, pseudonymized_at timestamptz);
insert into account_upload
select i, (i*7919) %% 100000, 'upload_' || i || '_scan.pdf', sha256(int8send(i)), (i*31) %% 10000000,
  case when pos < %(share)s then '2024-01-01'::timestamptz + pos / %(share)s * interval '500 days'
       else now() - interval '20 days' + (pos - %(share)s) / (1 - %(share)s) * interval '19 days' end,
  rpad(md5(i::text) || md5((i+1)::text) || md5((i+2)::text), 200, md5((i+3)::text))
from (select i, %(pos)s as pos from generate_series(1::bigint, %(rows)s) i) as numbered;
alter table account_upload add primary key (id);
create index account_upload_uploaded_at on account_upload(uploaded_at);
vacuum (freeze, analyze) account_upload;
checkpoint;
"""
POSITION = {"ordered": "(i - 1)::float8 / {rows} + (hashint8(i)::float8 + 2147483648) / 4294967296 / (180 * 24)",
            "shuffled": "((i*2654435761) % 4294967296)::float8/4294967296"}
# What points to the rows: none does, and the server looks for each that goes.
REFERENCED = ("create table note(id bigint primary key, upload bigint references account_upload)", "create index on note(upload)", "vacuum analyze note",
              "checkpoint")
DUE = "uploaded_at < now() - interval '62 days'"


class Accounts:
    """The kernel's accounts of a process and all that come of it, to the nanosecond: what has just ended is in no other yet, and of what still
    runs the others know whole hundredths of a second."""

    def __init__(self, of):
        name = f"expunged-bench-{os.getpid()}"
        if pathlib.Path("/sys/fs/cgroup/cpuacct").is_dir():
            self.group = pathlib.Path("/sys/fs/cgroup/cpuacct") / name
            self.read = lambda: int((self.group / "cpuacct.usage").read_text()) / 1e9
        else:
            self.group = pathlib.Path("/sys/fs/cgroup") / name
            self.read = lambda: int((self.group / "cpu.stat").read_text().split("usage_usec ", 1)[1].split()[0]) / 1e6
        self.group.mkdir()
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if of in (int(stat.parent.name), parent):
                (self.group / "cgroup.procs").write_text(stat.parent.name)

    def settled(self, session):
        """The same when the last such session has ended: it goes on for a while when its client has."""
        def title(process):
            try:
                return pathlib.Path("/proc", process, "cmdline").read_text()
            except OSError:
                return ""
        while any(session in title(process) for process in (self.group / "cgroup.procs").read_text().split()):
            time.sleep(0.001)
        return self.read()

    def close(self):
        while (self.group / "cgroup.procs").read_text():
            time.sleep(0.01)
        self.group.rmdir()


class Server:
    """A private server."""

    def __init__(self, directory):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        if not found:
            raise SystemExit("no PostgreSQL below /usr/lib/postgresql: apt-get install postgresql")
        self.bin, self.data = found[-1], directory / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        directory.chmod(0o755)
        self.data.mkdir()
        shutil.chown(self.data, "postgres", "postgres")
        self.as_postgres("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self.as_postgres("pg_ctl", "-D", self.data, "-l", self.data / "log", "-w", "-t", "120", "-o", options, "start")
        self.accounts = Accounts(int((self.data / "postmaster.pid").read_text().splitlines()[0]))

    def as_postgres(self, program, *arguments):
        subprocess.run(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", self.bin / program, *arguments],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    def psql(self, database, *statements):
        commands = [word for statement in statements for word in ("-c", statement)]
        return subprocess.run([self.bin / "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                               "-U", "postgres", "-d", database, *commands], check=True, capture_output=True, text=True).stdout.strip()

    def stop(self):
        self.as_postgres("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        self.accounts.close()

    def copy(self, template):
        """A byte-identical copy under the name that every run uses, and nothing left to be written."""
        self.psql("postgres", "drop database if exists run with (force)", f"create database run template {template} strategy file_copy", "checkpoint")
        self.psql("run", "select count(*) from account_upload")

    def wal(self):
        return int(self.psql("postgres", "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))


def timed(server, run):
    """What a run took: on the clock, of the server's and the client's processors, and in the write-ahead log."""
    wal, cpu, begun = server.wal(), server.accounts.read(), time.perf_counter()
    said = run()
    took = {"seconds": time.perf_counter() - begun}
    took["server_cpu"] = server.accounts.settled(": postgres run ") - cpu
    took["wal"] = server.wal() - wal
    return {**took, **said}


def plain(server, *statements):
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    begun = used()
    server.psql("run", *statements)
    return {"client_cpu": used() - begun}


def sweep(binary, server, directory, batch, action, pace='"unlimited"'):
    datastore = f'kind = "postgres"\nurl = "postgres://postgres@127.0.0.1:{server.port}/run"'
    made = world.World(binary, directory / "world", datastore, world.table(), action, batch=batch, pace=pace)

    def run():
        said, _, usage = made.sweep()
        return {"rows": said["disposed"], "client_cpu": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024,
                "ledger_share": said["ledger_wait_seconds"], "longest_batch": said["longest_batch_seconds"]}

    return run


# A batch of a sweep that has come to know its table: read, and disposed of, in one snapshot.
BATCH = ("begin isolation level repeatable read; set local enable_seqscan = off; set local enable_indexscan = off",
         "select string_agg(int8send(c0) || timestamptz_send(c1), ''), count(*) from (select id as c0, uploaded_at as c1 from account_upload where {}) as b",
         "delete from account_upload where {}", "commit")


def statements(server, due, size=7500):
    """What a sweep's batches ask of the server, and nothing else: one psql, which makes nothing of it. The rest up to the bar is what there is for
    judge, proofs, intents and state, and for all that is asked once."""
    at = [server.psql("run", f"select uploaded_at from account_upload order by uploaded_at offset {n} limit 1") for n in range(size, due, size)]
    bounds = ["-infinity", *at, server.psql("run", "select now() - interval '62 days'")]
    of = [f"uploaded_at >= '{first}' and uploaded_at < '{end}'" for first, end in zip(bounds, bounds[1:])]
    return lambda: plain(server, "set jit = off", *(statement.format(stretch) for stretch in of for statement in BATCH))


def psql_loop(server, size):
    """What cron runs: one psql a batch."""
    batch = f"with gone as (delete from account_upload where ctid = any(array(select ctid from account_upload where {DUE} limit {size})) returning 1) select count(*) from gone"
    def run():
        rows = 0
        while True:
            gone = int(server.psql("run", batch))
            rows += gone
            if gone == 0:
                return {"rows": rows, "client_cpu": 0.0}
    return run


PSYCOPG = """
import sys, psycopg
rows, connection = 0, psycopg.connect(sys.argv[1], autocommit=False)
while True:
    with connection.cursor() as cursor:
        cursor.execute("select id from account_upload where " + sys.argv[2] + " limit 5000 for update skip locked")
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            break
        cursor.execute("delete from account_upload where id = any(%s)", (ids,))
        rows += cursor.rowcount
    connection.commit()
print(rows)
"""


def psycopg_loop(server, python):
    def run():
        dsn = f"host=127.0.0.1 port={server.port} user=postgres dbname=run"
        out = subprocess.run([python, "-c", PSYCOPG, dsn, DUE], check=True, capture_output=True, text=True).stdout
        return {"rows": int(out), "client_cpu": 0.0}
    return run


def with_psycopg():
    """A Python of its own below target/, with psycopg."""
    home = ROOT / "target" / "python-bench"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "psycopg[binary]"], check=True)
    return python


class Foreground:
    """An application beside what is measured: 400 transactions a second, whoever waits, half of them reads of one row that stays and half
    updates of one."""

    def __init__(self, server, directory, first, last):
        self.logs = directory / "foreground"
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir()
        scripts = []
        for name, statement in (("read", "select size, filename from account_upload where id = :id;"),
                                ("write", "update account_upload set size = size + 1 where id = :id;")):
            (self.logs / name).write_text(f"\\set id random({first}, {last})\n{statement}\n")
            scripts += ["-f", self.logs / name]
        self.process = subprocess.Popen(
            [server.bin / "pgbench", "-n", "-M", "prepared", "-c", "4", "-j", "1", "-R", "400", "-T", "600", *scripts, "-l", f"--log-prefix={self.logs}/log",
             "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(4)
        self.begun = time.time()

    def p99(self):
        """Milliseconds, of the transactions that were to begin since; it ends here."""
        ended = time.time()
        time.sleep(0.3)
        self.process.terminate()
        self.process.wait()
        took = []
        for log in self.logs.glob("log.*"):
            for line in log.read_text().splitlines():
                fields = line.split()
                if len(fields) >= 6 and fields[2].isdigit():
                    latency = int(fields[2]) / 1e6
                    if self.begun <= int(fields[4]) + int(fields[5]) / 1e6 - latency <= ended:
                        took.append(latency * 1000)
        return statistics.quantiles(took, n=100)[98]


def measure(binary, rows, rounds, batch, cases, peers):
    with tempfile.TemporaryDirectory(prefix="expunged-bench-") as name:
        directory = pathlib.Path(name)
        server = Server(directory)
        try:
            one = lambda case: {"latency": latency, "growth": growth}.get(case, throughput)(binary, server, directory, rows, rounds, batch, case, peers)
            return [missed for case in cases for missed in one(case)]
        finally:
            server.stop()


# The bars that the program is built to: time of the plain statement over time of the sweep; where a case says so, by processor time.
BARS = {"ordered": 0.55, "shuffled": 0.55, "one-percent": 0.5, "pseudonymize": 0.6, "referenced": 0.55}
MOST_WAL, MOST_MEMORY_MIB, MOST_LEDGER = 1.1, 48, 0.10
LEAST_AGAINST = {"psycopg": 3.0, "psql": 4.0}
# The 99th of a hundred waits of an application beside a sweep, over the same beside the plain statement; and the cost of a record in a
# table of twenty times the size.
MOST_LATENCY, MOST_GROWTH = 0.65, 1.15
LONGEST_BATCH_MS = 50
# What a configuration has that says nothing of it.
DEFAULT_PACE = "20000"
CASES = [*BARS, "latency", "growth"]


def latency(binary, server, directory, rows, rounds, batch, case, _peers):
    due = load(server, "ordered", 0.5, rows)
    methods = {"none": lambda: lambda: time.sleep(8) or {}, "plain": lambda: lambda: plain(server, f"delete from account_upload where {DUE}"),
               "sweep": lambda: sweep(binary, server, directory, batch, DELETE, DEFAULT_PACE),
               "unlimited": lambda: sweep(binary, server, directory, batch, DELETE)}
    took, longest_of = {name: [] for name in methods}, {name: [] for name in methods}
    for _ in range(rounds):
        for name, prepare in methods.items():
            server.copy("template_run")
            run, beside = prepare(), Foreground(server, directory, due + 1, rows)
            longest_of[name].append(run().get("longest_batch", 0.0) * 1000)
            took[name].append(beside.p99())
            print(json.dumps({"case": case, "method": name, "p99_ms": round(took[name][-1], 2), "longest_batch_ms": round(longest_of[name][-1], 1)}), flush=True)
    median = {name: statistics.median(all) for name, all in took.items()}
    # Of a round, the longest; of the rounds, the median: a disk that others keep busy has its moments.
    longest = {name: statistics.median(all) for name, all in longest_of.items()}
    ratio = {name: median[name] / median["plain"] for name in ("sweep", "unlimited")}
    print(f"{case}: {rows} rows, {due} due: p99 {median['none']:.2f} ms by itself, {median['plain']:.2f} ms beside the plain statement; beside the sweep "
          f"at its built-in pace {median['sweep']:.2f} ms ({ratio['sweep']:.2f} x), longest batch {longest['sweep']:.0f} ms; let loose "
          f"{median['unlimited']:.2f} ms ({ratio['unlimited']:.2f} x), longest batch {longest['unlimited']:.0f} ms")
    missed = [f"{case}: {ratio['sweep']:.2f} x, the bar is {MOST_LATENCY}"] if ratio["sweep"] > MOST_LATENCY else []
    return missed + ([f"{case}: longest batch {longest['sweep']:.0f} ms, the bar is {LONGEST_BATCH_MS}"] if longest["sweep"] > LONGEST_BATCH_MS else [])


def growth(binary, server, directory, rows, rounds, batch, case, _peers):
    """Of a table, and of one of twenty times the size: the sweep's time and the processors' over the records that went."""
    cost = {}
    for size in (rows, 20 * rows):
        due, took = load(server, "ordered", 0.5, size), []
        for _ in range(rounds):
            server.copy("template_run")
            run = timed(server, sweep(binary, server, directory, batch, DELETE))
            took.append((run["seconds"] / due, (run["server_cpu"] + run["client_cpu"]) / due))
            print(json.dumps({"case": case, "rows": size, **{key: round(value, 3) for key, value in run.items()}}), flush=True)
        cost[size] = [statistics.median(column) for column in zip(*took)]
    seconds, processors = (cost[20 * rows][at] / cost[rows][at] for at in (0, 1))
    print(f"{case}: {rows} to {20 * rows} rows: a record costs {seconds:.2f} x the time, {processors:.2f} x the processors")
    return [f"{case}: {processors:.2f} x, the bar is {MOST_GROWTH}"] if processors > MOST_GROWTH else []


def load(server, order, share, rows):
    """The table that every run starts from; how many of its records are due."""
    server.psql("postgres", "drop database if exists template_run with (force)", "create database template_run")
    statements = LOAD % {"share": share, "pos": POSITION[order].format(rows=rows), "rows": rows}
    subprocess.run([server.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
                    "-d", "template_run"], input=statements, text=True, check=True)
    return int(server.psql("template_run", f"select count(*) from account_upload where {DUE}"))


def throughput(binary, server, directory, rows, rounds, batch, case, peers):
    order = "shuffled" if case == "shuffled" else "ordered"
    share = 0.01 if case == "one-percent" else 0.5
    due = load(server, order, share, rows)
    if case == "referenced":
        server.psql("template_run", *REFERENCED)
    pseudonymizes = case == "pseudonymize"
    statement = f"delete from account_upload where {DUE}"
    if pseudonymizes:
        statement = f"update account_upload set account_id = null, filename = md5(id::text), payload = 'gone', pseudonymized_at = now() where {DUE}"
    methods = {"plain": lambda: lambda: plain(server, statement),
               "sweep": lambda: sweep(binary, server, directory, batch, PSEUDONYMIZE if pseudonymizes else DELETE)}
    if case == "one-percent":
        methods["statements"] = lambda: statements(server, due)
    if peers and not pseudonymizes:
        python = with_psycopg()
        methods |= {"psycopg": lambda: psycopg_loop(server, python), "psql": lambda: psql_loop(server, 5000)}
    took = {name: [] for name in methods}
    for _ in range(rounds):
        for name, prepare in methods.items():
            server.copy("template_run")
            run = timed(server, prepare())
            if run.get("rows", due) != due:
                raise SystemExit(f"{name} took {run['rows']} rows, expected {due}")
            took[name].append(run)
            print(json.dumps({"case": case, "method": name, **{key: round(value, 3) for key, value in run.items()}}), flush=True)
    return report(case, rows, due, took)


def report(case, rows, due, took):
    median = lambda name, key: statistics.median(run[key] for run in took[name])
    both = lambda name: statistics.median(run["server_cpu"] + run["client_cpu"] for run in took[name])
    by_cpu = case == "one-percent"
    ratio = both("plain") / both("sweep") if by_cpu else median("plain", "seconds") / median("sweep", "seconds")
    wal = median("sweep", "wal") / median("plain", "wal")
    peak = max(run["peak_mib"] for run in took["sweep"])
    ledger = statistics.median(run["ledger_share"] / run["seconds"] for run in took["sweep"])
    said = [f"{case}: {rows} rows, {due} due: ratio {ratio:.2f}{' by processor time' if by_cpu else ''}, WAL {wal:.2f} x, "
            f"peak memory {peak:.0f} MiB, waiting for the ledger {ledger:.0%}"]
    missed = []
    against = {name: median(name, "seconds") / median("sweep", "seconds") for name in took if name in LEAST_AGAINST}
    said += [f"{times:.1f} x {name}" for name, times in against.items()]
    if "statements" in took:
        said.append(f"its batches' statements by themselves {both('plain') / both('statements'):.2f}")
    print(", ".join(said))
    if ratio < BARS[case]:
        missed.append(f"{case}: ratio {ratio:.3f}, the bar is {BARS[case]}")
    if wal > MOST_WAL and case != "pseudonymize":
        missed.append(f"{case}: {wal:.2f} x the WAL, the bar is {MOST_WAL}")
    if peak > MOST_MEMORY_MIB:
        missed.append(f"{case}: peak memory {peak:.1f} MiB, the bar is {MOST_MEMORY_MIB}")
    if ledger > MOST_LEDGER:
        missed.append(f"{case}: {ledger:.1%} waiting for the ledger, the bar is {MOST_LEDGER:.0%}")
    missed += [f"{case}: {times:.1f} x {name}, the bar is {LEAST_AGAINST[name]}" for name, times in against.items() if times < LEAST_AGAINST[name]]
    return missed
