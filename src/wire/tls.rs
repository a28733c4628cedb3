//! TLS by libpq's rules: `sslmode`, root certificates, client certificates.

use std::io;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;

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
    let connector = TlsConnector::from(Arc::new(client_config(settings)?));
    let broke = |cause: io::Error| {
        Error::new(ErrorKind::Connect, format!("TLS with `{host}` failed")).because(cause).hint(
            "check sslmode, sslrootcert and the server's certificate; `sslmode=require` encrypts without checking who answers",
        )
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

fn client_config(settings: &TlsSettings) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let check = server_check(settings, &provider)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| tls_error("no TLS version to offer").because(cause))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check));
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let identity = identity(cert, key, &provider)?;
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
mod tests {
    use std::path::PathBuf;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
    use rustls::{ServerConfig, SupportedProtocolVersion};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/tls")
            .join(name)
    }

    /// A certificate authority of the test, its root in a file.
    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        folder: tempfile::TempDir,
    }

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let root = params.self_signed(&key).unwrap();
            std::fs::write(folder.path().join("root.crt"), root.pem()).unwrap();
            let issuer = Issuer::new(params, key);
            Self { issuer, folder }
        }

        fn root(&self) -> PathBuf {
            self.folder.path().join("root.crt")
        }

        /// Certifies a common name and alternative names; returns certificate and key.
        fn certify(&self, common_name: &str, names: &[SanType]) -> (PathBuf, PathBuf) {
            let mut params = CertificateParams::default();
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
            params.subject_alt_names = names.to_vec();
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            let (cert_path, key_path) = (
                self.folder.path().join("server.crt"),
                self.folder.path().join("server.key"),
            );
            std::fs::write(&cert_path, certificate.pem()).unwrap();
            std::fs::write(&key_path, key.serialize_pem()).unwrap();
            (cert_path, key_path)
        }
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn ip(address: &str) -> SanType {
        SanType::IpAddress(address.parse().unwrap())
    }

    fn settings(mode: SslMode, root: &Path) -> TlsSettings {
        TlsSettings {
            mode,
            root: RootCerts::File(root.to_owned()),
            client: None,
        }
    }

    /// Connects to a server that has this certificate, asking for `host`.
    fn shake_hands_by(
        version: &'static SupportedProtocolVersion,
        (cert, key): &(PathBuf, PathBuf),
        host: &str,
        settings: &TlsSettings,
    ) -> Result<()> {
        let provider = rustls::crypto::ring::default_provider();
        let identity = identity(cert, key, &provider)?;
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = async {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                    let _ = stream.read(&mut [0]).await;
                }
            };
            let client = async {
                let stream = TcpStream::connect(address).await.unwrap();
                handshake(stream, host, settings).await.map(drop)
            };
            futures::join!(client, server).0
        })
    }

    fn shake_hands(identity: &(PathBuf, PathBuf), host: &str, settings: &TlsSettings) -> bool {
        let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
        let [old, new] =
            versions.map(|version| shake_hands_by(version, identity, host, settings).is_ok());
        assert_eq!(old, new, "TLS 1.2 and 1.3 differ");
        new
    }

    #[test]
    fn a_name_is_checked_against_the_alternative_names_and_else_the_subject() {
        let authority = Authority::new();
        let cases: [(&str, &[SanType], &str, bool); 17] = [
            ("x", &[dns("dw.example.com")], "dw.example.com", true),
            ("x", &[dns("*.example.com")], "dw.example.com", true),
            ("x", &[dns("dw.example.com")], "other.example.com", false),
            ("x", &[ip("10.0.0.5")], "10.0.0.5", true),
            ("x", &[ip("10.0.0.5")], "10.0.0.6", false),
            ("x", &[ip("fe80::1")], "fe80::1%eth0", true),
            // An address is not a name.
            ("x", &[dns("dw.example.com")], "10.0.0.5", false),
            // The subject only where there is no other name.
            ("dw.example.com", &[], "dw.example.com", true),
            ("DW.example.com", &[], "dw.Example.com", true),
            ("*.example.com", &[], "dw.example.com", true),
            ("*.example.com", &[], "a.dw.example.com", false),
            ("*.example.com", &[], "example.com", false),
            ("*.0.0.5", &[], "10.0.0.5", false),
            ("10.0.0.5", &[], "10.0.0.5", true),
            ("dw.example.com", &[], "example.com", false),
            ("dw.example.com", &[dns("other")], "dw.example.com", false),
            ("dw.example.com", &[ip("10.0.0.5")], "dw.example.com", false),
        ];
        for (common_name, names, host, expected) in cases {
            let identity = authority.certify(common_name, names);
            let full = settings(SslMode::VerifyFull, &authority.root());
            let found = shake_hands(&identity, host, &full);
            assert_eq!(found, expected, "{common_name} {names:?} {host}");
            let chain_only = settings(SslMode::VerifyCa, &authority.root());
            assert!(
                shake_hands(&identity, host, &chain_only),
                "{common_name} {host}"
            );
        }
    }

    #[test]
    fn a_stranger_is_let_in_only_where_nobody_is_checked() {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let identities = [
            theirs.certify("localhost", &[dns("localhost")]),
            (data("version-1.crt"), data("version-1.key")),
            (data("self-signed.crt"), data("self-signed.key")),
        ];
        for identity in &identities {
            for (mode, expected) in [
                (SslMode::Prefer, true),
                (SslMode::Require, true),
                (SslMode::VerifyCa, false),
                (SslMode::VerifyFull, false),
            ] {
                let settings = settings(mode, &ours.root());
                let found = shake_hands(identity, "localhost", &settings);
                assert_eq!(found, expected, "{mode:?} {identity:?}");
            }
        }
    }

    #[test]
    fn certificates_by_the_recipes_of_the_manuals_are_trusted() {
        let version_1 = (data("version-1.crt"), data("version-1.key"));
        let self_signed = (data("self-signed.crt"), data("self-signed.key"));
        for (identity, root) in [(&version_1, "root.crt"), (&self_signed, "self-signed.crt")] {
            for (mode, host, expected) in [
                (SslMode::VerifyCa, "other", true),
                (SslMode::VerifyFull, "localhost", true),
                (SslMode::VerifyFull, "other", false),
            ] {
                let settings = settings(mode, &data(root));
                let found = shake_hands(identity, host, &settings);
                assert_eq!(found, expected, "{mode:?} {host} {identity:?}");
            }
        }
    }

    #[test]
    fn a_certificate_that_is_over_is_not_trusted() {
        let version_1 = (data("version-1-expired.crt"), data("version-1.key"));
        let check = settings(SslMode::VerifyCa, &data("root.crt"));
        assert!(!shake_hands(&version_1, "localhost", &check));

        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("crt"), folder.path().join("key"));
        for (year, expected) in [(2020, false), (2120, true)] {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let pair = KeyPair::generate().unwrap();
            std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
            std::fs::write(&key, pair.serialize_pem()).unwrap();
            let identity = (cert.clone(), key.clone());
            let found = shake_hands(&identity, "localhost", &settings(SslMode::VerifyCa, &cert));
            assert_eq!(found, expected, "{year}");
        }
    }

    #[test]
    fn a_certificate_in_the_file_of_roots_that_is_no_root_stands_for_nothing() {
        let identity = (data("version-1.crt"), data("version-1.key"));
        let check = settings(SslMode::VerifyCa, &identity.0);
        assert!(!shake_hands(&identity, "localhost", &check));
    }

    #[test]
    fn a_version_1_certificate_without_its_key_does_not_pass() {
        // Somebody who has the certificate, which is public, and a key of his own.
        let impostor = (data("version-1.crt"), data("self-signed.key"));
        for mode in [SslMode::Require, SslMode::VerifyCa] {
            let settings = settings(mode, &data("root.crt"));
            assert!(!shake_hands(&impostor, "localhost", &settings), "{mode:?}");
        }
    }

    #[test]
    fn a_version_1_certificate_with_one_byte_changed_is_not_trusted() {
        let certificate = CertificateDer::from_pem_file(data("version-1.crt")).unwrap();
        let check = server_check(
            &settings(SslMode::VerifyCa, &data("root.crt")),
            &rustls::crypto::ring::default_provider(),
        )
        .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let now = rustls::pki_types::UnixTime::now();
        let verdict = |der: Vec<u8>| {
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &check,
                &CertificateDer::from(der),
                &[],
                &name,
                &[],
                now,
            )
        };
        assert!(verdict(certificate.to_vec()).is_ok());
        for index in 0..certificate.len() {
            let mut changed = certificate.to_vec();
            changed[index] ^= 1;
            assert!(verdict(changed).is_err(), "byte {index}");
        }
    }
}
