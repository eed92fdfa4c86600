//! The report as one tidy table: a row a figure.
//!
//! Written from the report's JSON, so that neither form knows a figure that the other does not. What names a thing becomes a
//! column; what is said of it, a `metric` with its `value`; a list within a thing, a section of its own, `promises.keepers`.

use serde_json::{Map, Value};

use super::view::Report;

/// The table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report as a table")]
pub struct TableError {
    #[source]
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Json(serde_json::Error),
    #[error(transparent)]
    Csv(csv::Error),
}

/// Fields that name what a figure is about: columns of their own.
const NAMES: [&str; 6] = ["service", "rule", "promise", "class", "datastore", "dataset"];

/// Fields that tell one thing of a section from the next, where there are several of the same names: the column `item`.
const ITEMS: [&str; 5] = ["hold", "request", "reason", "entry", "action"];

/// The order of the sections: what people ask first.
const SECTIONS: [&str; 15] = [
    "summary",
    "services",
    "promises",
    "disposals",
    "levels",
    "waits",
    "remaining",
    "sweeps",
    "open_intents",
    "holds",
    "requests",
    "pauses",
    "approvals",
    "versions",
    "evidence",
];

/// Where a row belongs: its section, its names, its item.
#[derive(Clone, Default)]
struct About {
    section: String,
    names: [String; NAMES.len()],
    item: String,
}

impl Report {
    /// As CSV (RFC 4180) with the columns `section`, `service`, `rule`, `promise`, `class`, `datastore`, `dataset`, `item`,
    /// `metric`, `value`. An empty value is unknown, or none; it is never zero.
    pub fn to_csv(&self) -> Result<String, TableError> {
        let error = |source| TableError { source };
        let value = serde_json::to_value(self).map_err(|e| error(Cause::Json(e)))?;
        let mut rows = Vec::new();
        if let Value::Object(fields) = &value {
            object(&About { section: "report".to_owned(), ..About::default() }, "", fields, &mut rows);
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = ["section"].into_iter().chain(NAMES).chain(["item", "metric", "value"]);
        writer.write_record(header).map_err(|e| error(Cause::Csv(e)))?;
        for row in rows {
            writer.write_record(row).map_err(|e| error(Cause::Csv(e)))?;
        }
        let bytes = writer.into_inner().map_err(|e| error(Cause::Csv(e.into_error().into())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

type Row = Vec<String>;

/// One thing: what it says of itself first, then its lists. `within`: the field of a thing whose part it is, `late.`.
fn object(about: &About, within: &str, fields: &Map<String, Value>, rows: &mut Vec<Row>) {
    let about = &about.named(fields);
    // The order is that of the names: what the map's own is, a feature of another crate decides.
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    let mut lists = Vec::new();
    for (name, value) in fields {
        let metric = format!("{within}{name}");
        match value {
            Value::Array(list) if list.iter().any(Value::is_object) => lists.push((name, list.as_slice())),
            Value::Object(_) if about.section == "report" => lists.push((name, std::slice::from_ref(value))),
            Value::Object(part) => object(about, &format!("{metric}."), part, rows),
            Value::Array(list) if list.is_empty() => {}
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                if !NAMES.contains(&name.as_str()) {
                    rows.push(about.row(metric, text(value)));
                }
            }
        }
    }
    lists.sort_by_key(|(name, _)| SECTIONS.iter().position(|section| section == name));
    for (name, list) in lists {
        for thing in list.iter().filter_map(Value::as_object) {
            object(&about.within(name), "", thing, rows);
        }
    }
}

impl About {
    /// With the names that a thing gives itself.
    fn named(&self, fields: &Map<String, Value>) -> Self {
        let mut named = self.clone();
        for (place, name) in named.names.iter_mut().zip(NAMES) {
            if let Some(Value::String(text)) = fields.get(name) {
                place.clone_from(text);
            }
        }
        if let [service, rule, ..] = &mut named.names
            && service.is_empty()
            && let Some((of, _)) = rule.split_once('/')
        {
            of.clone_into(service);
        }
        let item = ITEMS.iter().find_map(|item| fields.get(*item)).filter(|item| !item.is_null());
        if let Some(item) = item {
            named.item = text(item);
        }
        named
    }

    fn within(&self, list: &str) -> Self {
        let section = match self.section.as_str() {
            "report" => list.to_owned(),
            section => format!("{section}.{list}"),
        };
        Self { section, ..self.clone() }
    }

    fn row(&self, metric: String, value: String) -> Row {
        let mut row = vec![self.section.clone()];
        row.extend(self.names.iter().cloned());
        row.extend([self.item.clone(), metric, value]);
        row
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
