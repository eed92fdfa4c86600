//! What `SHOW GRANTS` says: the account's own rights, those of its enabled roles, and those of everybody.

use std::collections::BTreeSet;

/// Rights on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// The account or the role that holds them, as SQL writes it.
    pub(super) grantee: String,
    pub(super) on: Object,
    /// In capitals; of a list of columns or of all.
    pub(super) rights: BTreeSet<String>,
    /// Whether they may be handed on.
    pub(super) option: Option<Handed>,
}

/// Rights that may be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handed;

/// What rights are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Everything,
    /// Databases whose names are like this.
    Databases(String),
    Table(String, String),
}

impl Object {
    /// As SQL writes it.
    pub(super) fn quoted(&self) -> String {
        match self {
            Self::Everything => "*.*".to_owned(),
            Self::Databases(pattern) => format!("{}.*", quote(pattern)),
            Self::Table(database, table) => format!("{}.{}", quote(database), quote(table)),
        }
    }
}

/// A name between backticks.
pub(in super::super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
}

fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '`' | '"' | '\'' => {
                let mut name = String::new();
                // Ends with the line, or at a quote that is not doubled.
                while let Some(inner) = chars.next() {
                    if inner == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    name.push(inner);
                }
                tokens.push(Token::Quoted(name));
            }
            '.' | ',' | '(' | ')' | '*' | '@' => tokens.push(Token::Mark(c)),
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !".,()*@`\"'".contains(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

impl Grant {
    /// One line; none: it is about a role, a routine or a proxy.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let tokens = tokens(line);
        let is = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        let on = (0..tokens.len()).find(|at| is(*at, "ON"))?;
        if !is(0, "GRANT") {
            return None;
        }
        let rights = rights(&tokens[1..on])?;
        let (on, at) = match &tokens[on + 1..] {
            [Token::Mark('*'), Token::Mark('.'), Token::Mark('*'), ..] => (Object::Everything, on + 4),
            [database, Token::Mark('.'), Token::Mark('*'), ..] => {
                (Object::Databases(name(database)?), on + 4)
            }
            [database, Token::Mark('.'), table, ..] => (Object::Table(name(database)?, name(table)?), on + 4),
            _ => return None,
        };
        if !is(at, "TO") {
            return None;
        }
        let grantee = match tokens.get(at + 1..)? {
            [user, Token::Mark('@'), host, ..] => {
                format!("{}@{}", quote(&name(user)?), quote(&name(host)?))
            }
            [Token::Word(everybody), ..] if everybody.eq_ignore_ascii_case("PUBLIC") => "PUBLIC".to_owned(),
            [role, ..] => quote(&name(role)?),
            [] => return None,
        };
        let option = (at..tokens.len()).any(|at| is(at, "GRANT") && is(at + 1, "OPTION")).then_some(Handed);
        Some(Self { grantee, on, rights, option })
    }

    /// Whether one of its rights is this, or all are.
    pub(super) fn has(&self, right: &str) -> bool {
        self.rights.contains(right) || self.is_all()
    }

    pub(super) fn is_all(&self) -> bool {
        self.rights.contains("ALL PRIVILEGES") || self.rights.contains("ALL")
    }
}

/// `SELECT (a, b), SHOW VIEW`, without the columns.
fn rights(tokens: &[Token]) -> Option<BTreeSet<String>> {
    let mut rights = BTreeSet::new();
    let mut words: Vec<String> = Vec::new();
    let mut depth = 0;
    for token in tokens {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth -= 1,
            Token::Mark(',') if depth == 0 => drop(rights.insert(std::mem::take(&mut words).join(" "))),
            Token::Word(word) if depth == 0 => words.push(word.to_ascii_uppercase()),
            // The name of a role.
            Token::Quoted(_) if depth == 0 => return None,
            Token::Word(_) | Token::Quoted(_) | Token::Mark(_) => {}
        }
    }
    rights.insert(words.join(" "));
    Some(rights)
}

fn name(token: &Token) -> Option<String> {
    match token {
        Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
        Token::Mark(_) => None,
    }
}

/// How much of a pattern stands before its first wildcard: of several that a name is like, the server goes by the most exact.
pub(super) fn exactness(pattern: &str) -> usize {
    let mut chars = pattern.chars();
    let mut exact = 0;
    // Ends with the pattern.
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => return exact,
            '\\' => drop(chars.next()),
            _ => {}
        }
        exact += 1;
    }
    usize::MAX
}

/// Whether a name is like a pattern of `LIKE`.
pub(super) fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) = (name.chars().collect(), pattern.chars().collect());
    fits(&name, &pattern)
}

fn fits(name: &[char], pattern: &[char]) -> bool {
    match (pattern, name) {
        ([], rest) => rest.is_empty(),
        (['%', pattern @ ..], _) => (0..=name.len()).any(|from| fits(&name[from..], pattern)),
        (['_', pattern @ ..], [_, name @ ..]) => fits(name, pattern),
        (['\\', escaped, pattern @ ..], [first, name @ ..]) => escaped == first && fits(name, pattern),
        ([exact, pattern @ ..], [first, name @ ..]) => exact == first && fits(name, pattern),
        (_, []) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> (String, Object, Vec<String>, Option<Handed>) {
        let grant = Grant::parse(line).expect(line);
        (grant.grantee, grant.on, grant.rights.into_iter().collect(), grant.option)
    }

    #[test]
    fn a_line_says_who_may_do_what_on_which_object() {
        let all = "GRANT ALL PRIVILEGES ON *.* TO `root`@`127.0.0.1` IDENTIFIED VIA x WITH GRANT OPTION";
        let expected =
            ("`root`@`127.0.0.1`".to_owned(), Object::Everything, vec!["ALL PRIVILEGES".to_owned()]);
        assert_eq!(parsed(all), (expected.0, expected.1, expected.2, Some(Handed)));
        let some = "GRANT SELECT, SELECT (`k`, `id ON`), UPDATE (`k`), DELETE ON `a.b`.`p``q` TO `r`";
        let rights = ["DELETE", "SELECT", "UPDATE"].map(str::to_owned).to_vec();
        let on = Object::Table("a.b".to_owned(), "p`q".to_owned());
        assert_eq!(parsed(some), ("`r`".to_owned(), on, rights, None));
        let database = "GRANT SHOW VIEW ON `h\\_%`.* TO PUBLIC REQUIRE SUBJECT 'WITH GRANT OPTION'";
        let on = Object::Databases("h\\_%".to_owned());
        assert_eq!(parsed(database), ("PUBLIC".to_owned(), on, vec!["SHOW VIEW".to_owned()], None));
        assert_eq!(parsed("GRANT DELETE ON db.t TO u@h").1, Object::Table("db".to_owned(), "t".to_owned()));
    }

    #[test]
    fn what_is_not_about_tables_is_passed_over() {
        for line in [
            "GRANT `role` TO `u`@`%`",
            "GRANT `ON` TO `u`@`%`",
            "GRANT EXECUTE ON PROCEDURE `db`.`p` TO `u`@`%`",
            "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION",
            "SET DEFAULT ROLE `r` FOR `u`@`%`",
            "",
        ] {
            assert_eq!(Grant::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_database_is_like_a_pattern_and_the_most_exact_one_counts() {
        for (name, pattern, fits) in [
            ("shop", "shop", true),
            ("shop", "sho_", true),
            ("shop", "s%", true),
            ("shop", "%", true),
            ("shop_1", "shop\\_1", true),
            ("shopx1", "shop\\_1", false),
            ("shop", "Shop", false),
            ("shop", "shop2", false),
        ] {
            assert_eq!(is_like(name, pattern), fits, "{name} {pattern}");
        }
        assert!(exactness("shop\\_1") > exactness("shop%"));
        assert!(exactness("shop%") > exactness("s%"));
    }
}
