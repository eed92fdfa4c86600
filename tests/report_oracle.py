"""Computes a report's figures afresh from an exported ledger, and compares.

usage: python3 tests/report_oracle.py LEDGER REPORT.json
LEDGER is what `expunged ledger export LEDGER` wrote, at the time of the report or later; REPORT.json what `expunged report --format json`
printed. Standard library only; written from docs/ledger-format.md and docs/report.md, the program is not asked. Only what comes from
the rule files is taken from the report itself: which rules keep which promise, their classes, and the time between their sweeps. The
signature is not verified: that is `expunged ledger verify --exported`. Prints a line a section; exits with 1 and every difference.
"""

import base64, collections, datetime, hashlib, json, pathlib, sys

WIDTH = 256
OUTCOMES = ("disposed", "already_gone", "changed", "refused", "unknown", "untouched")
RESULTS = ("completed", "stopped", "parked", "refused", "failed", "observed")
COUNTS = ("remaining", "held", "undated", "refused", "changed", "locked")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

# ---------------------------------------------------------------- the exported files

def leaf(data): return hashlib.sha256(b"\0" + data).digest()
def node(left, right): return hashlib.sha256(b"\1" + left + right).digest()

def root(hashes):
    """RFC 6962, 2.1, as the recursion stands there."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:k]), root(hashes[k:]))

def numbered(index, width):
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["x" + part for part in parts[:-1]] + parts[-1:])
    return path if width == WIDTH else f"{path}.p/{width}"

def tiles(kind, count):
    """The names of the tiles of a level that has so many hashes, and which of them each holds."""
    for index in range(-(-count // WIDTH)):
        start, end = index * WIDTH, min((index + 1) * WIDTH, count)
        yield f"tile/{kind}/{numbered(index, end - start)}", start, end

def read_ledger(directory, found):
    note = (directory / "checkpoint").read_text()
    origin, size, signed = note.split("\n")[:3]
    size, entries, names = int(size), [], {"checkpoint"}
    for name, start, end in tiles("entries", size):
        names.add(name)
        data, at = (directory / name).read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at:at + 2], "big")
            entries.append(data[at + 2:at + 2 + length])
            at += 2 + length
        if at != len(data) or len(entries) != end:
            found.append(f"{name}: expected {end - start} whole entries")
    level, hashes = 0, [leaf(entry) for entry in entries]
    if base64.b64encode(root(hashes)).decode() != signed:
        found.append("checkpoint: the root over the entries is not the one that is signed")
    leaves = hashes
    while hashes:
        for name, start, end in tiles(level, len(hashes)):
            names.add(name)
            if (directory / name).read_bytes() != b"".join(hashes[start:end]):
                found.append(f"{name}: not the hashes of the level below")
        level += 1
        hashes = [root(hashes[at:at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
    there = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    found += [f"{name}: belongs to no tile" for name in sorted(there - names)]
    return origin, entries, leaves

# ---------------------------------------------------------------- what the entries say

def micros(text):
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return (at - EPOCH) // datetime.timedelta(microseconds=1)

def next_figure(n):
    """The smallest number above n that has two digits and zeros behind them."""
    n += 1
    unit = 10 ** max(len(str(n)) - 2, 0)
    return -(-n // unit) * unit

class Rule:
    def __init__(self):
        self.parts = collections.defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))
        self.late, self.left = collections.defaultdict(lambda: [0, 0]), {}
        self.waits, self.stayed = collections.Counter(), 0
        self.batches, self.gone_by = collections.Counter(), None
        self.before = self.last = self.last_result = self.last_completed = None
        self.ended, self.started = collections.Counter(), 0
        self.first, self.used, self.carried, self.version = {}, collections.Counter(), None, None
        self.levels, self.remains = collections.defaultdict(collections.Counter), {}

class Period:
    """The entries before `until`; those before `from` say only what was true then."""

    def __init__(self, entries, start, until):
        self.rules, self.versions = collections.defaultdict(Rule), {}
        self.intents, self.running, self.gone = {}, {}, {}
        self.holds, self.requests, self.pauses, self.approvals = {}, {}, {}, []
        for index, data in enumerate(entries):
            entry = json.loads(data)
            at = micros(entry["at"])
            if at >= until:
                break
            read = getattr(self, entry["t"].replace(".", "_"), None)
            if read:
                read(index, entry, at >= start)

    def rule_version(self, index, e, within):
        self.versions[index] = e

    def sweep_started(self, index, e, within):
        self.running[e["sweep"]] = e
        rule, version = self.rules[e["rule"]], e["rule_entry"]
        rule.first.setdefault(version, e["at"])
        rule.version = version
        if within:
            rule.started += 1
            rule.used[version] += 1
        else:
            rule.carried = version

    def sweep_finished(self, index, e, within):
        sweep = self.running.pop(e["sweep"])
        rule = self.rules[sweep["rule"]]
        if within:
            rule.ended[e["result"]] += 1
        if sweep["cause"] == "request":
            return
        if within:
            rule.last_result = e["result"]
        if e["result"] == "completed":
            rule.last_completed = e["at"]

    def residue(self, index, e, within):
        if self.running[e["sweep"]]["cause"] == "request":
            return
        e = dict(e, entry=index, told=self.running[e["sweep"]]["late"])
        if within:
            self.rules[e["rule"]].last = e
        else:
            self.rules[e["rule"]].before = e

    def batch_intent(self, index, e, within):
        self.intents[e["batch"]] = dict(e, entry=index)

    def batch_aborted(self, index, e, within):
        intent = self.intents.pop(e["batch"])
        self.rules[intent["rule"]].batches["aborted"] += within

    def batch_committed(self, index, e, within):
        intent = self.intents.pop(e["batch"])
        if not within:
            return
        rule = self.rules[e["rule"]]
        rule.batches["committed"] += 1
        rule.batches["recovered"] += e["recovered"]
        rule.gone_by = max(filter(None, (rule.gone_by, e.get("gone_everywhere_by"))), default=None)
        for number, part in enumerate(e["parts"]):
            of = "rule" if number == 0 and "unit" not in e else "dependent"
            counts = rule.parts[of, part["datastore"], part["dataset"], part["action"]]
            for outcome, n in part["outcomes"].items():
                counts[outcome] += n
            if e["attribution"] == "state":
                rule.batches["unattributed"] += part["n"]
        records = sum(part["n"] for part in e["parts"])
        if "then" in self.versions[e["rule_entry"]]["rule_json"] and "unit" not in e and records:
            self.gone[index] = (records, "logical")
            rule.levels[e["parts"][0]["datastore"]]["logical"] += records
        if "timing" in intent:
            self.time(rule, intent["timing"], intent["parts"][0]["n"], e["parts"][0]["n"], micros(e["t0"]), micros(e["t1"]))

    def time(self, rule, timing, intended, went, t0, t1):
        at, stayed = micros(timing["at"]), intended - went
        rule.stayed += stayed
        for waited in timing["waited"]:
            rule.waits[waited["within"]] += waited["n"]
        for bound in timing["bounds"]:
            name, margin, late = bound.get("promise"), bound["margin"], bound["late"]
            in_time = margin is None or t1 < at + margin * 10**6
            one_more = margin is not None and t0 >= at + (next_figure(margin) + 60) * 10**6
            rule.late[name][0] += max(late + one_more - stayed, 0)
            rule.late[name][1] += min(late, went) if in_time else went
            if margin is not None and in_time and went:
                left = (at + margin * 10**6 - t1) // 10**6
                rule.left[name] = min(left, rule.left.get(name, left))

    def erasure_level(self, index, e, within):
        rule = self.rules[e["rule"]]
        for batch in filter(self.gone.__contains__, e["batches"]):
            records, before = self.gone[batch]
            self.gone[batch] = (records, e["level"])
            rule.levels[e["datastore"]][before] -= records
            rule.levels[e["datastore"]][e["level"]] += records
            rule.remains[e["datastore"]] = e["remains"]

    def approval(self, index, e, within):
        if within:
            self.approvals.append(dict(e, entry=index))

    def give(self, orders, index, e):
        orders[index] = dict(e, entry=index, end=None)

    def end(self, orders, given, index, e, within):
        if within:
            orders[given]["end"] = dict(e, entry=index)
        else:
            del orders[given]

    def hold_placed(self, index, e, within): self.give(self.holds, index, e)
    def hold_released(self, index, e, within): self.end(self.holds, e["placed"], index, e, within)
    def erasure_requested(self, index, e, within): self.give(self.requests, index, e)
    def erasure_answered(self, index, e, within): self.end(self.requests, e["requested"], index, e, within)
    def erasure_withdrawn(self, index, e, within): self.end(self.requests, e["requested"], index, e, within)
    def pause(self, index, e, within): self.give(self.pauses, index, e)
    def resume(self, index, e, within): self.end(self.pauses, e["pause"], index, e, within)

# ---------------------------------------------------------------- the same as the report has it

def percentile(waits, percent):
    rank, so_far = -(-sum(waits.values()) * percent // 100), 0
    for within in sorted(waits):
        so_far += waits[within]
        if so_far >= rank:
            return within

def of_end(order, field): return order["end"][field] if order["end"] else None

def residue_view(rule, e, before):
    bound = e.get("bounds", [None])[0]
    view = {"rule": rule, "entry": e["entry"], "at": e["at"], "stranded": e.get("stranded", 0), "why": e.get("why", []),
            "overdue": bound and bound["late"], "margin_seconds": bound and bound["margin"], "before": before}
    return view | {count: e[count] for count in COUNTS}

def other_bound(period, rule, promise):
    """Whether the version that was swept last promised something else, as far as it says; a promise is known by its words."""
    then = period.versions[rule.version]["rule_json"].get("promises") if rule.version is not None else None
    if then is None:
        return False
    same = [p for p in then if p["text"] == promise["text"]] or then
    return all(p["no_later_than"] != promise["deadline"] for p in same)

def reasons(period, name, rule, keeper, of, version_differs, sound, until):
    """Pairs of a reason and its number, as docs/report.md lists them."""
    promise = of["promise"]
    all, (least, most), last = [], rule.late[promise], rule.last
    if least:
        all.append(("late", least))
    elif most:
        all.append(("maybe_late", most))
    if not sound:
        all.append(("unsound", None))
    if other_bound(period, rule, of):
        all.append(("other_bound", None))
    bound = None
    if last is None:
        all.append(("no_sweep", None))
    elif any(last[count] is None for count in COUNTS):
        all.append(("not_counted", None))
    else:
        bound = next((b for b in last.get("bounds", []) if b.get("promise") == promise), None)
        if bound is None:
            all.append(("no_bound", None))
        else:
            if bound["late"]:
                all.append(("overdue", bound["late"]))
            if bound["margin"] is not None:
                if (until - micros(last["told"])) // 10**6 >= bound["margin"]:
                    all.append(("maybe_overdue", max(last["remaining"] - last["held"] - bound["late"], 1)))
                elif bound["margin"] < keeper["two_sweeps_seconds"]:
                    all.append(("margin", None))
        for count in ("undated", "refused", "changed", "locked", "stranded", "held"):
            if last.get(count, 0):
                all.append((count, last[count]))
    completed = rule.last_completed
    if last and (completed is None or until - micros(completed) > keeper["two_gaps_seconds"] * 10**6):
        all.append(("stale", None))
    if rule.last_result not in (None, "completed"):
        all.append(("last_sweep", None))
    if any(pause["end"] is None for pause in period.pauses.values()):
        all.append(("paused", None))
    open_intents = sum(intent["rule"] == name for intent in period.intents.values())
    if open_intents:
        all.append(("open_intents", open_intents))
    if version_differs:
        all.append(("other_version", None))
    return all

GRAVITY = ["no_deadline", "kept", "at_risk", "unknown", "broken"]

def standing(reason):
    if reason in ("late", "overdue"):
        return "broken"
    if reason in ("unsound", "no_sweep", "not_counted", "no_bound", "other_bound", "maybe_late", "maybe_overdue"):
        return "unknown"
    return "kept" if reason in ("held", "other_version") else "at_risk"

def promises(period, report, until):
    for promise in report["promises"]:
        keepers = []
        for keeper in promise["keepers"]:
            name = keeper["rule"]
            rule = period.rules[name]
            differs = any(v["entry"] == rule.version and v["current"] is False for v in report["versions"])
            why, stands = [], "no_deadline"
            if promise["deadline"] is not None:
                why = reasons(period, name, rule, keeper, promise, differs, report["evidence"]["sound"], until)
                stands = max([standing(reason) for reason, _ in why] + ["kept"], key=GRAVITY.index)
            bound = next((b for b in (rule.last or {}).get("bounds", []) if b.get("promise") == promise["promise"]), None)
            least, most = rule.late[promise["promise"]]
            keepers.append({"rule": name, "standing": stands, "late": {"at_least": least, "at_most": most},
                            "overdue": bound and bound["late"], "margin_remaining_seconds": bound and bound["margin"],
                            "margin_disposed_seconds": rule.left.get(promise["promise"]),
                            "reasons": sorted((r, n, standing(r)) for r, n in why)})
        margins = [k[m] for k in keepers for m in ("margin_disposed_seconds", "margin_remaining_seconds") if k[m] is not None]
        yield {"service": promise["service"], "promise": promise["promise"], "margin_seconds": min(margins, default=None),
               "standing": max((k["standing"] for k in keepers), key=GRAVITY.index, default="unknown"), "keepers": keepers}

def versions(period, rule):
    for index in sorted(rule.first):
        if rule.used[index] or rule.carried == index:
            yield index, period.versions[index]

def sections(period, report, until):
    """Every section of the report that the entries give, under its name."""
    service = report["service"]
    ours = lambda name: service is None or name.split("/")[0] == service
    named = [s["rule"] for s in report["sweeps"]]
    extra = sorted(name for name in period.rules if ours(name) and name not in named)
    rules = [(name, period.rules[name]) for name in named + extra]
    yield "promises", list(promises(period, report, until))
    yield "disposals", [
        {"rule": name, "of": of, "datastore": datastore, "dataset": dataset, "action": action, "outcomes": outcomes}
        for name, rule in rules
        for (of, datastore, dataset, action), outcomes in sorted(rule.parts.items(), key=lambda kv: (kv[0][0] != "rule", kv[0]))]
    yield "levels", [
        {"rule": name, "datastore": datastore, "remains": rule.remains.get(datastore, [])}
        | {level: levels[level] for level in ("logical", "vacuumed", "rewritten")}
        for name, rule in rules for datastore, levels in sorted(rule.levels.items())]
    yield "waits", [
        {"rule": name, "records": sum(rule.waits.values()), "stayed": rule.stayed,
         "median_seconds": percentile(rule.waits, 50), "p99_seconds": percentile(rule.waits, 99),
         "worst_seconds": max(rule.waits), "late": {"at_least": rule.late[None][0], "at_most": rule.late[None][1]},
         "margin_seconds": rule.left.get(None), "gone_everywhere_by": rule.gone_by,
         "deadlines": list(dict.fromkeys(v["rule_json"]["delete_by"] for _, v in versions(period, rule) if "delete_by" in v["rule_json"]))}
        for name, rule in rules if rule.waits]
    yield "remaining", [
        residue_view(name, rule.last, rule.before and residue_view(name, rule.before, None))
        for name, rule in rules if rule.last]
    yield "sweeps", [
        {"rule": name, "started": rule.started, "last_result": rule.last_result, "last_completed": rule.last_completed}
        | {result: rule.ended[result] for result in RESULTS}
        | {count: rule.batches[count] for count in ("committed", "aborted", "recovered", "unattributed")}
        for name, rule in rules]
    open_intents = [i for i in period.intents.values() if ours(i["rule"])]
    yield "open_intents", [
        {"entry": i["entry"], "at": i["at"], "rule": i["rule"], "records": sum(part["n"] for part in i["parts"])}
        for i in sorted(open_intents, key=lambda i: i["entry"])]
    yield "versions", [
        {"rule": name, "entry": index, "sha256": v["rule_sha256"], "first_used": rule.first[index], "sweeps": rule.used[index],
         "tzdb": v["tzdb"]} | {field: v["rule_json"].get(field) for field in ("retain", "delete_by", "time_zone")}
        for name, rule in rules for index, v in versions(period, rule)]
    yield "holds", [
        {"hold": h["hold"], "service": h["service"], "rule": h.get("rule"), "one_subject": "subject" in h,
         "reference": h["reference"], "by": h["by"], "entry": h["entry"], "placed": h["at"], "released": of_end(h, "at"),
         "released_by": of_end(h, "by"), "released_entry": of_end(h, "entry")}
        for h in period.holds.values() if ours(h["service"])]
    yield "requests", [request(r, until) for r in period.requests.values() if ours(r["service"])]
    yield "pauses", [
        {"entry": p["entry"], "from": p["at"], "by": p["by"], "to": of_end(p, "at"), "ended_by": of_end(p, "by"),
         "ended_entry": of_end(p, "entry")} for p in period.pauses.values()]
    yield "approvals", [
        {"entry": a["entry"], "at": a["at"], "rule": a["rule"], "sha256": a["rule_sha256"], "up_to": a["up_to"], "by": a["by"]}
        for a in period.approvals if ours(a["rule"])]

def request(r, until):
    withdrawn = of_end(r, "t") == "erasure.withdrawn"
    ended, deadline = of_end(r, "at"), micros(r["deadline"])
    if not ended:
        stands = "open" if until < deadline else "overdue"
    elif micros(ended) >= deadline:
        stands = "late"
    else:
        stands = "withdrawn" if withdrawn else "in_time"
    answers = [{"rule": a["rule"], "left": a["left"], "kept": a.get("kept")} for a in of_end(r, "answers") or []]
    return {"request": r["request"], "service": r["service"], "entry": r["entry"], "received": r["received"],
            "deadline": r["deadline"], "by": r["by"], "answered": None if withdrawn else ended,
            "answered_entry": None if withdrawn else of_end(r, "entry"),
            "withdrawn": of_end(r, "at") if withdrawn else None,
            "withdrawn_by": of_end(r, "by") if withdrawn else None,
            "withdrawn_entry": of_end(r, "entry") if withdrawn else None,
            "standing": stands, "answers": answers}

def summary(computed):
    sums = {s: sum(p["standing"] == s for p in computed["promises"]) for s in GRAVITY}
    for name, of in (("disposed", "rule"), ("dependents", "dependent")):
        sums[name] = sum(d["outcomes"]["disposed"] for d in computed["disposals"] if d["of"] == of)
    return sums | {"requests_late": sum(r["standing"] in ("late", "overdue") for r in computed["requests"])}

def compare(place, expected, observed, found):
    """What was computed has to be in the report; the report may say more, such as texts and classes."""
    if isinstance(expected, dict) and isinstance(observed, dict):
        for key, value in expected.items():
            compare(f"{place}.{key}", value, observed.get(key, "nothing"), found)
    elif isinstance(expected, list) and isinstance(observed, list):
        if len(expected) != len(observed):
            found.append(f"{place}: {len(observed)} in the report, {len(expected)} in the ledger")
        for at, (one, other) in enumerate(zip(expected, observed)):
            compare(f"{place}[{at}]", one, other, found)
    elif expected != observed or type(expected) is not type(observed):
        found.append(f"{place}: {observed!r} in the report, {expected!r} in the ledger")

def main(directory, path):
    found, report = [], json.loads(pathlib.Path(path).read_text())
    origin, entries, leaves = read_ledger(pathlib.Path(directory), found)
    evidence = report["evidence"]
    size = evidence["size"]
    head = [origin, str(size), base64.b64encode(root(leaves[:size])).decode()]
    compare("evidence", {"origin": origin, "root": head[2]}, evidence, found)
    compare("evidence.checkpoint", head, evidence["checkpoint"].split("\n")[:3], found)
    compare("ledger_begins", json.loads(entries[0])["at"], report["ledger_begins"], found)
    until = micros(report["until"])
    period = Period(entries[:size], micros(report["from"]), until)
    for promise in report["promises"]:
        for keeper in promise["keepers"]:
            keeper["reasons"] = sorted((r["reason"], r["n"], r["standing"]) for r in keeper["reasons"])
    computed = dict(sections(period, report, until))
    for name, section in computed.items():
        print(f"{name}: {len(section)}")
        compare(name, section, report[name], found)
    compare("summary", summary(computed), report["summary"], found)
    for difference in found:
        print(f"DIFFERENCE {difference}")
    return 1 if found else 0

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
