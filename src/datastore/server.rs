//! What connections to servers of every kind have in common: the account's password.

use zeroize::Zeroizing;

use super::error::DatastoreError;
use crate::model::datastore::Server;

/// The password, from where the configuration says; line ends behind it are not part of it.
pub(super) fn password(server: &Server) -> Result<Option<Zeroizing<String>>, DatastoreError> {
    let Some(source) = &server.password else { return Ok(None) };
    let path = source.path()?;
    let mut text = Zeroizing::new(
        std::fs::read_to_string(&path).map_err(|source| DatastoreError::Password { path, source })?,
    );
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(Some(text))
}
