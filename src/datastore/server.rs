//! What connections to servers of every kind have in common: the account's password, and who vouches for the server.

use zeroize::Zeroizing;

use super::error::DatastoreError;
use crate::model::datastore::{Server, Tls};

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

/// How a certificate begins in PEM (RFC 7468).
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The certificates, in PEM, of who vouches for the server beside those whom the system trusts; none: the configuration names none.
/// Read here, since the driver would name no file, and trust one that holds no certificate.
pub(super) fn authority(server: &Server) -> Result<Option<Vec<u8>>, DatastoreError> {
    let Tls::Verified { authority: Some(path) } = &server.tls else { return Ok(None) };
    let unusable = |source| DatastoreError::Authority { path: path.clone(), source };
    let pem = std::fs::read(path).map_err(unusable)?;
    if !pem.windows(BEGIN.len()).any(|at| at == BEGIN) {
        return Err(unusable(std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds none in PEM")));
    }
    Ok(Some(pem))
}
