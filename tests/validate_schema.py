#!/usr/bin/env python3
"""Validates TOML files against a JSON Schema, with a validator that knows nothing of this project.

    validate_schema.py SCHEMA FILE...

Also tries whether the schema refuses anything at all: each file with an unknown key in each of its tables, and with a wrong
instant wherever one is looked at.
"""

import copy
import datetime
import json
import sys
import tomllib

from jsonschema import Draft202012Validator, FormatChecker


def plain(value):
    """JSON has no times: a schema sees them as text."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return value


def tables(value):
    """Every table whose keys are no names; what names columns, tables or datastores may name anything."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in ("only", "match", "columns", "record", "records", "rows", "after", "files", "after_files", "datastore"):
                yield from tables(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from tables(inner)


def main(schema_file, files):
    with open(schema_file, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    refused = 0
    for name in files:
        with open(name, "rb") as file:
            document = plain(tomllib.load(file))
        for error in validator.iter_errors(document):
            sys.exit(f"{name}: {error.json_path}: {error.message}")
        for number in range(len(list(tables(document)))):
            damaged = copy.deepcopy(document)
            list(tables(damaged))[number]["no_such_key"] = 1
            if validator.is_valid(damaged):
                sys.exit(f"{name}: an unknown key passes in its table {number}")
            refused += 1
        for number, table in enumerate(tables(document)):
            for wrong in ("2026-02-31T10:00:00Z", "2026-03-01T10:00:00", "yesterday") if "at" in table else ():
                damaged = copy.deepcopy(document)
                list(tables(damaged))[number]["at"] = wrong
                if validator.is_valid(damaged):
                    sys.exit(f"{name}: `at = {wrong}` passes in its table {number}")
                refused += 1
    print(f"{len(files)} files are valid, {refused} damaged ones are not")


main(sys.argv[1], sys.argv[2:])
