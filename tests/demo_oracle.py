"""Works out from the demo's world as it was what had to go and what had to stay, and compares with what is left.

usage: python3 tests/demo_oracle.py DIRECTORY RESULT.json
DIRECTORY is what `expunged demo DIRECTORY --format json > RESULT.json` built. Standard library only; neither the rule files nor the
program are asked: the bounds stand below, as the published policy and its operators' decisions have them. Prints a line a service;
exits with 1 and every difference, if there is one.
"""

import calendar, datetime, json, pathlib, re, sqlite3, sys

SECOND = 10**9  # Instants are nanoseconds since 1970: files and texts have finer clocks than databases.
DAY = 86_400 * SECOND
MOSCOW, UTC = 3 * 3_600 * SECOND, 0  # Moscow has kept this offset since October 2014, and nothing due is older.

def hours(n): return ("hours", n)
def civil(months=0, days=0): return ("civil", months, days)
AT_ONCE = hours(0)

TEXT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)

def instant(text):
    """The instant that a column of text holds, or none."""
    found = TEXT.fullmatch(text)
    if not found:
        return None
    *fields, fraction, offset = found.groups()
    try:
        at = calendar.timegm(datetime.datetime(*map(int, fields)).timetuple())
    except ValueError:
        return None
    if offset != "Z":
        minutes = int(offset[1:3]) * 60 + int(offset[4:])
        at -= (minutes if offset[0] == "+" else -minutes) * 60
    return at * SECOND + int((fraction or "").ljust(9, "0"))

def date(at, zone):
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=(at + zone) // DAY)

def midnight(day, zone):
    return (day - datetime.date(1970, 1, 1)).days * DAY - zone

def later(day, months, days):
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return datetime.date(years, month + 1, min(day.day, last)) + datetime.timedelta(days=days)

def due_from(at, period, zone):
    """Elapsed: to the instant. By the calendar: once the last day of the period is over."""
    if period[0] == "hours":
        return at + period[1] * 3_600 * SECOND
    return midnight(later(date(at, zone), period[1], period[2] + 1), zone)

def deadline(at, period, zone):
    """By the calendar: when the last day begins."""
    if period[0] == "hours":
        return at + period[1] * 3_600 * SECOND
    return midnight(later(date(at, zone), period[1], period[2]), zone)

# Which records, what starts the clock, not before, no later than; and what goes with them. A trigger is a column, or the latest or
# earliest of a column in other rows that refer to the record. What hangs on a record: rows that refer to it, files in its directory.
BACKUP = re.compile(r"backup-(\d{8}T\d{6}Z)\.tar\.zst")
WORKSPACE = [("managed_device", "workspace_id", "workspace"), ("device_event", "device_id", "managed_device"),
             ("workspace_licence", "workspace_id", "workspace")]
ASKED = [("erasure_request", "workspace_id", "workspace")]
RULES = [
    ("business-hub", MOSCOW, "account", ("own", "deleted_at"), AT_ONCE, civil(1),
     [("licence", "account_id", "account"), ("support_request", "account_id", "account"),
      ("browser_statistic", "account_id", "account")]),
    ("company-account", MOSCOW, "personal_account", ("own", "deleted_at"), civil(36), civil(36, 14),
     [("support_request", "personal_account_id", "personal_account"),
      ("company-account-attachments/", None, "support_request")]),
    ("company-account", MOSCOW, "company_account", ("own", "deleted_at"), civil(36), civil(36, 14),
     [("additional_email", "company_account_id", "company_account"), ("licence", "company_account_id", "company_account"),
      ("contract", "company_account_id", "company_account"), ("personal_account", "company_account_id", "company_account"),
      ("support_request", "personal_account_id", "personal_account"),
      ("company-account-attachments/", None, "support_request")]),
    ("endpoint-security-cloud", UTC, "workspace", ("latest", "workspace_licence", "workspace_id", "expires_at"),
     civil(0, 30), civil(0, 37), WORKSPACE),
    ("endpoint-security-cloud", UTC, "workspace", ("own", "deleted_at"), AT_ONCE, civil(0, 7), WORKSPACE),
    ("gsi-parser", MOSCOW, "report", ("own", "uploaded_at"), civil(0, 80), civil(0, 90),
     [("gsi-parser-uploads/", None, "report")]),
    ("gsi-parser", MOSCOW, "account", ("earliest", "erasure_request", "account_id", "requested_at"), AT_ONCE, civil(1),
     [("report", "account_id", "account"), ("gsi-parser-uploads/", None, "report"),
      ("erasure_request", "account_id", "account")]),
    ("motorsport", MOSCOW, "account", ("own", "deleted_at"), AT_ONCE, hours(24),
     [("comment", "author_id", "account"), ("newsletter_subscription", "account_id", "account"),
      ("newsletter_delivery", "subscription_id", "newsletter_subscription")]),
    ("my-kaspersky", MOSCOW, "account", ("own", "deleted_at"), civil(0, 7), civil(1),
     [("licence", "account_id", "account"), ("bank_card", "account_id", "account"),
      ("support_request", "account_id", "account"), ("my-kaspersky-uploads/", None, "account"),
      ("my-kaspersky-devices.device", "account_id", "account"), ("my-kaspersky-sessions.session", "account_id", "account")]),
    ("my-kaspersky", MOSCOW, "web_statistic", ("own", "collected_at"), civil(0, 7), civil(0, 21), []),
    ("partner-portal", MOSCOW, "partner", ("earliest", "erasure_request", "partner_id", "requested_at"), AT_ONCE, civil(1),
     [("partner_order", "partner_id", "partner"), ("partner_order_item", "order_id", "partner_order"),
      ("erasure_request", "partner_id", "partner")]),
    ("security-center-cloud-console", UTC, "account", ("own", "deleted_at"), AT_ONCE, civil(1),
     [("console_entry", "account_id", "account")]),
    ("security-center-cloud-console", UTC, "workspace", ("latest", "workspace_licence", "workspace_id", "expires_at"),
     civil(0, 90), civil(0, 97), WORKSPACE + ASKED),
    ("security-center-cloud-console", UTC, "workspace", ("earliest", "erasure_request", "workspace_id", "requested_at"),
     AT_ONCE, civil(1), WORKSPACE + ASKED),
    ("security-for-office-365", UTC, "tenant", ("latest", "license", "tenant_id", "expires_at"), civil(6), civil(6, 7),
     [("detection", "tenant_id", "tenant"), ("notification", "tenant_id", "tenant"), ("license", "tenant_id", "tenant")]),
    ("web-forms", MOSCOW, "person", ("earliest", "erasure_request", "person_id", "requested_at"), AT_ONCE, civil(1),
     [(table, "person_id", "person") for table in ("form_submission", "survey_answer", "premium_registration",
                                                   "trial_registration", "newsletter_subscription", "erasure_request")]),
    ("web-forms", MOSCOW, "premium_registration", ("own", "unsubscribed_at"), AT_ONCE, civil(0, 7), []),
    ("web-forms", MOSCOW, "trial_registration", ("own", "ends_at"), civil(0, 14), civil(0, 21), []),
    ("web-forms", MOSCOW, "trial_registration", ("own", "opted_out_at"), AT_ONCE, civil(0, 7), []),
    ("web-forms", MOSCOW, "newsletter_subscription", ("own", "unsubscribed_at"), AT_ONCE, civil(0, 3), []),
    ("website-statistics", MOSCOW, "visit", ("own", "collected_at"), AT_ONCE, hours(24), []),
    ("website-statistics", MOSCOW, "visit", ("own", "evaluated_at"), AT_ONCE, civil(0, 7), []),
]
TREES = [
    ("business-hub-backups", MOSCOW, "name", civil(0, 21), civil(1)),
    ("security-center-cloud-console-backups", UTC, "name", civil(0, 21), civil(1)),
    ("gsi-parser-incoming", MOSCOW, "modified", civil(0, 1), civil(0, 7)),
]
# Not deleted: what is replaced, by whom it is told that it happened, and what it hangs on or is.
PSEUDONYMS = {"motorsport.comment": ("author_id", "author_name", "author_ip"),
              "website-statistics.visit": ("visitor_id", "ip")}
MARK = "pseudonymized_at"

class World:
    def __init__(self, directory):
        self.tables, self.trees = {}, {}
        for path in sorted(directory.iterdir()):
            if path.is_dir():
                # A directory is its path with a slash behind, and nothing else.
                name = lambda below: str(below.relative_to(path)) + "/" * below.is_dir()
                told = lambda below: None if below.is_dir() else (below.stat().st_mtime_ns, below.read_bytes())
                self.trees[path.name] = {name(below): told(below) for below in path.rglob("*")}
            elif path.suffix == ".db":
                self.read(path)

    def read(self, path):
        database = sqlite3.connect(path)
        database.row_factory = sqlite3.Row
        names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'expunged_marker'")
        for name, in names.fetchall():
            rows = database.execute(f"SELECT * FROM {name}").fetchall()
            self.tables[f"{path.stem}.{name}"] = {row["id"]: dict(row) for row in rows}
        database.close()

def files(tree):
    return [path for path in tree if not path.endswith("/")]

def without_emptied(tree):
    """A directory stays as long as it holds a file."""
    held = {path[:end + 1] for path in files(tree) for end, letter in enumerate(path) if letter == "/"}
    return {path: told for path, told in tree.items() if told is not None or path in held}

def trigger(world, service, row, read, now):
    """The instant that counts, or none: it has not happened, or nobody can say when."""
    kind, *where = read
    if kind == "own":
        values = [row[where[0]]]
    else:
        table, reference, column = where
        rows = world.tables[f"{service}.{table}"].values()
        values = [other[column] for other in rows if other[reference] == row["id"]]
    instants = [None if value is None else instant(value) for value in values]
    # One that cannot be read might be the one that counts.
    if not instants or None in instants:
        return None
    at = min(instants) if kind == "earliest" else max(instants)
    return at if 0 < at <= now["late"] + 60 * SECOND and min(instants) > 0 else None

def goes(at, zone, retain, delete_by, now, what, found):
    if at is None or due_from(at, retain, zone) > now["eligible"]:
        return False
    if deadline(at, delete_by, zone) <= now["late"]:
        found.append(f"{what} had passed its deadline when the world began")
    return True

def dispose(world, service, zone, table, read, retain, delete_by, hanging, now, found):
    name = f"{service}.{table}"
    anonymous = name in PSEUDONYMS and read[1] == "collected_at"
    chosen = set()
    for id, row in world.tables[name].items():
        # Bought a full licence; or is under a pseudonym already.
        if row.get("converted") or (anonymous and row[MARK] is not None):
            continue
        if goes(trigger(world, service, row, read, now), zone, retain, delete_by, now, f"{name} {id}", found):
            chosen.add(id)
    gone = {table: chosen}
    for dependent, reference, of in hanging:
        if reference is None:
            tree = world.trees[dependent.rstrip("/")]
            ids = {str(id) for id in gone[of]}
            for path in [path for path in files(tree) if path.split("/")[0] in ids and "/" in path]:
                del tree[path]
            continue
        full = dependent if "." in dependent else f"{service}.{dependent}"
        rows = world.tables[full]
        gone[dependent] = {id for id, row in rows.items() if row[reference] in gone[of]}
    for dependent, ids in gone.items():
        full = dependent if "." in dependent else f"{service}.{dependent}"
        for id in ids:
            if full == "motorsport.comment" or anonymous:
                world.tables[full][id][MARK] = "now"
            else:
                del world.tables[full][id]

def truncated(address):
    if ":" in address:
        return ":".join(address.split(":")[:3]) + "::"
    return address.rsplit(".", 1)[0] + ".0"

def unlike(name, before, expected, after):
    """Why a row that is left is not what it had to be, or none."""
    if expected.get(MARK) != "now":
        return None if after == before else "was changed"
    fields = PSEUDONYMS[name]
    if any(after[field] != before[field] for field in before if field not in (*fields, MARK)):
        return "was changed beyond its pseudonyms"
    address = fields[-1]
    if after[MARK] is None or after[address] not in (truncated(before[address]), None):
        return "was not pseudonymized"
    return "still says whose it was" if any(after[f] == before[f] for f in fields[:-1]) else None

def main(directory, result):
    now = json.loads(pathlib.Path(result).read_text())["now"]
    now = {name: instant(text.replace("+00:00", "Z")) for name, text in now.items()}
    directory = pathlib.Path(directory)
    before, expected, after = World(directory / "before"), World(directory / "before"), World(directory / "datastores")
    found = []
    for tree, zone, kind, retain, delete_by in TREES:
        for path in files(expected.trees[tree]):
            at, _ = expected.trees[tree][path]
            if kind == "name":
                name = BACKUP.fullmatch(path)
                at = instant(datetime.datetime.strptime(name[1], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ"))
            if goes(at, zone, retain, delete_by, now, f"{tree}: a file", found):
                del expected.trees[tree][path]
    for service, zone, table, read, retain, delete_by, hanging in RULES:
        dispose(expected, service, zone, table, read, retain, delete_by, hanging, now, found)
    expected.trees = {name: without_emptied(tree) for name, tree in expected.trees.items()}
    counts = {}
    for kind in ("tables", "trees"):
        was, had, left = (getattr(world, kind) for world in (before, expected, after))
        if had.keys() != left.keys():
            found.append(f"{kind}: {had.keys() ^ left.keys()} are there only before or only after")
        for name in had:
            service = name.split(".")[0]
            total = counts.setdefault(service, [0, 0])
            records = files if kind == "trees" else list
            total[0] += len(records(was[name])) - len(records(had[name]))
            total[1] += len(records(had[name]))
            there = left.get(name, {})
            found += [f"{name}: {key} had to stay" for key in had[name].keys() - there.keys()]
            found += [f"{name}: {key} had to go" for key in there.keys() - had[name].keys()]
            for key in had[name].keys() & there.keys():
                if kind == "trees":
                    why = None if there[key] == had[name][key] else "was changed"
                else:
                    why = unlike(name, was[name][key], had[name][key], there[key])
                if why:
                    found.append(f"{name}: {key} {why}")
    for service, (gone, stay) in sorted(counts.items()):
        print(f"{service}: {gone} had to go, {stay} to stay")
    for difference in found:
        print(f"DIFFERENCE {difference}")
    if not all(gone for gone, _ in counts.values()):
        print("DIFFERENCE in some datastore nothing had to go: the world shows nothing")
        return 1
    return 1 if found else 0

sys.exit(main(*sys.argv[1:]))
