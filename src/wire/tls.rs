//! TLS by libpq's rules: `sslmode`, root certificates, client certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::target::{RootCerts, SslMode, TlsSettings};
use crate::error::{Error, ErrorKind, Result};

/// Runs the TLS handshake on `stream`, which has agreed to TLS.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    settings: &TlsSettings,
) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|cause| {
        Error::new(
            ErrorKind::Connect,
            format!("`{host}` cannot be the name on a certificate"),
        )
        .because(cause)
    })?;
    let connector = TlsConnector::from(Arc::new(client_config(settings)?));
    connector.connect(name, stream).await.map_err(|cause| {
        Error::new(ErrorKind::Connect, format!("TLS with `{host}` failed")).because(cause).hint(
            "check sslmode, sslrootcert and the server's certificate; `sslmode=require` encrypts without checking who answers",
        )
    })
}

/// The hash of the server's certificate that SCRAM binds to (RFC 5929, tls-server-end-point):
/// by the hash of the certificate's signature, SHA-256 in place of MD5 and SHA-1.
///
/// `None` for signatures that have no such hash (Ed25519, RSA-PSS).
pub(super) fn end_point(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let (_, connection) = stream.get_ref();
    let der = connection.peer_certificates()?.first()?;
    let certificate = Certificate::from_der(der).ok()?;
    match certificate.signature_algorithm.oid.to_string().as_str() {
        // RSA and ECDSA with MD5, SHA-1, SHA-256
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(der).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(der).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(der).to_vec()),
        _ => None,
    }
}

fn client_config(settings: &TlsSettings) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| tls_error("no TLS version to offer").because(cause))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(settings, &provider)?);
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let chain = certificates(cert, "sslcert")?;
            builder
                .with_client_auth_cert(chain, private_key(key)?)
                .map_err(|cause| {
                    tls_error(format!(
                        "the client certificate `{}` and the key `{}` do not fit",
                        cert.display(),
                        key.display()
                    ))
                    .because(cause)
                })
        }
    }
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let check_name = match settings.mode {
        SslMode::VerifyFull => true,
        SslMode::VerifyCa => false,
        SslMode::Disable | SslMode::Prefer | SslMode::Require => {
            return Ok(Arc::new(Unchecked {
                provider: Arc::clone(provider),
            }));
        }
    };
    let roots = Arc::new(root_certificates(&settings.root)?);
    let webpki = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|cause| tls_error("the root certificates cannot be used").because(cause))?;
    if check_name {
        Ok(webpki)
    } else {
        Ok(Arc::new(AnyName { webpki }))
    }
}

fn root_certificates(root: &RootCerts) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let certificates = match root {
        RootCerts::File(path) => certificates(path, "sslrootcert")?,
        RootCerts::System => rustls_native_certs::load_native_certs().certs,
        RootCerts::None => {
            return Err(tls_error(
                "sslmode asks to verify the server, but there is no root certificate",
            )
            .hint("set sslrootcert to a PEM file, or to `system` for the system's own"));
        }
    };
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(tls_error("no usable root certificate was found"));
    }
    Ok(store)
}

fn certificates(path: &Path, keyword: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |cause| {
        tls_error(format!(
            "cannot read certificates from {keyword} `{}`",
            path.display()
        ))
        .because(cause)
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if found.is_empty() {
        return Err(tls_error(format!(
            "{keyword} `{}` holds no certificate in PEM form",
            path.display()
        )));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|cause| {
        tls_error(format!(
            "cannot read a private key from sslkey `{}`",
            path.display()
        ))
        .because(cause)
        .hint("the key must be in PEM form and without a password")
    })
}

fn tls_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Connect, message)
}

/// Encrypts without asking who answers: `sslmode` prefer and require, as libpq.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Checks the chain but not the name: `sslmode=verify-ca`.
#[derive(Debug)]
struct AnyName {
    webpki: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        match self
            .webpki
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            // The name is the last thing checked: the chain has held.
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
