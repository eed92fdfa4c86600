//! What stands in a column after a pseudonymization.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ring::hmac;
use zeroize::Zeroizing;

use crate::model::strategy::{PSEUDONYM, Strategy};
use crate::model::value::{Value, rfc3339};
use crate::secret::{RandomError, fill};

/// The key of keyed pseudonyms: the same input gives the same pseudonym while it exists.
pub struct PseudonymKey(Zeroizing<[u8; 32]>);

impl PseudonymKey {
    /// From 32 random bytes that were kept for it.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }
}

/// Characters that survive every system a pseudonym may pass through. 32 of them: five bits each, without bias.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The value that replaces `value`. NULL says nothing of anyone and stays.
pub fn replace(
    strategy: &Strategy,
    value: &Value,
    key: Option<&PseudonymKey>,
) -> Result<Value, PseudonymError> {
    Ok(match strategy {
        Strategy::Null => Value::Null,
        _ if *value == Value::Null => Value::Null,
        Strategy::Fixed(text) => Value::Text(text.clone()),
        Strategy::Random => {
            let mut bytes = [0; PSEUDONYM];
            fill(&mut bytes)?;
            Value::Text(spell(&bytes))
        }
        Strategy::Keyed => Value::Text(keyed(value, key.ok_or(PseudonymError::NoKey)?)),
        Strategy::TruncateIp => truncate_ip(value),
        Strategy::TruncateDate => truncate_date(value),
    })
}

/// A value that could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum PseudonymError {
    /// No randomness.
    #[error("a pseudonym needs randomness")]
    Random(#[from] RandomError),
    /// The rule uses `keyed` and nobody loaded the key.
    #[error("strategy `keyed` needs the pseudonymization key, which was not loaded")]
    NoKey,
}

fn spell(bytes: &[u8; PSEUDONYM]) -> String {
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

fn keyed(value: &Value, key: &PseudonymKey) -> String {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.0.as_slice()));
    mac.update(b"expunged/pseudonym/1\0");
    match value {
        Value::Null => {}
        Value::Integer(n) => mac.update(n.to_string().as_bytes()),
        Value::Real(n) => mac.update(n.to_string().as_bytes()),
        Value::Text(text) => mac.update(text.as_bytes()),
        Value::Instant(at) => mac.update(rfc3339(*at).as_bytes()),
        Value::Blob(bytes) => mac.update(bytes),
    }
    let mut bytes = [0; PSEUDONYM];
    bytes.copy_from_slice(&mac.sign().as_ref()[..PSEUDONYM]);
    spell(&bytes)
}

/// /24 of an IPv4 address, /48 of an IPv6 one. What is not an address is replaced altogether: it might be a name.
fn truncate_ip(value: &Value) -> Value {
    let Value::Text(text) = value else { return Value::Null };
    let within = |ip: Ipv4Addr| {
        let [a, b, c, _] = ip.octets();
        Ipv4Addr::new(a, b, c, 0)
    };
    Value::Text(match text.trim().parse() {
        Ok(IpAddr::V4(ip)) => within(ip).to_string(),
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            let network = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
            // One of IPv4 within in the form that it came in: a column for IPv6 alone takes no other.
            ip.to_ipv4_mapped().map_or(network, |ip| within(ip).to_ipv6_mapped()).to_string()
        }
        Err(_) => return Value::Null,
    })
}

/// `2026-03-17…` becomes `2026-03-01`. What is not a date in that form is replaced altogether.
fn truncate_date(value: &Value) -> Value {
    let date = match value {
        Value::Text(text) => {
            text.get(..10).and_then(|d| chrono::NaiveDate::parse_from_str(d, "%Y-%m-%d").ok())
        }
        Value::Instant(at) => Some(at.date_naive()),
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => None,
    };
    match date {
        Some(date) => Value::Text(date.format("%Y-%m-01").to_string()),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Value {
        Value::Text(s.to_owned())
    }

    fn replaced(strategy: &Strategy, value: &Value) -> Value {
        replace(strategy, value, None).unwrap_or(Value::Null)
    }

    #[test]
    fn random_pseudonyms_are_alphanumeric_and_differ() {
        let (a, b) = (replaced(&Strategy::Random, &text("Bob")), replaced(&Strategy::Random, &text("Bob")));
        assert_ne!(a, b);
        let Value::Text(a) = a else { panic!("text") };
        assert!(a.len() == PSEUDONYM && a.chars().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn keyed_pseudonyms_join_and_change_with_the_key() {
        let one = PseudonymKey::from_bytes(Zeroizing::new([1; 32]));
        let two = PseudonymKey::from_bytes(Zeroizing::new([2; 32]));
        let of = |key, value: &str| replace(&Strategy::Keyed, &text(value), Some(key)).unwrap_or(Value::Null);
        assert_eq!(of(&one, "bob"), of(&one, "bob"));
        // Computed with Python's `hmac`: whoever joins by a pseudonym joins by it for good.
        assert_eq!(of(&one, "bob"), text("iy2e6u5jmitfej45gd67gus8"));
        assert_ne!(of(&one, "bob"), of(&one, "eve"));
        assert_ne!(of(&one, "bob"), of(&two, "bob"));
        assert!(matches!(replace(&Strategy::Keyed, &text("bob"), None), Err(PseudonymError::NoKey)));
    }

    #[test]
    fn addresses_are_cut_to_their_network_and_anything_else_goes() {
        assert_eq!(replaced(&Strategy::TruncateIp, &text("203.0.113.77")), text("203.0.113.0"));
        assert_eq!(replaced(&Strategy::TruncateIp, &text("2001:db8:1:2::3")), text("2001:db8:1::"));
        assert_eq!(replaced(&Strategy::TruncateIp, &text("::ffff:203.0.113.77")), text("::ffff:203.0.113.0"));
        assert_eq!(replaced(&Strategy::TruncateIp, &text("bob's laptop")), Value::Null);
    }

    #[test]
    fn dates_are_cut_to_their_month_and_anything_else_goes() {
        assert_eq!(replaced(&Strategy::TruncateDate, &text("2026-03-17T10:00:00Z")), text("2026-03-01"));
        assert_eq!(replaced(&Strategy::TruncateDate, &text("17.3.2026")), Value::Null);
    }
}
