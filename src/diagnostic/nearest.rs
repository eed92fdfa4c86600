//! "Did you mean": the known name nearest to an unknown one.

/// The known name that differs in at most a third of its letters, and in three at most.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // No key is longer; a name of a megabyte is not a misspelling.
    if name.len() > 64 {
        return None;
    }
    let near = known.iter().map(|k| (distance(name, k), *k)).min()?;
    (near.0 <= (near.1.len().max(name.len()) / 3).clamp(1, 3)).then_some(near.1)
}

/// The help for an unknown name: the one that was probably meant, and why the two differ where the eye cannot tell; or what there
/// is to say otherwise.
pub fn did_you_mean(name: &str, known: &[&str], otherwise: impl Into<String>) -> String {
    let Some(near) = nearest(name, known) else { return otherwise.into() };
    let strange = |one: &str, other: &str| one.chars().find(|c| !c.is_ascii() && !other.contains(*c));
    let why = match (strange(name, near), strange(near, name)) {
        (Some(c), _) => format!(" It differs in `{c}` (U+{:04X}), which this name holds", u32::from(c)),
        (None, Some(c)) => format!(" It differs in `{c}` (U+{:04X}), which that name holds", u32::from(c)),
        (None, None) => String::new(),
    };
    format!("did you mean `{near}`?{why}")
}

/// Insertions, deletions and replacements between the two (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let known = ["retain", "delete_by", "table"];
        assert_eq!(nearest("retian", &known), Some("retain"));
        assert_eq!(nearest("deleteby", &known), Some("delete_by"));
        assert_eq!(nearest("tables_", &known), Some("table"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn a_letter_that_only_looks_alike_is_pointed_out() {
        let cyrillic = "\u{430}ccount";
        assert_eq!(did_you_mean("acount", &["account"], ""), "did you mean `account`?");
        assert_eq!(
            did_you_mean(cyrillic, &["account"], ""),
            "did you mean `account`? It differs in `\u{430}` (U+0430), which this name holds"
        );
        assert_eq!(
            did_you_mean("account", &[cyrillic], ""),
            format!("did you mean `{cyrillic}`? It differs in `\u{430}` (U+0430), which that name holds")
        );
    }
}
