//! How a pseudonymization replaces a value.

/// Characters of a pseudonym, random or keyed: 24 of 5 bits make 120 bits, beyond any chance of two alike.
pub const PSEUDONYM: usize = 24;

/// What replaces a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// A unique random alphanumeric string.
    Random,
    /// An HMAC: the same input gives the same pseudonym while the key exists.
    Keyed,
    /// NULL.
    Null,
    /// The same text for everyone.
    Fixed(String),
    /// An IP address cut to /24 or /48.
    TruncateIp,
    /// A date cut to its month.
    TruncateDate,
}
