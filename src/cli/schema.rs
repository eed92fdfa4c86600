//! `expunged schema`: JSON Schema of the TOML formats, for editors.

use clap::ValueEnum;

use super::Exit;
use crate::{config, rules};

/// Which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Schema {
    /// A service's rule file.
    Rules,
    /// The main configuration.
    Configuration,
}

pub(super) fn run(schema: Schema) -> Exit {
    let json = match schema {
        Schema::Rules => {
            rules::document::FILE.json_schema("urn:expunged:schema:rules", "Rules of one service (expunged)")
        }
        Schema::Configuration => {
            config::FILE.json_schema("urn:expunged:schema:configuration", "Configuration (expunged)")
        }
    };
    println!("{json:#}");
    Exit::Done
}
