//! How a pseudonymization replaces a value.

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
