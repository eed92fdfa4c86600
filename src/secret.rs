//! Values that cannot be printed, and where they come from.

use zeroize::Zeroizing;

/// The operating system could not give random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError(#[source] getrandom::Error);

/// 32 random bytes, wiped when dropped.
pub fn random_key() -> Result<Zeroizing<[u8; 32]>, RandomError> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// Fills a buffer with random bytes: pseudonyms, nonces, batch names.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn fill(buffer: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(buffer).map_err(RandomError)
}
