//! What of a configuration is not shown together with what is wrong in it.
//!
//! Secrets have no place there, and whoever puts one there is told so: on a terminal, in a journal, in the log of a pull
//! request. The message says what is wrong and where; the line itself then stays out of it.

/// How words begin that stand beside a secret: `password`, its abbreviations and misspellings, a signing key.
const WORDS: [&str; 4] = ["pas", "pw", "secret", "private"];

/// Whether a line may hold a secret. Errs towards secrecy: a line that is not shown is still numbered.
pub(super) fn may_stand_in(line: &str) -> bool {
    let lower = line.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) || holds_password(line) || port_is_none(line)
}

/// Whether a URL, or the one in a line, names a password beside the user.
pub fn holds_password(text: &str) -> bool {
    // To the last `@`: a password that nobody has encoded may hold some itself.
    after_scheme(text).rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Whether what stands where a port would is none: `user:password`, and the host was forgotten.
fn port_is_none(line: &str) -> bool {
    let authority = after_scheme(line).split(['/', '?', '#', '"', '\'', ' ']).next().unwrap_or_default();
    let is_port = |port: &str| port.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit());
    authority.rsplit_once(':').is_some_and(|(_, port)| !is_port(port))
}

fn after_scheme(text: &str) -> &str {
    let (before, rest) = text.split_once("://").unwrap_or(("", text));
    // A colon that stands earlier is a password's, and so may this one be.
    if before.contains(':') { text } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_may_hold_a_secret_is_known() {
        for line in [
            "url = \"postgres://u:p@h/d\"",
            "url = \"postgres://u:p/?#@@h/d\"",
            "url = \"postgres://u:p@h/d",
            "url = postgres://u:p@h/d",
            "url = \"u:p@h/d\"",
            "url = \"postgres:u:p@h/d\"",
            "url = \"u:p://@h/d\"",
            "url = \"postgres://u:p/d\"",
            "url = \"postgres://u@h/d?password=p\"",
            "password = \"p\"",
            "PASSWD = \"p\"",
            "pasword = \"p\"",
            "key = \"PRIVATE+KEY+o+1+p\"",
            "db = { password = { value = \"p\" } }",
        ] {
            assert!(may_stand_in(line), "{line}");
        }
    }

    #[test]
    fn other_lines_are_shown() {
        for line in [
            "url = \"postgres://u@h:5432/d?sslmode=off\"",
            "url = \"postgres://u@[::1]:5432/d\"",
            "url = \"postgres://h:5432/d\"",
            "url = \"postgres://[::1]/d\"",
            "url = \"sqlite:///var/lib/expunged/state.db\"",
            "listen = \"unix:/run/expunged/http.sock\"",
            "schedule = \"0 0 * * * *\"",
        ] {
            assert!(!may_stand_in(line), "{line}");
        }
    }
}
