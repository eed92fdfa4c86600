//! Orders that name what no rule file has any more, and orders whose key is gone.

use super::{DUE, REST, SCHEMA, hold, json, release, sound, world};
use crate::world::{DELETED_AT, World, rules, set};

fn rename(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.path("rules/site.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    world.rules(&text.replace(from, to));
}

#[test]
fn a_hold_on_a_rule_that_was_renamed_keeps_its_service() {
    let world = world();
    let held = hold(&world, &["site/account", "--subject", "anna"], 0);
    let before = world.contents();
    rename(&world, "id = \"account\"", "id = \"accounts\"");
    let refused = world.ran(&["sweep"], 5);
    assert!(refused.stderr.contains("covered records of `site/account` that no rule"), "{}", refused.text());
    assert_eq!(world.contents(), before);
    let status = world.ran(&["status"], 1);
    assert!(status.stderr.contains("covered records of `site/account`"), "{}", status.text());
    let again = hold(&world, &["site/accounts", "--subject", "anna"], 0);
    release(&world, &held);
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1", "2", "3", "5"]));
    assert_eq!(json(&world, &["status"], 0)["lost_orders"], serde_json::json!([]));
    release(&world, &again);
    sound(&world);
}

#[test]
fn a_hold_on_a_service_that_was_renamed_keeps_everything() {
    let world = world();
    let held = hold(&world, &["site"], 0);
    let asked = json(&world, &["erase", "request", "site", "boris"], 0);
    let before = world.contents();
    std::fs::rename(world.path("rules/site.toml"), world.path("rules/shop.toml")).unwrap();
    assert!(world.ran(&["sweep"], 5).stderr.contains("covered records of `site` that no rule"));
    assert_eq!(world.contents(), before);
    let lost = json(&world, &["status"], 1)["lost_orders"].clone();
    assert_eq!(lost.as_array().unwrap().len(), 2, "{lost}");
    release(&world, &held);
    world.ran(&["erase", "withdraw", asked["request"].as_str().unwrap()], 0);
    assert_eq!(json(&world, &["status"], 0)["lost_orders"], serde_json::json!([]));
    json(&world, &["sweep"], 0);
    sound(&world);
}

/// Another service over the same records.
fn second_service(world: &World, id: &str, rest: &str) {
    let shop = rules(DELETED_AT, rest)
        .replace("\"Site\"", "\"Shop\"")
        .replace("id = \"account\"", &format!("id = \"{id}\""));
    world.write("rules/shop.toml", &shop);
}

/// Whatever else is over its records may dispose of them, in any service.
#[test]
fn a_lost_hold_stops_the_rules_of_other_services_too() {
    let world = World::new(&rules(DELETED_AT, REST), SCHEMA);
    world.sql(&format!("INSERT INTO account VALUES (1, 'anna', {DUE}), (2, 'boris', {DUE})"));
    second_service(&world, "contact", REST);
    let held = hold(&world, &["site/account"], 0);
    assert_eq!(held["held_along"], serde_json::json!(["shop/contact"]));
    let before = world.contents();
    rename(&world, "id = \"account\"", "id = \"accounts\"");
    world.ran(&["sweep", "shop/contact"], 5);
    world.ran(&["sweep"], 5);
    assert_eq!(world.contents(), before);
}

/// The service is still there, but the rule has moved, or knows its people no more, or by another column.
#[test]
fn a_hold_whose_rule_moves_or_changes_its_subject_is_lost() {
    let people = SCHEMA.replace("person TEXT", "person TEXT, other TEXT");
    let other = "[[rule]]\nid = \"purchase\"\nclass = \"purchase\"\nkeeps = []\ndatastore = \"site\"\ntable = \"purchase\"\nkey = [\"id\"]\n\
        trigger = { column = \"deleted_at\", pending = [\"null\"] }\nretain = \"50 years\"\ndelete_by = \"200 years\"\naction = \"delete\"\n";
    let people = people.replace("account_id INTEGER", "deleted_at timestamptz, account_id INTEGER");
    let subject = "subject = \"person\"\non_erasure = \"dispose\"\n";
    let both = rules(DELETED_AT, &[subject, other].concat());
    let parts: Vec<&str> = both.split("[[rule]]").collect();
    let moved = [parts[0], parts[2]].join("[[rule]]");
    for (case, changed) in [
        ("moved", moved),
        ("nobody", both.replacen(subject, "", 1)),
        ("another", both.replacen("subject = \"person\"", "subject = \"other\"", 1)),
    ] {
        let world = World::new(&both, &people);
        world.sql(&format!(
            "INSERT INTO account VALUES (1, 'anna', NULL, {DUE}), (2, 'boris', NULL, {DUE}), (3, 'clara', 'boris', NULL)"
        ));
        let held = hold(&world, &["site", "--subject", "anna"], 1);
        assert_eq!(held["answers"][0]["answer"], "held", "{case}");
        let asked = json(&world, &["erase", "request", "site", "boris"], 0);
        world.rules(&changed);
        if case == "moved" {
            second_service(&world, "account", subject);
        }
        let before = world.contents();
        let refused = world.ran(&["sweep"], 5);
        assert_eq!(world.contents(), before, "{case}: {}", refused.text());
        let lost = json(&world, &["status"], 1);
        assert_eq!(lost["lost_orders"].as_array().unwrap().len(), 2, "{case}: {lost}");
        release(&world, &held);
        world.ran(&["sweep"], 0);
        assert_eq!(
            world.ids("SELECT id FROM account WHERE id = 3"),
            set(&["3"]),
            "{case}: nobody demanded that"
        );
        assert_eq!(world.entries("erasure.answered").len(), 0, "{case}: what it reached may still be there");
        world.ran(&["erase", "withdraw", asked["request"].as_str().unwrap()], 0);
        sound(&world);
    }
}

/// A sweep that runs by the old names meets a hold on a new one.
#[cfg(feature = "test-hooks")]
#[test]
fn a_hold_on_a_name_that_a_running_sweep_does_not_know_stops_it() {
    let world = world();
    let before = world.contents();
    let ran = world.run_paused("prepare.before:1", &["sweep"], || {
        rename(&world, "id = \"account\"", "id = \"accounts\"");
        hold(&world, &["site/accounts"], 0);
    });
    assert_eq!(ran.code, 5, "{}", ran.text());
    assert_eq!(world.contents(), before);
    sound(&world);
}

/// A request is shown and listed even when nobody knows its service any more.
#[test]
fn a_request_to_a_service_that_was_renamed_is_shown() {
    let world = world();
    let asked = json(&world, &["erase", "request", "site", "boris"], 0);
    std::fs::rename(world.path("rules/site.toml"), world.path("rules/shop.toml")).unwrap();
    let id = asked["request"].as_str().unwrap();
    let shown = json(&world, &["erase", "show", id], 2);
    assert_eq!((&shown["request"], &shown["rules"]), (&asked["request"], &serde_json::Value::Null));
    assert!(shown["error"].as_str().unwrap().contains("there is no service `site`"), "{shown}");
    let text = world.ran(&["erase", "show", id], 2);
    assert!(text.stdout.contains(id) && text.stderr.contains("no service"), "{}", text.text());
}

/// The demand is on record before anybody looks what it reaches.
#[test]
fn a_request_is_on_record_though_no_datastore_answers() {
    let world = world();
    std::fs::rename(world.path("site.db"), world.path("away.db")).unwrap();
    let asked = json(&world, &["erase", "request", "site", "boris"], 69);
    assert!(asked["error"].is_string(), "{asked}");
    std::fs::rename(world.path("away.db"), world.path("site.db")).unwrap();
    let listed = json(&world, &["erase", "list"], 0);
    assert_eq!(listed["requests"][0]["request"], asked["request"]);
    json(&world, &["sweep"], 0);
    assert_eq!(world.entries("erasure.answered").len(), 1);
    sound(&world);
}

/// Another key would open none of the orders that stand.
#[test]
fn a_lost_key_is_not_made_anew_while_orders_are_sealed_with_it() {
    let world = world();
    let held = hold(&world, &["site", "--subject", "anna"], 0);
    let key = world.path("keys").join("orders.key");
    std::fs::rename(&key, world.path("away")).unwrap();
    for order in [
        &["hold", "place", "site", "--subject", "boris", "--reference", "C-1"][..],
        &["erase", "request", "site", "boris"],
    ] {
        let refused = world.ran(order, 5);
        assert!(refused.stderr.contains("orders.key"), "{}", refused.text());
        assert!(!key.exists());
        std::fs::write(&key, [7; 32]).unwrap();
        let refused = world.ran(order, 5);
        assert!(refused.stderr.contains("cannot be read"), "{}", refused.text());
        crate::files::world::remove(&key);
    }
    assert_eq!((world.entries("hold.placed").len(), world.entries("erasure.requested").len()), (1, 0));
    // What names nobody needs no key, and ends.
    release(&world, &hold(&world, &["site"], 0));
    release(&world, &held);
    hold(&world, &["site", "--subject", "boris"], 0);
    json(&world, &["sweep"], 1);
    assert_eq!(world.ids("SELECT id FROM account"), set(&["3", "4", "5"]));
    sound(&world);
}

/// The orders of one service stop no other.
#[test]
fn a_key_that_is_gone_stops_the_services_whose_orders_it_seals() {
    let world = world();
    let other = rules(DELETED_AT, "")
        .replace("\"Site\"", "\"Shop\"")
        .replace("datastore = \"site\"", "datastore = \"shop\"");
    world.write("rules/shop.toml", &other);
    world.configure(
        "[datastore.site]",
        "[datastore.shop]\nkind = \"sqlite\"\nurl = \"sqlite://shop.db\"\n\n[datastore.site]",
    );
    world.sql_on("shop.db", SCHEMA);
    world.sql_on("shop.db", &format!("INSERT INTO account VALUES (1, 'anna', {DUE})"));
    json(&world, &["erase", "request", "site", "anna"], 0);
    let before = world.contents();
    crate::files::world::remove(&world.path("keys").join("orders.key"));
    let swept = json(&world, &["sweep"], 5);
    assert_eq!(swept["rules"].as_array().unwrap().len(), 2, "{swept}");
    assert_eq!(world.list_on("shop.db", "SELECT id FROM account"), [""; 0]);
    assert_ne!(world.contents(), before, "what the schedule disposes of knows no requests");
    assert!(world.ids("SELECT id FROM account").contains("3"));
    sound(&world);
}

#[test]
fn a_column_of_floating_point_numbers_names_nobody() {
    let schema = SCHEMA.replace("person TEXT", "person REAL");
    let world = World::new(&rules(DELETED_AT, REST), &schema);
    world.sql(&format!("INSERT INTO account VALUES (1, 1.5, {DUE})"));
    let refused = world.ran(&["sweep"], 65);
    assert!(refused.stderr.contains("floating-point"), "{}", refused.text());
    assert_eq!(world.ids("SELECT id FROM account"), set(&["1"]));
}
