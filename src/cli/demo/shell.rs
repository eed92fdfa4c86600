//! Commands for a person to paste.

use std::path::{Path, PathBuf};

use super::home::Home;
use super::world::{Fate, World};

/// How to prove one disposal and to verify the proof; each works in a shell as it stands, from where the demo ran.
#[derive(Debug, Clone)]
pub struct Commands {
    /// Writes the proof of a record that was disposed of.
    pub prove: String,
    /// Verifies it.
    pub verify: String,
    /// Reports what happened, as a page.
    pub report: String,
    /// Explains a record that is still there.
    pub explain: String,
    /// Removes what the demo left.
    pub remove: String,
}

impl Commands {
    pub(super) fn of(world: &World, home: &Home) -> anyhow::Result<Self> {
        let rule = "my-kaspersky/account";
        let accounts = world.rule("my-kaspersky", "account");
        let example = |fate| {
            let found =
                accounts.and_then(|accounts| accounts.cases.iter().find(|(_, case)| case.fate == fate));
            found.map(|(id, _)| id).ok_or_else(|| anyhow::anyhow!("the world holds no record of every fate"))
        };
        let (id, undated) = (example(Fate::Due)?, example(Fate::Undated)?);
        let program = quoted(&short(&std::env::current_exe()?));
        let proof = quoted(&home.directory().join(format!("{id}.tlog-proof")));
        let (config, key) = (quoted(&home.config()), quoted(&home.verifier_key()));
        let page = quoted(&home.directory().join("report.html"));
        Ok(Self {
            prove: format!("{program} --config {config} prove {rule} {id} --out {proof}"),
            verify: format!("{program} verify --key {key} {proof}"),
            report: format!("{program} --config {config} report --format html --out {page}"),
            explain: format!("{program} --config {config} explain {rule} {undated}"),
            remove: format!("rm -r {}", quoted(home.directory())),
        })
    }
}

/// Relative to the working directory where that is shorter; never a bare name, which the shell would look for elsewhere.
fn short(program: &Path) -> PathBuf {
    let relative = std::env::current_dir().ok().and_then(|here| program.strip_prefix(here).ok());
    match relative {
        Some(relative) if relative.components().count() > 1 => relative.to_owned(),
        Some(relative) => Path::new(".").join(relative),
        None => program.to_owned(),
    }
}

/// A path as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !text.starts_with('-') && !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    let text = text.replace('\'', r"'\''");
    // Behind `./` a leading hyphen is no option.
    if text.starts_with('-') { format!("'./{text}'") } else { format!("'{text}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_it_holds() {
        let words = [
            ("/tmp/a-b_1.db", "/tmp/a-b_1.db"),
            ("my world", "'my world'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("-rf", "'./-rf'"),
        ];
        for (path, word) in words {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
