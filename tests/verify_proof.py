"""Verifies proofs of disposal offline, from docs/ledger-format.md alone and with the standard library only.

usage: python3 tests/verify_proof.py --key FILE.vkey FILE.tlog-proof...
Exits with 0 and prints what was disposed of, or with 4 and the reason for every file it refuses.
"""

import base64, datetime, hashlib, json, re, sys

# What decoders raise is a ValueError too: everything that cannot be read is refused.
def need(condition, reason):
    if not condition:
        raise ValueError(reason)

def refuse(_):
    raise ValueError("a number that is no integer below 2^53")

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def unbase64(text, length):
    data = base64.b64decode(text.encode("ascii"), validate=True)
    need(base64.b64encode(data).decode() == text and length in (None, len(data)), "not canonical base64")
    return data

# Section 1, canonical JSON: what was read is written again and compared.
def canonical(data):
    integer = lambda text: int(text) if abs(int(text)) < 2**53 else refuse(text)
    value = json.loads(data.decode(), parse_int=integer, parse_float=refuse, parse_constant=refuse)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    need(again.encode() == data, "not canonical JSON")
    return value

# Ed25519, RFC 8032, Section 5.1: a point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, NEUTRAL = 2**255 - 19, (0, 1, 1, 0)
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)

def multiply(scalar, p):
    result = NEUTRAL
    while scalar:
        result = add(result, p) if scalar & 1 else result
        p, scalar = add(p, p), scalar >> 1
    return result

def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == (p[1] * q[2] - q[1] * p[2]) % P == 0

def point(data):
    y, sign = int.from_bytes(data, "little") % 2**255, data[31] >> 7
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(y < P and (x * x - x2) % P == 0 and (x or not sign), "not a point of the curve")
    x = P - x if x & 1 != sign else x
    result = (x, y, 1, x * y % P)
    need(not same(multiply(8, result), NEUTRAL), "a point of small order")
    return result

BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

def check_signature(public, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % ORDER
    right = add(point(r), multiply(k, point(public)))
    need(s < ORDER and same(multiply(s, BASE), right), "the signature does not verify")

# Section 3: the origin, the key id and the public key.
def read_key(text):
    parts = text.removesuffix("\n").split("+", 2)
    need(len(parts) == 3 and re.fullmatch("[!-*,-~]{1,128}", parts[0]), "not a verifier key")
    material = unbase64(parts[2], 33)
    key_id = sha256(parts[0].encode(), b"\n", material)[:4]
    need(material[0] == 1 and key_id.hex() == parts[1], "the key id is not that of an Ed25519 key")
    point(material[1:])
    return parts[0], key_id, material[1:]

# Section 3: the number of entries and the root, once the signature is verified.
def read_checkpoint(text, key):
    lines = text.split("\n")
    need(len(lines) == 6 and lines[3] == lines[5] == "" and re.fullmatch("0|[1-9][0-9]{0,19}", lines[1]),
         "not a checkpoint with one signature")
    prefix = f"\u2014 {key[0]} "
    need(lines[0] == key[0] and lines[4].startswith(prefix), "the checkpoint is of another ledger")
    signature = unbase64(lines[4].removeprefix(prefix), 68)
    need(signature[:4] == key[1], "signed by another key")
    check_signature(key[2], ("\n".join(lines[:3]) + "\n").encode(), signature[4:])
    return int(lines[1]), unbase64(lines[2], 32)

# Section 2.
def check_inclusion(leaf, index, size, path, root, what):
    f, s, r = index, size - 1, leaf
    need(index < size, f"{what}: outside the tree")
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

def is_name(text):
    return isinstance(text, str) and len(text.encode()) <= 512 and re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]+", text)

# Parsed, written again and compared: that leaves one spelling.
def is_instant(text):
    instant = datetime.datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%fZ")
    return instant.isoformat(timespec="microseconds") + "Z" == text

# Section 4: exactly these fields, each a type, a pattern, or what a function accepts; the optional ones may be missing.
def closed(value, kinds, optional={}):
    need(isinstance(value, dict) and kinds.keys() <= value.keys() <= (kinds | optional).keys(),
         "unknown or missing fields")
    for field, found in value.items():
        kind = (kinds | optional)[field]
        if isinstance(kind, type):
            good = type(found) is kind and (kind is not int or found >= 0)
        else:
            good = kind(found) if callable(kind) else isinstance(found, str) and re.fullmatch(kind, found)
        need(good, f"`{field}` cannot be read")

TOKEN, ID, HASH = "[A-Za-z0-9._-]{1,64}", "[A-Za-z0-9-]{1,64}", "[A-Za-z0-9+/]{43}="
OUTCOMES = dict(disposed=int, already_gone=int, changed=int, refused=int, unknown=int)
OUTCOMES_OPTIONAL = dict(untouched=lambda found: type(found) is int and found > 0)
PART = dict(datastore=TOKEN, dataset=is_name, action="delete|pseudonymize", n=int, root=HASH, outcomes=dict,
            fields=lambda found: isinstance(found, list) and all(map(is_name, found)))
COMMITTED = dict(
    v=lambda found: type(found) is int and found == 1, t="batch.committed", at=is_instant, node=TOKEN, batch=ID,
    sw="[A-Za-z0-9._-]{1,64} [A-Za-z0-9._+-]{1,64}", intent=int, sweep=ID, cause="schedule|request|replay",
    rule=f"{TOKEN}/{TOKEN}", rule_entry=int, rule_sha256=HASH, cutoff=is_instant, t0=is_instant, t1=is_instant,
    alg="r1-24", epoch="[A-Za-z0-9-]{1,32}", attribution="transaction|marker|state", recovered=bool, parts=list)
OPTIONAL = dict(
    unit=ID, gone_everywhere_by=is_instant, dependents=lambda found: isinstance(found, list) and found != []
    and all(type(item) is int and item >= 0 for item in found))
is_texts = lambda found: isinstance(found, list) and all(isinstance(item, str) for item in found)
EXTRA = dict(format="expunged-record-proof/1", entry=str, key=str, nonce=str, part=int, pos=int, n=int, path=is_texts)
EXTRA_OPTIONAL = dict(level=dict)
EXTRA_LEVEL = dict(entry=str, index=int, path=is_texts)
REMAINS = ["backups", "file_system", "free_space", "indexes", "replicas", "statistics", "write_ahead_log"]
LEVEL = dict(
    {field: COMMITTED[field] for field in ("v", "at", "node", "sw", "rule")}, t="erasure.level", datastore=TOKEN,
    level="vacuumed|rewritten", means=is_name,
    remains=lambda found: is_texts(found) and set(found) <= set(REMAINS) and found == sorted(set(found)) != [],
    batches=lambda found: isinstance(found, list) and all(type(item) is int and item >= 0 for item in found)
    and found == sorted(set(found)) != [])

def read_entry(text):
    entry = canonical(text.encode())
    closed(entry, COMMITTED, OPTIONAL)
    need(len(text.encode()) <= 65535 and unbase64(entry["rule_sha256"], 32), "an entry of too many bytes")
    need(entry["t0"] <= entry["t1"] and entry["parts"], "no parts, or instants out of order")
    dependents = entry.get("dependents", [])
    need(entry.get("gone_everywhere_by", entry["t1"]) >= entry["t1"], "gone from backups before it was gone")
    need(entry.get("unit") != entry["batch"] and not ("unit" in entry and dependents), "a unit of itself")
    need(dependents == sorted(set(dependents)) and all(item > entry["intent"] for item in dependents),
         "the dependents are not ascending, or before the intent")
    places = {}
    for part in entry["parts"]:
        closed(part, PART)
        closed(part["outcomes"], OUTCOMES, OUTCOMES_OPTIONAL)
        need(entry["recovered"] or "untouched" not in part["outcomes"], "untouched, and not found by recovery")
        fields, n = part["fields"], part["n"]
        need(fields == sorted(set(fields), key=str.encode), "the fields are not ascending")
        need(bool(fields) == (part["action"] == "pseudonymize"), "the fields do not fit the action")
        empty = unbase64(part["root"], 32) == sha256()
        need(n == part["outcomes"]["disposed"] and (n == 0) == empty, "counts and root contradict each other")
        first = places.setdefault(part["dataset"], part["datastore"])
        need(first == part["datastore"], "two datastores with a dataset of one name")
    return entry

# Section 6, 7: how thoroughly the batch at `index` is gone.
def read_level(extra, entry, part, index, size, root):
    if extra is None:
        return "logical"
    closed(extra, EXTRA_LEVEL)
    claim = canonical(extra["entry"].encode())
    closed(claim, LEVEL)
    need(len(extra["entry"].encode()) <= 65535, "an entry of too many bytes")
    need(claim["rule"] == entry["rule"] and claim["datastore"] == part["datastore"] and index in claim["batches"]
         and index < extra["index"], "a level of another batch")
    path = [unbase64(item, 32) for item in extra["path"]]
    check_inclusion(sha256(b"\0", extra["entry"].encode()), extra["index"], size, path, root, "level")
    return f"{claim['level']} by {claim['means']}, known to remain in {', '.join(claim['remains'])}"

# Section 6: the key text, the part, the entry and its index, and how thoroughly it is gone.
def verify(data, key):
    head, _, checkpoint = data.decode().partition("\n\n")
    size, root = read_checkpoint(checkpoint, key)
    lines = head.split("\n")
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1" and lines[1][:6] == "extra ", "not a proof")
    need(re.fullmatch("index (0|[1-9][0-9]{0,19})", lines[2]), "no `index` line")
    index, inclusion = int(lines[2][6:]), [unbase64(line, 32) for line in lines[3:]]
    extra = canonical(unbase64(lines[1][6:], None))
    closed(extra, EXTRA, EXTRA_OPTIONAL)
    entry = read_entry(extra["entry"])
    need(entry["rule_entry"] < entry["intent"] < index and max(entry.get("dependents", [0])) < index,
         "the entry refers to one that is not before it")
    check_inclusion(sha256(b"\0", extra["entry"].encode()), index, size, inclusion, root, "entry")
    part = dict(enumerate(entry["parts"])).get(extra["part"])
    need(part and part["n"] == extra["n"], "no such part, or another number of records")
    level = read_level(extra.get("level"), entry, part, index, size, root)
    commitment = sha256(b"R1", unbase64(extra["nonce"], 16), extra["key"].encode())[:24]
    path, root = [unbase64(item, 32) for item in extra["path"]], unbase64(part["root"], 32)
    check_inclusion(sha256(b"\0", commitment), extra["pos"], extra["n"], path, root, "record")
    return extra["key"], part, entry, index, level

def main(arguments):
    if len(arguments) < 3 or arguments[0] != "--key":
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    for name in arguments[2:]:
        try:
            with open(arguments[1], "rb") as key_file, open(name, "rb") as file:
                key = read_key(key_file.read().decode("ascii", "replace"))
                record, part, entry, index, level = verify(file.read(), key)
            print(f"{name}: {part['action']} {part['fields']} {part['datastore']} {part['dataset']} {record}, by rule",
                  entry["rule"], f"between {entry['t0']} and {entry['t1']}: entry {index} of {key[0]}; {level}")
        except (ValueError, RecursionError) as refused:
            print(f"{name}: refused: {refused}")
            status = 4
    return status

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))
