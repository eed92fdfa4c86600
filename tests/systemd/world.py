#!/usr/bin/env python3
"""The databases that the service sweeps, and questions to it that a shell cannot ask: Python's standard library alone.

world.py make DIR          DIR/motorsport/site.db, with records at every age; DIR/archive/archive.db, with none that is due
world.py add DB N          N messages that are due
world.py left DB TABLE     how many rows are due: closed or deleted
world.py rows DB TABLE     how many rows there are
world.py get URL           the body; ends with 1 unless the status is 200
world.py address IPV4      gives the loopback interface a second address, which the service must not reach
world.py canary            the string to look for

The canary stands in text columns, in a key, in an address: wherever a person could.
"""

import datetime
import fcntl
import pathlib
import socket
import sqlite3
import struct
import sys
import urllib.request

CANARY = "canary-7f3a91d2"

SITE = """
CREATE TABLE account (id INTEGER PRIMARY KEY, user_name text NOT NULL, email text NOT NULL, deleted_at timestamptz);
CREATE TABLE comment (id INTEGER PRIMARY KEY, author_id integer REFERENCES account (id), author_name text, author_ip text,
    body text NOT NULL, pseudonymized_at timestamptz);
CREATE TABLE newsletter_subscription (id INTEGER PRIMARY KEY, account_id integer NOT NULL REFERENCES account (id),
    email text NOT NULL);
CREATE TABLE newsletter_delivery (id INTEGER PRIMARY KEY,
    subscription_id integer NOT NULL REFERENCES newsletter_subscription (id), issue text NOT NULL);
CREATE INDEX account_deleted_at ON account (deleted_at);
"""

ARCHIVE = """
CREATE TABLE message (id text PRIMARY KEY NOT NULL, sender text NOT NULL, body text NOT NULL, closed_at timestamptz);
CREATE INDEX message_closed_at ON message (closed_at);
"""

# What stands for "due" in each table.
TRIGGER = {"account": "deleted_at", "message": "closed_at"}


def ago(**span):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**span)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def connect(path):
    return sqlite3.connect(path, timeout=20)


def make(directory):
    # As a site would have it, with a write-ahead log: the daemon has to be able to make one where there is none.
    path = directory / "motorsport" / "site.db"
    path.parent.mkdir(parents=True)
    db = connect(path)
    db.execute("PRAGMA journal_mode = wal")
    db.executescript(SITE)
    deleted = [ago(days=3), ago(hours=2), ago(minutes=5), None, None, None]
    for number, at in enumerate(deleted, start=1):
        name = f"{CANARY}-{number}"
        db.execute("INSERT INTO account VALUES (?, ?, ?, ?)", (number, name, f"{name}@example.com", at))
        db.execute(
            "INSERT INTO comment VALUES (?, ?, ?, '198.51.100.7', ?, NULL)", (number, number, name, f"I am {name}")
        )
        db.execute("INSERT INTO newsletter_subscription VALUES (?, ?, ?)", (number, number, f"{name}@example.com"))
        db.execute("INSERT INTO newsletter_delivery VALUES (?, ?, 'May')", (number, number))
    db.commit()
    db.close()

    path = directory / "archive" / "archive.db"
    path.parent.mkdir(parents=True)
    db = connect(path)
    db.executescript(ARCHIVE)
    rows = ((f"open-{CANARY}-{n}", CANARY, CANARY, None) for n in range(400))
    db.executemany("INSERT INTO message VALUES (?, ?, ?, ?)", rows)
    db.commit()
    db.close()


def add(path, number):
    db = connect(path)
    (before,) = db.execute("SELECT count(*) FROM message").fetchone()
    stamp = datetime.datetime.now().strftime("%H%M%S%f")
    rows = ((f"{CANARY}-{stamp}-{before + n}", CANARY, CANARY, ago(hours=1)) for n in range(number))
    db.executemany("INSERT INTO message VALUES (?, ?, ?, ?)", rows)
    db.commit()
    db.close()


def count(path, table, where):
    db = connect(path)
    (number,) = db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
    db.close()
    print(number)


def give_address(address):
    SIOCSIFADDR = 0x8916
    request = struct.pack("16sH2s4s8s", b"lo:1", socket.AF_INET, b"", socket.inet_aton(address), b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR, request)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            sys.stdout.write(answer.read().decode())
    except OSError as error:
        sys.exit(f"{url}: {error}")


def main(command, *arguments):
    if command == "make":
        make(pathlib.Path(arguments[0]))
    elif command == "add":
        add(arguments[0], int(arguments[1]))
    elif command == "left":
        count(arguments[0], arguments[1], f"{TRIGGER[arguments[1]]} IS NOT NULL")
    elif command == "rows":
        count(arguments[0], arguments[1], "true")
    elif command == "get":
        get(arguments[0])
    elif command == "address":
        give_address(arguments[0])
    elif command == "canary":
        print(CANARY)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
