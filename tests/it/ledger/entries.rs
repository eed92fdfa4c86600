//! Entries: closed schemas, one spelling.

use expunged::ledger::canonical;
use expunged::ledger::commitment::BatchId;
use expunged::ledger::entry::*;
use expunged::ledger::error::EntryError;
use serde_json::{Value, json};

use super::world::{self, COMMITTED, INTENT, RESIDUE, RULE, STARTED, at};

fn values() -> Vec<Value> {
    let parse = |entry: Entry| serde_json::from_slice(&entry.to_bytes()).unwrap();
    world::entries(&world::bodies()).into_iter().map(parse).collect()
}

fn parse(value: &Value) -> Result<Entry, EntryError> {
    Entry::parse(canonical::write(value).as_bytes())
}

fn changed(n: usize, change: impl FnOnce(&mut Value)) -> Result<Entry, EntryError> {
    let mut value = values().remove(n);
    change(&mut value);
    parse(&value)
}

#[test]
fn every_type_survives_its_bytes() {
    for (n, entry) in world::entries(&world::bodies()).into_iter().enumerate() {
        let again = Entry::parse(entry.as_bytes()).unwrap();
        assert_eq!(again, entry);
        assert_eq!(again.to_bytes(), entry.to_bytes());
        assert_eq!(again.at(), at(i64::try_from(n).unwrap() * 10));
        assert_eq!((again.node().as_str(), again.body()), ("node-1", &world::bodies()[n]));
        assert!(entry.as_text().contains(&format!(r#""t":"{}""#, entry.body().kind())));
    }
}

#[test]
fn unknown_missing_and_mistyped_fields_are_refused_at_every_depth() {
    for value in values() {
        check_closed(&value, &mut |changed| {
            assert!(parse(changed).is_err(), "{changed}");
        });
    }
}

/// Calls `refused` with the value changed at every place below it: a member added, removed or of another type.
pub fn check_closed(value: &Value, refused: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            let mut more = members.clone();
            more.insert("surplus".into(), json!(1));
            refused(&more.into());
            for (key, member) in members {
                let mut fewer = members.clone();
                fewer.remove(key);
                refused(&fewer.into());
                // What is inside `rule_json` belongs to the rule; its digest covers it.
                let mut put = |changed: &Value| {
                    let mut members = members.clone();
                    members.insert(key.clone(), changed.clone());
                    refused(&members.into());
                };
                put(&json!([null]));
                check_closed(member, &mut put);
            }
        }
        Value::Array(items) => {
            for n in 0..items.len() {
                check_closed(&items[n], &mut |changed| {
                    let mut items = items.clone();
                    items[n] = changed.clone();
                    refused(&items.into());
                });
            }
        }
        Value::String(_) => refused(&json!(7)),
        Value::Number(_) => [json!("7"), json!(1_u64 << 53), json!(-1), json!(0.5)].iter().for_each(refused),
        Value::Bool(_) => refused(&json!(1)),
        Value::Null => refused(&json!("null")),
    }
}

#[test]
fn another_spelling_of_the_same_entry_is_refused() {
    let text = world::entries(&world::bodies())[COMMITTED].as_text().to_owned();
    let again = |from, to| text.replacen(from, to, 1);
    let spellings = [
        format!("{text} "),
        format!("{text}\n"),
        format!(" {text}"),
        format!("\u{feff}{text}"),
        again("{\"alg\"", "{ \"alg\""),
        again("\"alg\"", "\"\\u0061lg\""),
        again("motorsport/", "motorsport\\/"),
        again("\"v\":1", "\"v\":1.0"),
        again("\"v\":1", "\"v\":1e0"),
        again("\"v\":1", "\"v\":1,\"v\":1"),
        again("\"alg\":\"r1-24\",", "").replacen("\"v\":1", "\"v\":1,\"alg\":\"r1-24\"", 1),
        again("14:15:52.000000Z", "14:15:52Z"),
        again("14:15:52.000000Z", "14:15:52.000000+00:00"),
        again("14:15:52.000000Z", "14:15:60.000000Z"),
        again("2026-11-23T14:15:52", "2026-11-23t14:15:52"),
        again("2026-11-23T14:15:52", "2026-11-23 14:15:52"),
        again("2026-11-23T14:15:52", "+2026-11-23T14:15:52"),
        again("2026-11-23T14:15:52", "2026-11-31T14:15:52"),
        again("=\"", "\""),
    ];
    for spelling in spellings {
        assert_ne!(spelling, text);
        assert!(Entry::parse(spelling.as_bytes()).is_err(), "{spelling}");
    }
    assert!(Entry::parse(b"\xff").is_err());
}

#[test]
fn an_entry_that_contradicts_itself_is_refused() {
    let contradicts = |n, change: fn(&mut Value)| {
        let result = changed(n, change);
        assert!(matches!(result, Err(EntryError::Contradiction { .. })), "{result:?}");
    };
    contradicts(0, |genesis| genesis["origin"] = json!("elsewhere"));
    contradicts(RULE, |rule| rule["rule_json"]["retain"] = json!("1 hours"));
    contradicts(STARTED, |sweep| sweep["late"] = json!("2026-11-23T14:15:34.999999Z"));
    contradicts(INTENT, |intent| intent["parts"] = json!([]));
    contradicts(INTENT, |intent| intent["parts"][0]["n"] = json!(0));
    contradicts(INTENT, |intent| {
        intent["parts"][0]["dataset"] = json!("account");
        intent["parts"][0]["datastore"] = json!("elsewhere");
    });
    contradicts(COMMITTED, |seal| seal["t1"] = json!("2026-11-23T14:15:51.999999Z"));
    contradicts(COMMITTED, |seal| seal["parts"][0]["n"] = json!(2));
    contradicts(COMMITTED, |seal| seal["parts"][0]["fields"] = json!([]));
    contradicts(COMMITTED, |seal| seal["parts"][0]["fields"] = json!(["b", "a"]));
    contradicts(COMMITTED, |seal| seal["parts"][0]["fields"] = json!(["a", "a"]));
    contradicts(COMMITTED, |seal| seal["parts"][1]["fields"] = json!(["a"]));
}

/// What a parser of a field takes leniently, the entry does not: it would be written differently.
#[test]
fn a_field_with_a_second_spelling_is_refused() {
    let newline =
        changed(0, |genesis| genesis["vkey"] = json!(format!("{}\n", genesis["vkey"].as_str().unwrap())));
    assert!(matches!(newline, Err(EntryError::NotCanonical)), "{newline:?}");
    let absent = changed(RESIDUE, |residue| drop(residue.as_object_mut().unwrap().remove("locked")));
    assert!(matches!(absent, Err(EntryError::NotCanonical)), "{absent:?}");
}

/// The bound is exclusive: with a retain of nothing it is the microsecond after `eligible`.
#[test]
fn a_cut_off_just_past_the_eligible_instant_is_accepted() {
    let past = json!("2026-11-23T14:15:35.000001Z");
    assert!(changed(STARTED, |sweep| sweep["cutoff"] = past.clone()).is_ok());
    assert!(changed(COMMITTED, |seal| seal["cutoff"] = past.clone()).is_ok());
}

#[test]
fn an_instant_is_cut_to_the_microsecond_and_kept_below_the_year_10000() {
    let node = NodeName::parse("n").unwrap();
    let body = &world::bodies()[0];
    let fine = at(0) + chrono::Duration::nanoseconds(1_999);
    assert_eq!(Entry::new(fine, &node, body).unwrap().at(), at(0) + chrono::Duration::microseconds(1));
    let far = "+10000-01-01T00:00:00Z".parse().unwrap();
    assert!(matches!(Entry::new(far, &node, body), Err(EntryError::Instant { .. })));
}

#[test]
fn an_entry_that_no_tile_could_hold_is_refused() {
    let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(66_000));
    let rule_json = RuleDocument::parse(&text).unwrap();
    let Body::RuleVersion(mut version) = world::bodies().remove(RULE) else { panic!("no rule.version") };
    version.rule_sha256 = rule_json.digest();
    version.rule_json = rule_json;
    let entry = Entry::new(at(0), &NodeName::parse("n").unwrap(), &Body::RuleVersion(version));
    assert!(matches!(entry, Err(EntryError::TooLong { .. })));
}

#[test]
fn canonical_json_has_one_spelling() {
    for text in [
        "{}",
        "[]",
        "null",
        r#"{"a":[1,-1,true,null,"é"],"b":{"":"\"\\\b\f\n\r\t\u0000\u001f/"}}"#,
        "9007199254740991",
        "-9007199254740991",
    ] {
        assert_eq!(canonical::write(&canonical::parse(text.as_bytes()).unwrap()), text);
    }
    for text in [
        "",
        "{} ",
        "9007199254740992",
        "-9007199254740992",
        "1.0",
        "-0",
        "1e1",
        r#"{"b":1,"a":1}"#,
        r#"{"é":1}"#,
        r#"{"a":1,"a":1}"#,
        r#""\u001F""#,
        r#""\/""#,
        "[1, 2]",
        r#""\ud800""#,
    ] {
        assert!(canonical::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(RuleDocument::parse("[]").is_err());
}

#[test]
fn lengths_are_told_in_two_digits() {
    for (seconds, down, up) in [
        (0, 0, 0),
        (9, 9, 9),
        (99, 99, 99),
        (100, 100, 100),
        (101, 100, 110),
        (995, 990, 1_000),
        (86_399, 86_000, 87_000),
    ] {
        assert_eq!((floor(seconds), ceiling(seconds)), (down, up), "{seconds}");
    }
    for seconds in 0..100_000 {
        let (down, up) = (floor(seconds), ceiling(seconds));
        assert!(down <= seconds && seconds <= up && up - down <= seconds.div_ceil(10), "{seconds}");
        assert_eq!((floor(up), ceiling(down)), (up, down), "{seconds}");
    }
}

#[test]
fn a_timing_that_contradicts_itself_is_refused() {
    let bodies = world::bodies();
    let Body::BatchIntent(good) = &bodies[world::INTENT] else { panic!("no intent") };
    let refused = |change: &dyn Fn(&mut BatchIntent)| {
        let mut intent = good.clone();
        change(&mut intent);
        let node = NodeName::parse("node-1").unwrap();
        Entry::new(world::at(0), &node, &Body::BatchIntent(intent)).is_err()
    };
    let promise =
        |name: &str, late, margin| Bound { promise: Some(PromiseName::parse(name).unwrap()), late, margin };
    let timing = |intent: &mut BatchIntent| intent.timing.clone().unwrap();
    assert!(!refused(&|_| {}));
    assert!(refused(&|i| i.timing = None));
    assert!(refused(&|i| i.unit = Some(BatchId::parse("B9").unwrap())));
    for change in [
        (&|t: &mut Timing| t.waited[0].n += 1) as &dyn Fn(&mut Timing),
        &|t| t.waited[0].within = 86_399,
        &|t| t.waited[0].within = 59,
        &|t| t.waited.insert(0, t.waited[0]),
        &|t| t.waited.push(Waited { within: 90_000, n: 0 }),
        &|t| t.bounds.clear(),
        &|t| t.bounds[0].late = 1_000,
        &|t| t.bounds[0].margin = None,
        &|t| t.bounds[0].margin = Some(3_601),
        &|t| t.bounds.insert(0, promise("a", 0, Some(1))),
        &|t| t.bounds.extend([promise("b", 0, Some(1)), promise("a", 0, Some(1))]),
        &|t| t.bounds.extend([promise("a", 0, Some(1)), promise("a", 0, Some(1))]),
    ] {
        assert!(refused(&|intent| {
            let mut changed = timing(intent);
            change(&mut changed);
            intent.timing = Some(changed);
        }));
    }
    assert!(!refused(&|i| {
        let mut more = timing(i);
        more.bounds.push(promise("a", more.waited[0].n, None));
        i.timing = Some(more);
    }));
}

/// Everything counted: 7 remain, 2 of them held, 1 overdue; 2 have no time; 3 were refused.
fn residue() -> Residue {
    let residue = world::bodies().into_iter().find_map(|body| match body {
        Body::Residue(residue) => Some(residue),
        _ => None,
    });
    let why = |of, reason, n| Why { of, reason: ReasonText::parse(reason).unwrap(), n };
    Residue {
        remaining: Some(7),
        held: Some(2),
        refused: Some(3),
        undated: Some(2),
        bounds: vec![Bound { promise: None, late: 1, margin: Some(60) }],
        why: vec![
            why(Left::Undated, "null", 1),
            why(Left::Undated, "unreadable", 1),
            why(Left::Refused, "a constraint", 3),
            why(Left::Obstacle, "symbolic link", 9),
        ],
        ..residue.unwrap()
    }
}

#[test]
fn a_residue_that_contradicts_itself_is_refused() {
    let node = NodeName::parse("node-1").unwrap();
    let refused = |change: &dyn Fn(&mut Residue)| {
        let mut changed = residue();
        change(&mut changed);
        Entry::new(world::at(0), &node, &Body::Residue(changed)).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(!refused(&|r| (r.bounds[0].late, r.bounds[0].margin) = (5, None)), "all of them are late");
    assert!(!refused(&|r| r.why.clear()), "no reasons are told");
    assert!(!refused(&|r| (r.remaining, r.held, r.bounds) = (None, None, Vec::new())), "nothing was counted");
    assert!(!refused(&|r| {
        r.undated = None;
        r.why.drain(..2);
    }));
    for (what, change) in [
        ("more are late than remain", (&|r: &mut Residue| r.bounds[0].late = 8) as &dyn Fn(&mut Residue)),
        ("more are late than remain without a hold", &|r| r.bounds[0].late = 6),
        ("all are late, and time is left", &|r| r.bounds[0].late = 5),
        ("not all are late, and no time is left", &|r| r.bounds[0].margin = None),
        ("more are held than remain", &|r| r.held = Some(8)),
        ("what was not counted stands to a bound", &|r| r.remaining = None),
        ("a reason is missing", &|r| drop(r.why.remove(0))),
        ("more undated than there are", &|r| r.why[0].n = 2),
        ("undated that nobody counted", &|r| r.undated = None),
        ("fewer refused than there are", &|r| r.refused = Some(4)),
        ("refused that nobody counted", &|r| r.refused = None),
    ] {
        assert!(refused(change), "{what}");
    }
}

#[test]
fn an_intent_that_was_measured_after_it_was_written_is_refused() {
    let node = NodeName::parse("node-1").unwrap();
    let Body::BatchIntent(good) = &world::bodies()[world::INTENT] else { panic!("no intent") };
    let at = |micros| {
        let mut intent = good.clone();
        intent.timing.as_mut().unwrap().at = world::at(0) + chrono::TimeDelta::microseconds(micros);
        Entry::new(world::at(0), &node, &Body::BatchIntent(intent)).is_ok()
    };
    assert_eq!([-1, 0, 1].map(at), [true, true, false]);
}
