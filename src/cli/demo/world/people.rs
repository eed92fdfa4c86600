//! Invented people and companies: plausible, and nobody's.

use chrono::{DateTime, TimeDelta, Utc};

const FIRST: [&str; 23] = [
    "Anna", "Boris", "Chiara", "Daniel", "Elena", "Farid", "Greta", "Hugo", "Irina", "Jonas", "Katya",
    "Luca", "Maria", "Nikolai", "Olga", "Pedro", "Ruth", "Sergei", "Tomoko", "Umar", "Vera", "Wanda",
    "Yusuf",
];

const LAST: [&str; 31] = [
    "Abramov",
    "Becker",
    "Castelli",
    "Dubois",
    "Eriksen",
    "Fontana",
    "Gromova",
    "Hartmann",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Oliveira",
    "Petrov",
    "Quist",
    "Rossi",
    "Sato",
    "Tanaka",
    "Ullmann",
    "Vasquez",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhukov",
    "Morozova",
    "O'Brien",
    "Müller",
    "Šimek",
    "Øverland",
];

const TRADES: [&str; 11] = [
    "Logistics",
    "Dental Care",
    "Robotics",
    "Bakery",
    "Legal",
    "Textiles",
    "Architects",
    "Shipping",
    "Optics",
    "Farming",
    "Studios",
];

/// Somebody, by number: the same number is the same person.
pub(super) struct Person {
    number: usize,
    pub(super) first: &'static str,
    pub(super) last: &'static str,
}

impl Person {
    pub(super) fn new(number: usize) -> Self {
        Self { number, first: FIRST[number % FIRST.len()], last: LAST[number % LAST.len()] }
    }

    pub(super) fn user_name(&self) -> String {
        format!("{}{}", self.first.to_lowercase(), self.number)
    }

    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// Under a name that no one can register (RFC 2606).
    pub(super) fn email(&self) -> String {
        let ascii: String = self.last.chars().filter(char::is_ascii_alphabetic).collect();
        format!("{}.{}.{}@example.org", self.first, ascii, self.number).to_lowercase()
    }

    pub(super) fn company(&self) -> String {
        format!("{} {}", self.last, TRADES[self.number % TRADES.len()])
    }

    /// In the shape of a hash; of nothing.
    pub(super) fn password_hash(&self) -> String {
        format!("$argon2id$v=19$m=19456,t=2,p=1$ZGVtbw${:043x}", self.number.wrapping_mul(0x9e37_79b9))
    }

    /// From the blocks that are set aside for documentation (RFC 5737, RFC 3849).
    pub(super) fn address(&self) -> String {
        let host = self.number % 254 + 1;
        match self.number % 3 {
            0 => format!("198.51.100.{host}"),
            1 => format!("203.0.113.{host}"),
            _ => format!("2001:db8:{:x}:1::{host:x}", self.number % 0xffff),
        }
    }

    /// Between one and ten years ago.
    pub(super) fn registered(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let minutes = i64::try_from(self.number * 7_919 % (9 * 365 * 1440)).unwrap_or_default();
        now - TimeDelta::days(365) - TimeDelta::minutes(minutes)
    }
}
