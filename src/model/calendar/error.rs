//! Why a time zone was refused.

/// A time zone that the database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone `{name}` is not in the IANA database {version}: {}", advice(*.nearest))]
pub struct ZoneError {
    /// As written.
    pub name: String,
    /// The database's version, such as `2025b`.
    pub version: &'static str,
    /// The existing name that was most likely meant.
    pub nearest: Option<&'static str>,
}

fn advice(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("write `{nearest}` if that is meant"),
        None => "write a name such as `Europe/Berlin`".to_owned(),
    }
}
