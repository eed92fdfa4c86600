//! What sweeps obey stands in tables beside the ledger: whoever changes a row there is found by whoever verifies.

use super::{DUE, hold, json, sound, world};

#[test]
fn what_the_state_has_in_force_and_the_ledger_has_not_is_found_and_the_other_way_round() {
    let world = world();
    let on_anna = hold(&world, &["site", "--subject", "anna"], 0);
    let on_rule = hold(&world, &["site/account"], 0);
    json(&world, &["erase", "request", "site", "boris"], 0);
    json(&world, &["erase", "request", "site", "anna"], 0);
    world.ran(&["approve", "site/account", "--up-to", "10"], 0);
    world.ran(&["pause"], 0);
    sound(&world);
    world.fold();
    let state = std::fs::read(world.path("state.db")).unwrap();
    let (on_anna, on_rule) = (on_anna["hold"].as_str().unwrap(), on_rule["hold"].as_str().unwrap());
    let here = |what: &str| format!("{what} in the state than in entry");
    let cases = [
        (
            "DELETE FROM hold WHERE rule IS NOT NULL",
            format!("hold `{on_rule}` is in force by entry 2, and not"),
        ),
        (
            "UPDATE hold SET released = 0 WHERE personal",
            format!("hold `{on_anna}` is in force by entry 1, and not"),
        ),
        ("UPDATE hold SET service = 'other'", here("has another service")),
        ("UPDATE hold SET rule = 'site/other'", here("has another rule")),
        ("UPDATE hold SET personal = 0", here("has another data subject")),
        ("UPDATE hold SET subject = zeroblob(60) WHERE personal", here("has another data subject")),
        (
            "UPDATE hold SET placed = 0 WHERE personal",
            format!("hold `{on_anna}` is in force in the state, and not"),
        ),
        ("DELETE FROM request", "and nobody answers it".to_owned()),
        ("UPDATE request SET ended = 0, ended_at = 0", "and nobody answers it".to_owned()),
        ("UPDATE request SET service = 'other'", here("has another service")),
        ("UPDATE request SET received_at = 0", here("has another receipt")),
        ("UPDATE request SET deadline = deadline + 1", here("has another deadline")),
        ("DELETE FROM pause", "the pause is in force by entry 6, and not".to_owned()),
        ("UPDATE pause SET ended = 0", "the pause is in force by entry 6, and not".to_owned()),
        (
            "UPDATE approval SET up_to = 1000",
            "the approval of `site/account` is in force in the state".to_owned(),
        ),
        ("INSERT INTO approval SELECT 0, rule, sha256, up_to FROM approval", "not by entry 0".to_owned()),
    ];
    for (statement, said) in cases {
        world.sql_on("state.db", statement);
        let found = world.ran(&["ledger", "verify"], 4);
        assert!(found.stdout.contains(&said), "{statement}: {}", found.text());
        assert!(found.stdout.contains("NOT SOUND"), "{statement}: {}", found.text());
        let found = json(&world, &["ledger", "verify"], 4);
        assert!(found["contradictions"][0].as_str().unwrap().contains("stop file"), "{found}");
        world.fold();
        std::fs::write(world.path("state.db"), &state).unwrap();
    }
    sound(&world);
}

#[test]
fn an_order_that_the_ledger_has_ended_is_found_in_force() {
    let world = world();
    json(&world, &["erase", "request", "site", "boris"], 0);
    let request = json(&world, &["erase", "list"], 0)["requests"][0]["request"].as_str().unwrap().to_owned();
    json(&world, &["erase", "withdraw", &request], 0);
    sound(&world);
    world.sql_on("state.db", "UPDATE request SET ended = NULL");
    let found = world.ran(&["ledger", "verify"], 4);
    assert!(found.stdout.contains("what it demands is disposed of"), "{}", found.text());
}

#[test]
fn an_intent_without_an_outcome_is_found_where_nobody_would_look_at_it() {
    let world = world();
    world.sql(&format!("INSERT INTO account VALUES (9, 'carla', {DUE})"));
    world.killed_at(&["sweep"], "intent.after", 1);
    world.ran(&["ledger", "verify"], 1);
    world.sql_on("state.db", "UPDATE batch SET outcome = 0");
    let found = world.ran(&["ledger", "verify"], 4);
    assert!(found.stdout.contains("its records may be gone, and nobody looks"), "{}", found.text());
}

/// Orders come beside a verification: it compares what was in force at one instant.
#[cfg(feature = "test-hooks")]
#[test]
fn an_order_beside_a_verification_is_no_contradiction() {
    let world = world();
    hold(&world, &["site", "--subject", "anna"], 0);
    let verified = world.run_paused("obeyed.after", &["ledger", "verify"], || {
        hold(&world, &["site"], 0);
    });
    assert!(verified.stdout.starts_with("sound: "), "{}", verified.text());
}
