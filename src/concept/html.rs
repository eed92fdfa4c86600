//! The concept as one page: no script, nothing from elsewhere, to be printed or read on a screen.

use askama::Template;

use super::document::{Block, CellLine, Document};
use super::overview::document;
use super::view::Concept;
use crate::rules::prose::Span;

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the concept as a page")]
pub struct PageError {
    #[source]
    source: askama::Error,
}

#[derive(Template)]
#[template(path = "concept.html", config = "src/concept/askama.toml")]
struct Page {
    document: Document,
}

impl Concept {
    /// As one file of HTML.
    pub fn to_html(&self) -> Result<String, PageError> {
        Page { document: document(self) }.render().map_err(|source| PageError { source })
    }
}
