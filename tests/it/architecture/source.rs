//! Rust source as far as the house rules need it: tokens without comments and literals, and the paths among them.
//!
//! Not a parser: what it reads has already passed the compiler, so only what is ambiguous to a reader of tokens is
//! handled here.

use std::path::{Path, PathBuf};

/// One token. Comments are gone, so that a link in a doc comment is not an import; literals are gone, so that a test
/// may quote what it forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword.
    Word(String),
    /// `::`.
    Colons,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// Whether it is this name.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(w) if w == word)
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory of the repository, with its path from there, sorted.
pub fn rust_files(directory: &str) -> Vec<(PathBuf, String)> {
    let base = root().join(directory);
    let rust =
        crate::listing::files(&base).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let found: Vec<_> = rust
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&base).unwrap().to_owned(), text)
        })
        .collect();
    assert!(!found.is_empty(), "no Rust file below `{directory}`");
    found
}

/// Takes source apart.
pub fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    // Ends: every arm moves on by at least one character.
    while i < text.len() {
        match at(i) {
            '/' if at(i + 1) == '/' => i += text[i..].iter().take_while(|c| **c != '\n').count(),
            '/' if at(i + 1) == '*' => i = after_block_comment(&text, i),
            '"' => i = after_string(&text, i + 1),
            '\'' => i = after_quote(&text, i),
            ':' if at(i + 1) == ':' => {
                tokens.push(Token::Colons);
                i += 2;
            }
            c if is_name(c) => {
                let end = i + text[i..].iter().take_while(|c| is_name(**c)).count();
                let word: String = text[i..end].iter().collect();
                i = end;
                match (word.as_str(), at(end)) {
                    ("r" | "br" | "cr", '"' | '#') if raw_quote(&text, end) => {
                        i = after_raw_string(&text, end);
                    }
                    ("r", '#') => i += 1,
                    _ => tokens.push(Token::Word(word)),
                }
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token::Mark(c));
                }
                i += 1;
            }
        }
    }
    tokens
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_block_comment(text: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < text.len() {
        match (text[i], text.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(text: &[char], mut i: usize) -> usize {
    while i < text.len() && text[i] != '"' {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Behind a character literal, or behind the quote of a lifetime or label.
fn after_quote(text: &[char], i: usize) -> usize {
    match (text.get(i + 1), text.get(i + 2)) {
        // The escaped character may itself be a quote.
        (Some('\\'), _) => i + 3 + text[i + 3..].iter().take_while(|c| **c != '\'').count() + 1,
        (Some(_), Some('\'')) => i + 3,
        _ => i + 1,
    }
}

fn raw_quote(text: &[char], i: usize) -> bool {
    text[i..].iter().find(|c| **c != '#') == Some(&'"')
}

fn after_raw_string(text: &[char], i: usize) -> usize {
    let hashes = text[i..].iter().take_while(|c| **c == '#').count();
    let mut end = i + hashes + 1;
    while end < text.len() {
        if text[end] == '"' && text[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return end + 1 + hashes;
        }
        end += 1;
    }
    end
}

/// The module that a file under `src` is, as names from the crate's root.
pub fn module_of(file: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        file.with_extension("").iter().map(|n| n.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|n| n == "mod" || n == "lib") {
        names.pop();
    }
    names
}

/// Every path in a module that begins with `crate`, `super` or `self`, in full from the crate's root, imports and
/// inline paths alike. A path that ends at the root itself is empty.
pub fn paths(module: &[String], tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    // Inline modules: where each ends, by the depth of braces.
    let mut inside: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('{') => {
                depth += 1;
                if let [.., Token::Word(keyword), Token::Word(name)] = &tokens[..i]
                    && keyword == "mod"
                {
                    inside.push((depth, name.clone()));
                }
            }
            Token::Mark('}') => {
                inside.retain(|(d, _)| *d < depth);
                depth -= 1;
            }
            Token::Word(word) if ["crate", "super", "self"].contains(&word.as_str()) => {
                let begins = i == 0 || tokens[i - 1] != Token::Colons;
                let goes_on = tokens.get(i + 1) == Some(&Token::Colons)
                    // `use crate as c`: the rest of the tree under a name of its own.
                    || (word != "self" && tokens.get(i + 1).is_some_and(|t| t.is("as")));
                if begins && goes_on {
                    let mut here = module.to_vec();
                    here.extend(inside.iter().map(|(_, name)| name.clone()));
                    tree(tokens, i, &here, &mut found);
                }
            }
            Token::Word(_) | Token::Colons | Token::Mark(_) => {}
        }
    }
    found
}

/// Follows one path, and into the braces of an import; the position behind it.
fn tree(tokens: &[Token], mut i: usize, from: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = from.to_vec();
    loop {
        match tokens.get(i) {
            Some(Token::Word(word)) => match word.as_str() {
                "crate" => path.clear(),
                "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            },
            Some(Token::Mark('*')) => path.push("*".to_owned()),
            Some(Token::Mark('{')) => {
                i += 1;
                while !matches!(tokens.get(i), None | Some(Token::Mark('}'))) {
                    // `super` in braces stands before anything else, so the path so far is what it leaves.
                    i = tree(tokens, i, &path, found);
                    while !matches!(tokens.get(i), None | Some(Token::Mark(',' | '}'))) {
                        i += 1;
                    }
                    i += usize::from(tokens.get(i) == Some(&Token::Mark(',')));
                }
                return i + 1;
            }
            // `Vec::<T>` and the like: the path has ended.
            _ => break,
        }
        if tokens.get(i + 1) != Some(&Token::Colons) {
            i += 1;
            break;
        }
        i += 2;
    }
    found.push(path);
    i
}
