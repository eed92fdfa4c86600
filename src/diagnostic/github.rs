//! Problems as GitHub's workflow commands, which show them beside the lines of a pull request.

use std::fmt::Write as _;

use super::{Diagnostic, Diagnostics, Severity};

impl Diagnostics {
    /// One command a line. A runner shows ten of a kind; the rest is in its log.
    pub fn to_github(&self) -> String {
        let mut out = String::new();
        for diagnostic in self {
            let _ = writeln!(out, "{}", diagnostic.to_github());
        }
        out
    }
}

impl Diagnostic {
    fn to_github(&self) -> String {
        let source = self.place.source();
        let (start, end) = (source.position(self.place.span().start), source.position(self.place.span().end));
        let command = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // A column is a column of one line: what spans several is marked by its lines.
        let columns = if start.line == end.line {
            format!(",col={},endColumn={}", start.column, end.column)
        } else {
            String::new()
        };
        format!(
            "::{command} file={},line={},endLine={}{columns},title={}::{}",
            property(&source.path().display().to_string()),
            start.line,
            end.line,
            self.code_text(),
            data(&format!("{}\nhelp: {}", self.message, self.help))
        )
    }
}

/// Text after the command's `::`, which a line's end would end.
pub fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Place, Source, SourceKind};
    use super::*;

    #[test]
    fn what_a_file_says_cannot_end_the_command() {
        let source = Source::new(SourceKind::Rules, "a,b:c%.toml", "x = 1\ny = 2\n");
        let at = |span| Place::new(std::sync::Arc::clone(&source), span);
        let one = Diagnostic::error(Code::BadValue, at(4..5), "100 % wrong", "do\nbetter");
        assert_eq!(
            one.to_github(),
            "::error file=a%2Cb%3Ac%25.toml,line=1,endLine=1,col=5,endColumn=6,title=R006::100 %25 wrong%0Ahelp: do\u{fffd}better"
        );
        let two = Diagnostic::warning(Code::Idle, at(0..11), "both", "see");
        assert_eq!(
            two.to_github(),
            "::warning file=a%2Cb%3Ac%25.toml,line=1,endLine=2,title=R026::both%0Ahelp: see"
        );
    }
}
