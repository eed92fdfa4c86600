-- The state of expunged. Entries are the ledger; everything else can be derived from them, the commitments and the
-- key files, except the sealed identities of open intents, and of a batch that waits for its intent, and which roots are known.
CREATE TABLE entry (
    idx INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL,
    leaf BLOB NOT NULL
) STRICT;

CREATE TABLE epoch (
    id TEXT PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entry (idx)
) STRICT;

CREATE TABLE rule_version (
    rule TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    entry INTEGER NOT NULL REFERENCES entry (idx),
    PRIMARY KEY (rule, sha256)
) STRICT;

CREATE TABLE sweep (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    rule_entry INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    cause TEXT NOT NULL,
    started INTEGER NOT NULL REFERENCES entry (idx),
    started_at INTEGER NOT NULL,
    cutoff INTEGER NOT NULL,
    -- The level that the rule's version asks for: 0 logical, 1 vacuumed, 2 rewritten.
    asked INTEGER NOT NULL,
    finished INTEGER REFERENCES entry (idx),
    finished_at INTEGER,
    result TEXT,
    undated INTEGER,
    remaining INTEGER
) STRICT;
CREATE INDEX sweep_by_rule ON sweep (rule, started);

CREATE TABLE batch (
    id TEXT PRIMARY KEY,
    sweep TEXT NOT NULL REFERENCES sweep (id),
    intent INTEGER NOT NULL REFERENCES entry (idx),
    outcome INTEGER REFERENCES entry (idx),
    committed INTEGER NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL,
    datastore TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    t0 INTEGER NOT NULL,
    -- The batch of the records that these dependents in another datastore hang on.
    unit TEXT,
    -- Records of all datasets, and the rule's own among them: until the outcome those intended, then those disposed of.
    records INTEGER NOT NULL,
    own INTEGER NOT NULL,
    -- The other outcomes.
    already_gone INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    untouched INTEGER NOT NULL DEFAULT 0,
    -- When no backup holds them any more, in microseconds.
    gone_by INTEGER,
    -- The level that was asked for (of a share elsewhere, of nothing more), the one reached, and the entry that claims it.
    asked INTEGER NOT NULL,
    reached INTEGER NOT NULL DEFAULT 0,
    claim INTEGER REFERENCES entry (idx)
) STRICT;
CREATE INDEX batch_by_sweep ON batch (sweep);
CREATE INDEX batch_by_unit ON batch (unit) WHERE unit IS NOT NULL;
CREATE INDEX batch_open ON batch (id) WHERE outcome IS NULL;
-- A level is owed of what is gone, and of nothing else.
CREATE INDEX batch_owed ON batch (sweep, outcome) WHERE committed AND records > 0 AND reached < asked;

-- Of intended batches, and of at most one that waits for its intent: that is written ahead, and nobody looks at it before.
CREATE TABLE part (
    batch TEXT NOT NULL,
    number INTEGER NOT NULL,
    dataset TEXT NOT NULL,
    action TEXT NOT NULL,
    fields TEXT NOT NULL,
    root BLOB NOT NULL,
    commitments BLOB NOT NULL,
    tags BLOB NOT NULL,
    PRIMARY KEY (batch, number)
) STRICT;

-- The sealed identities of the records of open intents, and of that batch.
CREATE TABLE identity (
    batch TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;

-- The last `backup.expired` of each rule.
CREATE TABLE backup (
    rule TEXT PRIMARY KEY,
    entry INTEGER NOT NULL REFERENCES entry (idx),
    until INTEGER NOT NULL
) STRICT;

-- By what identity the root of each files datastore is known. Not of the ledger.
CREATE TABLE root (
    datastore TEXT PRIMARY KEY,
    identity TEXT NOT NULL
) STRICT;

-- Orders. Whom they are about is sealed under a key of the key directory, and forgotten when the order ends.
CREATE TABLE hold (
    id TEXT PRIMARY KEY,
    placed INTEGER NOT NULL REFERENCES entry (idx),
    placed_at INTEGER NOT NULL,
    released INTEGER REFERENCES entry (idx),
    service TEXT NOT NULL,
    rule TEXT,
    personal INTEGER NOT NULL,
    subject BLOB,
    reference TEXT NOT NULL,
    -- The rules it covered when it was placed, each with its `subject` column or null, as JSON.
    covered TEXT NOT NULL
) STRICT;

CREATE TABLE request (
    id TEXT PRIMARY KEY,
    requested INTEGER NOT NULL REFERENCES entry (idx),
    service TEXT NOT NULL,
    subject BLOB,
    received_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    -- The answer, or the withdrawal.
    ended INTEGER REFERENCES entry (idx),
    ended_at INTEGER,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    -- As of a hold.
    covered TEXT NOT NULL
) STRICT;

CREATE TABLE pause (
    entry INTEGER PRIMARY KEY REFERENCES entry (idx),
    ended INTEGER REFERENCES entry (idx)
) STRICT;

-- One row: the entry of the newest order. A sweep that saw an older one looks again before it writes an intent.
CREATE TABLE generation (newest INTEGER NOT NULL) STRICT;
INSERT INTO generation VALUES (0);

CREATE TABLE approval (
    entry INTEGER PRIMARY KEY REFERENCES entry (idx),
    rule TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    up_to INTEGER NOT NULL
) STRICT;
