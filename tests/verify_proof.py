"""Verifies proofs of disposal offline, from docs/ledger-format.md alone and with the standard library only.

usage: python3 tests/verify_proof.py --key FILE.vkey FILE.tlog-proof...

Exits with 0 and prints what was disposed of, or with 4 and the reason for every file it refuses.
"""

import base64
import datetime
import hashlib
import json
import re
import sys


class Refused(Exception):
    """The evidence does not verify."""


def need(condition, reason):
    if not condition:
        raise Refused(reason)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text, length=None):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    need(base64.b64encode(data).decode() == text, "base64 is not canonical")
    need(length is None or len(data) == length, "a binary value has the wrong length")
    return data


def canonical(data):
    """Section 1, canonical JSON: what was read is written again and compared."""

    def integer(text):
        need(abs(int(text)) < 2**53, "an integer of 2^53 or more")
        return int(text)

    def refuse(_):
        raise Refused("a number that is no integer")

    try:
        value = json.loads(data.decode(), parse_int=integer, parse_float=refuse, parse_constant=refuse)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    need(again == data, "JSON is not canonical")
    return value


# Ed25519, RFC 8032, Section 5.1, in affine terms of its own: (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point(data):
    """Decodes a point, and refuses one of small order."""
    y, sign = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    need(y < P, "a point is not canonical")
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - x2) % P == 0 and (x or not sign), "a point is not on the curve")
    x = P - x if x & 1 != sign else x
    result = (x, y, 1, x * y % P)
    need(not same(multiply(8, result), NEUTRAL), "a point of small order")
    return result


BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def check_signature(public, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    need(s < ORDER, "the signature is not canonical")
    k = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % ORDER
    holds = same(multiply(s, BASE), add(point(r), multiply(k, point(public))))
    need(holds, "the signature does not verify")


def read_key(text):
    """Section 3: the origin, the key id and the public key of a verifier key."""
    parts = text.removesuffix("\n").split("+", 2)
    need(len(parts) == 3 and re.fullmatch(r"[!-*,-~]{1,128}", parts[0]), "not a verifier key")
    material = unbase64(parts[2], 33)
    need(material[0] == 1, "not an Ed25519 key")
    key_id = sha256(parts[0].encode(), b"\n", material)[:4]
    need(key_id.hex() == parts[1], "the key id is not that of the key")
    point(material[1:])
    return parts[0], key_id, material[1:]


def read_checkpoint(text, key):
    """Section 3: the number of entries and the root, once the signature is verified."""
    origin, key_id, public = key
    lines = text.split("\n")
    need(len(lines) == 6 and lines[3] == "" and lines[5] == "", "not a checkpoint with one signature")
    need(lines[0] == origin, "the checkpoint is of another ledger")
    need(re.fullmatch("0|[1-9][0-9]{0,19}", lines[1]), "not a number of entries")
    prefix = f"\u2014 {origin} "
    need(lines[4].startswith(prefix), "not a signature line of this ledger")
    signature = unbase64(lines[4][len(prefix):], 68)
    need(signature[:4] == key_id, "signed by another key")
    check_signature(public, "".join(line + "\n" for line in lines[:3]).encode(), signature[4:])
    return int(lines[1]), unbase64(lines[2], 32)


def check_inclusion(leaf, index, size, path, root, what):
    """Section 2."""
    need(index < size, f"{what}: outside the tree")
    f, s, r = index, size - 1, leaf
    for p in path:
        need(s != 0, f"{what}: the path is too long")
        if f % 2 or f == s:
            r = sha256(b"\x01", p, r)
            while f % 2 == 0 and f != 0:
                f, s = f // 2, s // 2
        else:
            r = sha256(b"\x01", r, p)
        f, s = f // 2, s // 2
    need(s == 0 and r == root, f"{what}: the path does not lead to the root")


def closed(value, **kinds):
    """Section 4: exactly these fields, each of its kind: a pattern, a set of words, a type, or a check."""
    need(isinstance(value, dict) and value.keys() == kinds.keys(), "unknown or missing fields")
    for field, kind in kinds.items():
        found = value[field]
        if isinstance(kind, str):
            good = isinstance(found, str) and re.fullmatch(kind, found)
        elif isinstance(kind, type):
            good = type(found) is kind and (kind is not int or found >= 0)
        else:
            good = kind(found)
        need(good, f"`{field}` cannot be read")


def is_name(text):
    control = r"[\x00-\x1f\x7f-\x9f]"
    return isinstance(text, str) and 1 <= len(text.encode()) <= 512 and not re.search(control, text)


def is_instant(text):
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except (TypeError, ValueError):
        return False
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{6}Z", text, re.ASCII) is not None


TOKEN, ID = r"[A-Za-z0-9._-]{1,64}", r"[A-Za-z0-9-]{1,64}"
HASH = r"[A-Za-z0-9+/]{43}="


def read_entry(text):
    """Section 4: a batch.committed that does not contradict itself."""
    entry = canonical(text.encode())
    need(len(text.encode()) <= 65535 and isinstance(entry, dict), "not an entry")
    need(entry.get("t") == "batch.committed", "the entry states no disposal")
    closed(
        entry, v=lambda v: type(v) is int and v == 1, t=str, at=is_instant, node=TOKEN,
        sw=r"[A-Za-z0-9._-]{1,64} [A-Za-z0-9._+-]{1,64}", batch=ID, intent=int, sweep=ID,
        cause="schedule|request|replay", rule=f"{TOKEN}/{TOKEN}", rule_entry=int, rule_sha256=HASH,
        cutoff=is_instant, t0=is_instant, t1=is_instant, alg="r1-24", epoch=r"[A-Za-z0-9-]{1,32}",
        attribution="transaction|marker|state", recovered=bool, parts=list)
    unbase64(entry["rule_sha256"], 32)
    need(entry["cutoff"] <= entry["t0"] <= entry["t1"], "the instants contradict each other")
    need(entry["parts"], "no parts")
    places = {}
    for part in entry["parts"]:
        closed(part, datastore=TOKEN, dataset=is_name, action="delete|pseudonymize", fields=list,
               outcomes=dict, n=int, root=HASH)
        closed(part["outcomes"], disposed=int, already_gone=int, changed=int, refused=int, unknown=int)
        fields = part["fields"]
        need(all(map(is_name, fields)), "a field cannot be read")
        need(fields == sorted(set(fields), key=str.encode), "fields are not ascending")
        need(bool(fields) == (part["action"] == "pseudonymize"), "fields do not fit the action")
        need(part["n"] == part["outcomes"]["disposed"], "the counts contradict each other")
        need((part["n"] == 0) == (unbase64(part["root"], 32) == sha256()), "a root of no records")
        first = places.setdefault(part["dataset"], part["datastore"])
        need(first == part["datastore"], "a dataset of two datastores")
    return entry


def verify(data, key):
    """Section 6: the extra object, the entry and its index."""
    try:
        head, blank, checkpoint = data.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    need(blank, "no checkpoint")
    size, root = read_checkpoint(checkpoint, key)
    lines = head.split("\n")
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "not a proof")
    need(lines[1].startswith("extra "), "no `extra` line")
    need(re.fullmatch("index (0|[1-9][0-9]{0,19})", lines[2]), "no `index` line")
    index = int(lines[2][6:])
    extra = canonical(unbase64(lines[1][6:]))
    closed(extra, format="expunged-record-proof/1", entry=str, key=str, nonce=str, part=int, pos=int, n=int,
           path=lambda path: isinstance(path, list) and all(isinstance(item, str) for item in path))
    entry = read_entry(extra["entry"])
    need(entry["rule_entry"] < entry["intent"] < index, "the entry refers to what is not before it")
    inclusion = [unbase64(line, 32) for line in lines[3:]]
    check_inclusion(sha256(b"\x00", extra["entry"].encode()), index, size, inclusion, root, "entry")
    need(extra["part"] < len(entry["parts"]), "no such part")
    part = entry["parts"][extra["part"]]
    need(part["n"] == extra["n"], "another number of records")
    commitment = sha256(b"R1", unbase64(extra["nonce"], 16), extra["key"].encode())[:24]
    path = [unbase64(item, 32) for item in extra["path"]]
    leaf = sha256(b"\x00", commitment)
    check_inclusion(leaf, extra["pos"], extra["n"], path, unbase64(part["root"], 32), "record")
    return extra["key"], part, entry, index


def main(arguments):
    if len(arguments) < 3 or arguments[0] != "--key":
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    with open(arguments[1], encoding="ascii", newline="") as file:
        key = read_key(file.read())
    for name in arguments[2:]:
        with open(name, "rb") as file:
            data = file.read()
        try:
            record, part, entry, index = verify(data, key)
        except Refused as refused:
            print(f"{name}: refused: {refused}")
            status = 4
            continue
        done = ", ".join([part["action"], *part["fields"]])
        print(f"{name}: {part['datastore']} {part['dataset']} {record}: {done}; rule {entry['rule']} "
              f"(entry {entry['rule_entry']}), between {entry['t0']} and {entry['t1']}; entry {index} of {key[0]}")
    return status


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))
