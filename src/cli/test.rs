//! `expunged test`: the tests inside the rule files.

use serde_json::json;

use super::{Exit, Format, Global, Outcome};
use crate::deployment::rules_only;
use crate::sweep::trial;

pub(super) async fn run(global: &Global) -> Outcome {
    let (rules, _) = rules_only(&global.config, global.rules.as_deref())?;
    let (mut passed, mut failed) = (0u32, 0u32);
    let mut results = Vec::new();
    for (_, rule) in rules.rules() {
        for test in &rule.tests {
            let failures = trial::run(rule, test).await;
            let word = if failures.is_empty() { "PASS" } else { "FAIL" };
            if failures.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
            match global.format {
                Format::Json => results.push(json!({
                    "rule": rule.id.to_string(), "test": test.name, "place": test.place,
                    "passed": failures.is_empty(), "failures": failures,
                })),
                Format::Text => {
                    println!("{word} {}: {}", rule.id, test.name);
                    for failure in &failures {
                        println!("     {}: {failure}", test.place);
                    }
                }
            }
        }
    }
    match global.format {
        Format::Json => println!("{}", json!({ "passed": passed, "failed": failed, "tests": results })),
        Format::Text => println!("{passed} passed, {failed} failed"),
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Rules })
}
