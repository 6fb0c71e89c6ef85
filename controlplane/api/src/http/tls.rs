//! TLS from PEM files, with ring.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The text holds no certificates that can be read.
    #[error("the certificate chain cannot be read: want PEM with one or more CERTIFICATE sections")]
    Certificates(#[source] rustls::pki_types::pem::Error),
    /// The text holds no private key that can be read.
    #[error("the private key cannot be read: want PEM with one PRIVATE KEY section")]
    Key(#[source] rustls::pki_types::pem::Error),
    /// The two do not go together, or are of a kind that is not served.
    #[error("the certificate and the key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// How to speak TLS with a certificate chain and its key, both as PEM: HTTP/2 and HTTP/1.1 inside.
///
/// # Errors
///
/// [`TlsError`]
pub fn tls(certificate_chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain =
        CertificateDer::pem_slice_iter(certificate_chain)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|chain| {
                if chain.is_empty() { Err(rustls::pki_types::pem::Error::NoItemsFound) } else { Ok(chain) }
            })
            .map_err(TlsError::Certificates)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
