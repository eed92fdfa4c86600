//! Where a secret stands: a file, or a systemd credential.

use std::path::Path;

use toml::de::DeValue;

use super::SecretSource;
use crate::diagnostic::reader::Entry;
use crate::diagnostic::{Code, quoted};

const FORMS: &str = "`{ file = \"…\" }` or `{ credential = \"…\" }`";

pub(super) fn source(entry: &Entry<'_>, base: &Path) -> Option<SecretSource> {
    // The likeliest slip is the secret itself.
    if let DeValue::String(_) = entry.value() {
        return entry.wrong_type(FORMS);
    }
    let mut table = entry.table()?;
    let file = table.optional("file");
    let credential = table.optional("credential");
    let source = match (&file, &credential) {
        (Some(entry), None) => entry.sentence().map(|text| SecretSource::File(base.join(text))),
        (None, Some(entry)) => name(entry).map(SecretSource::Credential),
        (Some(_), Some(_)) | (None, None) => {
            let message = format!("`{}` names exactly one of `file` and `credential`", entry.key());
            table.refuse(Code::Conflict, message, format!("write {FORMS}"));
            None
        }
    };
    table.finish();
    source
}

fn name(entry: &Entry<'_>) -> Option<String> {
    let text = entry.sentence()?;
    if text.contains('/') || text == "." || text == ".." {
        let help = "write the name that the unit's LoadCredential= gives it";
        entry.refuse(Code::BadValue, format!("{} is a path, not a credential's name", quoted(&text)), help);
        return None;
    }
    Some(text)
}
