//! TLS by libpq's rules: `sslmode`, root certificates, client certificates.

mod advice;
mod peer;

use std::io;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::error::ServerMessage;
use super::target::{RootCerts, SslMode, TlsSettings};
use super::verify::{ServerCheck, Trust};
use crate::error::{Error, ErrorKind, Result};

pub use self::peer::Peer;

/// What a TLS handshake came to.
#[derive(Debug, Clone)]
pub struct TlsSession {
    /// `TLS 1.3`.
    pub version: String,
    /// `AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The server's certificate, where it can be read.
    pub peer: Option<Peer>,
    /// From the request for TLS to the end of the handshake.
    pub took: Duration,
}

/// Runs the TLS handshake on `stream`, which has agreed to TLS.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    settings: &TlsSettings,
) -> Result<TlsStream<TcpStream>> {
    // A certificate knows addresses without the interface they are on (`fe80::1%eth0`).
    let bare = match host.split_once('%') {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address,
        _ => host,
    };
    let name = ServerName::try_from(bare.to_owned()).map_err(|cause| {
        Error::new(
            ErrorKind::Connect,
            format!("`{host}` cannot be the name on a certificate"),
        )
        .because(cause)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let check = Arc::new(server_check(settings, &provider)?);
    let config = client_config(settings, &provider, Arc::clone(&check))?;
    let connector = TlsConnector::from(Arc::new(config));
    let broke = |cause: io::Error| {
        let error = advice::explain(&cause, settings);
        let error = error.within(format!("TLS with `{host}` failed"));
        match check.seen.get().and_then(|der| Peer::read(der)) {
            Some(peer) => error.line("certificate", peer.to_string()),
            None => error,
        }
    };
    // Our first message is sent by hand, to see what comes before rustls takes it for TLS.
    let mut hello = Vec::new();
    let mut connect = connector.connect_with(name, stream, |connection| {
        // Writing to a vector does not fail.
        let _ = connection.write_tls(&mut hello);
    });
    if let Some(stream) = connect.get_mut() {
        stream.write_all(&hello).await.map_err(broke)?;
        let mut first = [0];
        stream.peek(&mut first).await.map_err(broke)?;
        if first == *b"E" {
            return Err(no_tls_after_all(host, stream).await);
        }
    }
    connect.await.map_err(broke)
}

/// What there is to say of a handshake that is done.
pub(super) fn session(stream: &TlsStream<TcpStream>, took: Duration) -> TlsSession {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        other => format!("TLS of version {other:?}"),
    };
    let cipher = connection.negotiated_cipher_suite();
    let cipher = cipher.map_or("none".into(), |suite| format!("{:?}", suite.suite()));
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    TlsSession {
        version,
        // The names of TLS 1.2 have the prefix and the key exchange, those of 1.3 another prefix.
        cipher: cipher
            .trim_start_matches("TLS13_")
            .trim_start_matches("TLS_")
            .into(),
        peer: certificate.and_then(|der| Peer::read(der)),
        took,
    }
}

/// A server that has agreed to TLS and then finds that it cannot, such as for a certificate of its
/// own. Nobody knows whether it is the server, so this is a failed handshake and no refusal.
async fn no_tls_after_all(host: &str, stream: &mut TcpStream) -> Error {
    let said = match stream.read_u8().await {
        Ok(_) => plain_error(stream).await,
        Err(_) => None,
    };
    let error = tls_error(format!("TLS with `{host}` failed"));
    match said {
        Some(said) => error
            .because(said.into_error(ErrorKind::Connect))
            .hint("the server says so in plain text; its TLS has to be put right where it runs"),
        None => error,
    }
}

/// The error that a server sends in plain text in place of TLS, its tag already read; `None` where
/// it is none.
pub(super) async fn plain_error(stream: &mut TcpStream) -> Option<ServerMessage> {
    let mut rest = Vec::new();
    // What came before a rude end counts.
    let _ = stream.take(64 * 1024).read_to_end(&mut rest).await;
    let mut frame = BytesMut::from(&b"E"[..]);
    frame.extend_from_slice(&rest);
    match Message::parse(&mut frame) {
        Ok(Some(Message::ErrorResponse(error))) => ServerMessage::read(error.fields()).ok(),
        _ => None,
    }
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

fn client_config(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
    check: Arc<ServerCheck>,
) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| tls_error("no TLS version to offer").because(cause))?
        .dangerous()
        .with_custom_certificate_verifier(check);
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let identity = identity(cert, key, provider)?;
            Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))))
        }
    }
}

/// Our own certificate and key.
fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let unfit = |cause| {
        tls_error(format!(
            "the client certificate `{}` and the key `{}` do not fit",
            cert.display(),
            key.display()
        ))
        .because(cause)
    };
    let signing = provider
        .key_provider
        .load_private_key(private_key(key)?)
        .map_err(unfit)?;
    let identity = CertifiedKey::new(certificates(cert, "sslcert")?, signing);
    match identity.keys_match() {
        // Nobody can tell, as for a version 1 certificate, which rustls does not read. The server will.
        Ok(())
        | Err(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::InconsistentKeys(InconsistentKeys::Unknown),
        ) => Ok(identity),
        Err(cause) => Err(unfit(cause)),
    }
}

/// What is checked of the server, by `sslmode`.
fn server_check(settings: &TlsSettings, provider: &CryptoProvider) -> Result<ServerCheck> {
    let trust = match settings.mode {
        SslMode::VerifyFull | SslMode::VerifyCa => Some(trust(&settings.root)?),
        SslMode::Disable | SslMode::Prefer | SslMode::Require => None,
    };
    Ok(ServerCheck {
        algorithms: provider.signature_verification_algorithms,
        trust,
        name: settings.mode == SslMode::VerifyFull,
        seen: OnceLock::new(),
    })
}

fn trust(root: &RootCerts) -> Result<Trust> {
    let mut anchors = RootCertStore::empty();
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
    let (added, _) = anchors.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(tls_error("no usable root certificate was found"));
    }
    Ok(Trust {
        anchors: Arc::new(anchors),
        certificates,
    })
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

#[cfg(test)]
mod tests;
