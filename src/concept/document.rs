//! What stands in the concept, before it is Markdown or a page.

use crate::rules::prose::Line;

/// The whole text.
pub(super) struct Document {
    /// What it is about.
    pub title: Line,
    /// What it was written from, and by what.
    pub written: Vec<Line>,
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

/// A part, with a heading of its own.
pub(super) struct Section {
    /// What leads here; no two are alike.
    pub id: String,
    /// Its heading.
    pub title: Line,
    /// What stands under it.
    pub blocks: Vec<Block>,
}

/// What stands under a heading.
pub(super) enum Block {
    /// A heading within a section.
    Heading(Line),
    /// Some sentences.
    Text(Line),
    /// Smaller print.
    Note(Line),
    /// Things of which none is first.
    List(Vec<Line>),
    /// Words, and what they mean or are.
    Terms(Vec<(Line, Line)>),
    /// Rows.
    Table(Table),
}

/// A table.
pub(super) struct Table {
    /// Which columns it has, for its looks alone.
    pub kind: TableKind,
    /// What it shows.
    pub caption: Line,
    /// The heads of its columns.
    pub head: Vec<Line>,
    /// As many cells each as the head has.
    pub rows: Vec<Vec<Cell>>,
}

/// What a table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    /// Services.
    Services,
    /// Deletion classes: periods by kinds of start.
    Matrix,
    /// Time limits.
    Limits,
    /// Promises.
    Promises,
    /// Data classes and their rules.
    Rules,
    /// Datasets.
    Datasets,
}

impl TableKind {
    /// Its name in the style sheet.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Matrix => "matrix",
            Self::Limits => "limits-table",
            Self::Promises => "promise-table",
            Self::Rules => "rules",
            Self::Datasets => "datasets",
        }
    }
}

/// What stands in a cell, line by line.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Cell(pub Vec<CellLine>);

/// A line of a cell.
#[derive(PartialEq, Eq)]
pub(super) enum CellLine {
    /// What the cell says.
    Main(Line),
    /// What belongs to it.
    Beside(Line),
}

impl Cell {
    /// One line.
    pub(super) fn of(line: Line) -> Self {
        Self(vec![CellLine::Main(line)])
    }

    /// Words alone.
    pub(super) fn words(words: impl AsRef<str>) -> Self {
        Self::of(Line::words(words))
    }

    /// Nothing to say.
    pub(super) fn none() -> Self {
        Self::words("–")
    }

    /// Lines of the same weight; a dash where there are none.
    pub(super) fn lines(lines: impl IntoIterator<Item = Line>) -> Self {
        let cell = Self(lines.into_iter().map(CellLine::Main).collect());
        if cell.0.is_empty() { Self::none() } else { cell }
    }

    /// And this beside it.
    pub(super) fn beside(mut self, line: Line) -> Self {
        self.0.push(CellLine::Beside(line));
        self
    }

    /// And these beside it.
    pub(super) fn beside_all(self, lines: impl IntoIterator<Item = Line>) -> Self {
        lines.into_iter().fold(self, Self::beside)
    }
}
