"""The tests inside rule files: how many a second `expunged test` runs; called by `run --what test`."""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile

# The bar: tests a second, the process from its start to its end, on two cores.
LEAST_RATE = 3_000
TESTS_A_RULE = 10

SERVICE = """
[service]
name = "Service {n}"
owner = "bench@example.com"
time_zone = "Europe/Moscow"
"""

RULE = """
[[rule]]
id = "{id}"
class = "{id}"
keeps = []
datastore = "site"
table = "{table}"
key = {key}
trigger = {trigger}
retain = "7 days"
delete_by = "1 month"
action = "delete"
{rest}"""

TEST = """
[[rule.test]]
name = "test {n}"
{body}
"""

# Every shape that a rule of rows has: a column, a date, a composite key, other rows, `unless`, dependents.
SHAPES = [
    ('["id"]', '{ column = "at", pending = ["null"] }', "", 'record = { id = %d, at = "2026-03-01T10:00:00+03:00" }', ""),
    ('["id"]', '{ column = "on" }', "", 'record = { id = %d, on = "2026-03-01" }', ""),
    ('["tenant", "id"]', '{ column = "at" }', "", 'record = { tenant = "t", id = %d, at = "2026-03-01T10:00:00Z" }', ""),
    ('["id"]', '{ table = "licence", match = { owner = "id" }, column = "until", pick = "latest", pending = ["no_row"] }', "",
     'record = { id = %d }', 'rows = { licence = [{ owner = %d, until = "2026-03-01T07:00:00Z" }, { owner = %d, until = "2025-03-01T07:00:00Z" }] }'),
    ('["id"]', '{ column = "at" }', 'unless = { table = "invoice", match = { owner = "id" }, only = { paid = false } }\n'
     'except = "unpaid invoices"\n', 'record = { id = %d, at = "2026-03-01T10:00:00Z" }', 'rows = { invoice = [{ owner = %d, paid = true }, { owner = %d, paid = true }] }'),
    ('["id"]', '{ column = "at" }', '[[rule.dependent]]\nid = "post"\nclass = "post"\ntable = "post"\nmatch = { author = "id" }\n'
     'action = "delete"\n', 'record = { id = %d, at = "2026-03-01T10:00:00Z" }', 'rows = { post = [{ id = 7, author = %d }, { id = 8, author = %d }] }'),
]
# Two of three tests look once, the third at both bounds.
INSTANTS = [("2026-03-08T20:59:59Z", "kept"), ("2026-03-20T00:00:00Z", "due"), None]
STEPS = ('steps = [\n  { at = "2026-03-08T20:59:59Z", expect = "kept" },\n  { at = "2026-03-08T21:00:00Z", expect = "due" },\n'
         '  { at = "2026-03-31T21:00:00Z", expect = "overdue" },\n]')


def test(n, record, rows):
    body = [record % n] + ([rows.replace("%d", str(n))] if rows else [])
    instant = INSTANTS[n % len(INSTANTS)]
    body.append('at = "%s"\nexpect = "%s"' % instant if instant else STEPS)
    return TEST.format(n=n, body="\n".join(body))


def plant(directory, tests):
    rules = -(-tests // TESTS_A_RULE)
    for file in range(-(-rules // 10)):
        text = SERVICE.format(n=file)
        for number in range(file * 10, min(rules, file * 10 + 10)):
            key, trigger, rest, record, rows = SHAPES[number % len(SHAPES)]
            text += RULE.format(id=f"rule-{number}", table=f"table_{number}", key=key, trigger=trigger, rest=rest)
            count = min(TESTS_A_RULE, tests - number * TESTS_A_RULE)
            text += "".join(test(n, record, rows) for n in range(1, count + 1))
        (directory / f"service-{file}.toml").write_text(text)


def measure(binary, tests, rounds):
    rates, memory = [], []
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        plant(directory, tests)
        command = [binary, "--config", directory / "none", "--rules", directory, "--format", "json", "test"]
        for _ in range(rounds):
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            out = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            result = json.loads(out)
            assert status == 0 and result["passed"] == tests, f"{result['passed']} of {tests} passed, status {status}"
            rates.append(tests / result["seconds"])
            memory.append(usage.ru_maxrss / 1024)
            print(json.dumps({"seconds": round(result["seconds"], 3), "tests_a_second": round(rates[-1]), "peak_mib": round(memory[-1], 1)}))
    print(f"tests {tests}: {statistics.median(rates):.0f} a second (min {min(rates):.0f}), peak memory {max(memory):.0f} MiB")
    missed = statistics.median(rates) < LEAST_RATE
    return [f"{statistics.median(rates):.0f} tests a second, the bar is {LEAST_RATE}"] if missed else []
