"""Rule files in any number, as engineers write them and no two alike; called by `run --what check`.

    tests/bench/rules.py DIRECTORY [--files N] [--rules N] [--wrong text|promises]

A service has tables with several rules each: siblings that share a class by a list and its `not`, pseudonymization before
deletion, rows of other tables as trigger and as `unless`, dependents, files, backups, tests. Bounds, schedules, zones and names
come from a generator with a fixed seed: every run plants the same bytes.

`--wrong text`: several mistakes in every rule that a reader finds. `--wrong promises`: every rule reads well, and breaks what
was promised, cannot meet its deadline, or contradicts another.
"""

import argparse
import pathlib
import random

SEED = 20260301
ZONES = (
    "Europe/Moscow Europe/Berlin Etc/UTC Europe/London America/New_York America/Los_Angeles America/Sao_Paulo Asia/Tokyo "
    "Asia/Kolkata Australia/Sydney Africa/Cairo Europe/Lisbon America/Chicago America/Mexico_City Asia/Dubai Asia/Almaty "
    "Europe/Paris Europe/Rome Europe/Madrid America/Toronto Pacific/Auckland Asia/Jerusalem Asia/Beirut America/Havana "
    "America/St_Johns Asia/Singapore Africa/Johannesburg Europe/Istanbul Asia/Tehran Australia/Lord_Howe"
).split()
NOUNS = (
    "account order invoice ticket message device licence session comment upload review address payment coupon subscription "
    "newsletter visit search_query login call contact lead campaign survey answer report incident alert scan sample backup "
    "certificate token consent request attachment note task project member"
).split()
EVENTS = "created_at closed_at deleted_at expired_at paid_at last_seen_at resolved_at withdrawn_at archived_at".split()
WORDS = "closed cancelled trial gift paid free legacy partner internal external draft sent".split()


def count(n, unit):
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def months(n):
    years, rest = divmod(n, 12)
    return " ".join(count(k, unit) for k, unit in ((years, "year"), (rest, "month")) if k) or "0 days"


def bounds(rng):
    """retain, delete_by, a promise that it keeps, and the hours between the two bounds at least."""
    kind = rng.choice("hhdddwmmmy")
    if kind == "h":
        retain, room = rng.randrange(0, 96), rng.randrange(3, 72)
        return count(retain, "hour"), count(retain + room, "hour"), count(retain + room + rng.choice((0, 0, 1, 12)), "hour"), room
    if kind == "d":
        retain, room = rng.randrange(0, 120), rng.randrange(3, 60)
        return count(retain, "day"), count(retain + room, "day"), count(retain + room + rng.choice((0, 0, 1, 10)), "day"), room * 24 - 26
    if kind == "w":
        retain, room = rng.randrange(1, 12), rng.randrange(2, 9)
        return count(retain, "week"), count(retain + room, "week"), count(retain + room, "week"), room * 168 - 26
    if kind == "m":
        retain, days = rng.randrange(0, 36), rng.randrange(8, 25)
        deadline = f"{months(retain)} {count(days, 'day')}" if retain else count(days, "day")
        return months(retain), deadline, months(retain + 1), (days - 4) * 24
    retain, more = rng.randrange(12, 132), rng.randrange(1, 7)
    return months(retain), months(retain + more), months(retain + more + rng.choice((0, 0, 3))), more * 26 * 24


def schedule(rng, room):
    """The rarest that a room of so many hours bears, or a more frequent one."""
    minute, second, hour = rng.randrange(60), rng.randrange(60), rng.randrange(24)
    fits = [f"{second} */{rng.choice((5, 10, 15))} * * * *"]
    if room >= 4:
        fits.append(f"{second} {minute} * * * *")
    if room >= 14:
        fits.append(f"{second} {minute} */6 * * *")
    if room >= 50:
        fits += [f"{second} {minute} {hour} * * *", f"0 {minute} {hour} * * *"]
    if room >= 146:
        fits.append(f"0 {minute} {hour} * * MON-FRI")
    if room >= 340:
        fits.append(f"0 {minute} {hour} * * SUN")
    return rng.choice(fits[-3:])


def listed(words):
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


class Service:
    """One file: promises, then the rules that keep them."""

    def __init__(self, rng, number):
        self.rng, self.number = rng, number
        self.zone = ZONES[number % len(ZONES)] if number < len(ZONES) else rng.choice(ZONES)
        # Ten services share one database now and then.
        self.datastore = f"shared-{number % 50}" if rng.random() < 0.2 else f"db-{number}"
        self.promises, self.rules, self.ids = [], [], set()

    def id(self, stem):
        stem = stem.replace("_", "-")
        name, n = stem, 2
        while name in self.ids:
            name, n = f"{stem}-{n}", n + 1
        self.ids.add(name)
        return name

    def promise(self, name, class_, promised, not_before="", extra=""):
        lower = f'not_before = "{not_before}"\n' if not_before else ""
        self.promises.append(
            f'[[promise]]\nid = "{name}"\ntext = "What is kept of every {class_} is gone {promised} after it is no longer needed."\n'
            f'source = "Privacy policy, 2020-04-28, section {self.rng.randrange(1, 30)}"\ntrigger = "{class_} no longer needed"\n'
            f'{lower}no_later_than = "{promised}"\n{extra}covers = ["{class_}"]\n'
        )

    def head(self, id_, class_, keeps, table, trigger, retain, delete_by, when):
        return (
            f'[[rule]]\nid = "{id_}"\nclass = "{class_}"\nkeeps = {listed(keeps)}\ndatastore = "{self.datastore}"\n'
            f'table = "{table}"\nkey = {listed(self.rng.choice((["id"], ["id"], ["tenant_id", "id"])))}\n'
            f'trigger = {{ {trigger} }}\nretain = "{retain}"\ndelete_by = "{delete_by}"   # as agreed with the owner\nschedule = "{when}"\n'
        )

    def trigger(self, table):
        column = self.rng.choice(EVENTS)
        return self.rng.choice((
            f'column = "{column}"',
            f'column = "{column}", pending = ["null"]',
            f'column = "{column}", pending = ["null", "future"], unit = "s"',
            f'column = "{column}", time_zone = "{self.zone}"',
            f'table = "{table}_event", match = {{ {table}_id = "id" }}, column = "at", pick = "latest", pending = ["no_row"]',
        )), column

    def dependents(self, table):
        text = ""
        for noun in self.rng.sample(NOUNS, self.rng.choice((0, 0, 1, 1, 2, 3))):
            action = 'action = "delete"\n' if self.rng.random() < 0.8 else (
                'action = "pseudonymize"\ncolumns = { author_id = "null", author_name = "random", ip = "truncate-ip" }\nmark = "pseudonymized_at"\n')
            text += (
                f'\n[[rule.dependent]]\nid = "{noun.replace("_", "-")}"\nclass = "{noun}"\ntable = "{table}_{noun}"\n'
                f'match = {{ {table}_id = "id" }}\n{action}'
            )
        if self.rng.random() < 0.15:
            text += (
                f'\n[[rule.dependent]]\nid = "files"\nclass = "files"\ndatastore = "disk-{self.number}"\n'
                f'pattern = "{table}/{{id}}/**"\norphans = true\naction = "delete"\n'
            )
        return text

    def tests(self, column, table):
        text = ""
        for _ in range(self.rng.choice((1, 1, 2))):
            day, n = self.rng.randrange(10, 28), self.rng.randrange(1, 1000)
            text += (
                f'\n[[rule.test]]\nname = "a record of {day} March is kept on the day itself"\n'
                f'record = {{ id = {n}, {column} = "2026-03-{day}T10:00:00+03:00" }}\nrows = {{ {table}_event = [{{ id = 1, {table}_id = {n}, at = {{ null = true }} }}] }}\n'
                f'at = "2026-03-{day}T10:00:00+03:00"\nexpect = "kept"\n'
            )
        return text

    def plain(self, noun, table):
        retain, delete_by, promised, room = bounds(self.rng)
        name = self.id(noun)
        if self.rng.random() < 0.7:
            self.promise(name, name, promised, retain if self.rng.random() < 0.3 else "")
            keeps = [name]
        else:
            keeps = []
        trigger, column = self.trigger(table)
        subject = 'subject = "id"\non_erasure = "dispose"\n' if self.rng.random() < 0.4 else ""
        self.rules.append(
            self.head(name, name, keeps, table, trigger, retain, delete_by, schedule(self.rng, room)) + subject + 'action = "delete"\n'
            + self.dependents(table) + self.tests(column, table))

    def siblings(self, noun, table):
        """Two rules that share a class: some values go earlier than all others."""
        class_ = self.id(noun)
        values = self.rng.sample(WORDS, self.rng.randrange(1, 6))
        made = [bounds(self.rng), bounds(self.rng)]
        self.promise(class_, class_, "12 years")
        trigger, column = self.trigger(table)
        for (retain, delete_by, _, room), only, stem in zip(made, (listed(values), f"{{ not = {listed(values)} }}"), ("some", "rest")):
            self.rules.append(
                self.head(self.id(f"{noun}-{stem}"), class_, [class_], table, trigger, retain, delete_by, schedule(self.rng, room))
                + f'only = {{ status = {only} }}\naction = "delete"\n' + self.dependents(table) + self.tests(column, table))

    def twice(self, noun, table):
        """Under a pseudonym soon, gone later, and kept while an invoice is open."""
        name = self.id(noun)
        self.promise(name, name, "24 hours", extra='decision = "24 hours, by the data protection officer, 2026-02-16."\n')
        self.rules.append(
            self.head(self.id(f"{noun}-pseudonym"), name, [name], table, 'column = "collected_at"', "0 hours", "24 hours",
                      schedule(self.rng, 20))
            + 'action = "pseudonymize"\ncolumns = { visitor_id = "keyed", ip = "truncate-ip", agent = { fixed = "-" } }\nmark = "pseudonymized_at"\n'
            + self.tests("collected_at", table))
        retain, delete_by, promised, room = bounds(self.rng)
        gone = self.id(f"{noun}-gone")
        self.promise(gone, name, promised, extra='except = "open invoices"\n')
        self.rules.append(
            self.head(gone, name, [gone], table, 'column = "evaluated_at", pending = ["null"]', retain, delete_by, schedule(self.rng, room))
            + f'except = "open invoices"\nunless = {{ table = "{table}_invoice", match = {{ {table}_id = "id" }}, only = {{ paid = false }} }}\n'
            + 'action = "delete"\n' + self.dependents(table) + self.tests("evaluated_at", table))

    def files(self, noun):
        retain, delete_by, _, room = bounds(self.rng)
        trigger = self.rng.choice(('file = "modified"', f'name = "{noun}-%Y%m%dT%H%M%SZ.tar.zst"'))
        backup = f'backup = {{ of = ["{self.datastore}"], every = "1 day", keep_at_least = 3 }}\n' if "name" in trigger else ""
        self.rules.append(
            f'[[rule]]\nid = "{self.id(noun + "-files")}"\nclass = "files"\nkeeps = []\ndatastore = "disk-{self.number}"\n'
            f'pattern = "{noun}/{len(self.rules)}/*.tar.zst"\ntrigger = {{ {trigger} }}\nretain = "{retain}"\ndelete_by = "{delete_by}"\n'
            f'schedule = "{schedule(self.rng, room)}"\n{backup}action = "delete"\n')

    def text(self, rules):
        while len(self.rules) < rules:
            noun = self.rng.choice(NOUNS)
            table = f"{noun}_{self.number}_{len(self.rules)}"
            room = rules - len(self.rules)
            shape = self.rng.choice(("plain", "plain", "siblings", "twice", "files"))
            if shape == "siblings" and room > 1:
                self.siblings(noun, table)
            elif shape == "twice" and room > 1:
                self.twice(noun, table)
            elif shape == "files":
                self.files(noun)
            else:
                self.plain(noun, table)
        head = (
            f'# Generated: service {self.number}.\n\n[service]\nname = "Service {self.number}"\n'
            f'owner = "team-{self.number % 40}@example.com"\ntime_zone = "{self.zone}"\n'
        )
        return "\n".join([head, *self.promises, *self.rules])


def wrong_text(text):
    """Five mistakes a rule: an unknown key, a period that says nothing, a wrong type, a zone or word, a missing key."""
    return (
        text.replace("retain = ", 'retian = "1 day"\nretain = ')
        .replace('delete_by = "', 'delete_by = "about ')
        .replace("trigger = { column = ", "trigger = { pick = 7, column = ")
        .replace('action = "delete"', 'action = "remove"')
        .replace('class = "', 'klass = "')
    )


def wrong_promises(text):
    """Deadlines far behind what was promised, sweeps once a year, and every table the same one."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("no_later_than = "):
            line = 'no_later_than = "2 hours"'
        elif line.startswith("schedule = "):
            line = 'schedule = "0 0 0 29 2 *"'
        elif line.startswith("table = ") and "_event" not in line:
            line = 'table = "everything"'
        elif line.startswith("trigger = { column"):
            line = 'trigger = { column = "at" }'
        lines.append(line)
    return "\n".join(lines)


def plant(directory, rules, files, wrong=None):
    """Writes the files, and says how many rules and bytes they hold."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    spoil = {None: lambda text: text, "text": wrong_text, "promises": wrong_promises}[wrong]
    written = total = 0
    for number in range(files):
        here = rules // files + (1 if number < rules % files else 0)
        text = spoil(Service(rng, number).text(here))
        (directory / f"service-{number:03}.toml").write_text(text)
        written += here
        total += len(text.encode())
    return written, total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--wrong", choices=["text", "promises"])
    args = parser.parse_args()
    print("{} rules, {} bytes".format(*plant(args.directory, args.rules, args.files, args.wrong)))
