//! TLS with servers of all kinds, in one process.

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

#[test]
fn a_refused_certificate_is_shown_with_what_to_do() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let stranger = theirs.certify("x", &[dns("dw.example.com"), ip("10.0.0.5")]);
    let expired = (data("version-1-expired.crt"), data("version-1.key"));
    let check = |identity, root: &Path| {
        let settings = settings(SslMode::VerifyFull, root);
        let version = &rustls::version::TLS13;
        let error = shake_hands_by(version, identity, "localhost", &settings).unwrap_err();
        let said = crate::error::render(&error);
        let days = without_days(&said);
        days.replace(root.to_str().unwrap(), "ROOT")
    };
    insta::assert_snapshot!(check(&stranger, &ours.root()), @r"
    error: TLS with `localhost` failed
      certificate: dw.example.com, 10.0.0.5; signed by rcgen self signed cert; ECDSA P-256; until 4096-01-01 (N days)
      caused by: nobody whom we trust has signed the server's certificate
        hint: sslrootcert `ROOT` must hold the certificate of who signed it; a DWS has it in the console, as cacert.pem of dws_ssl_cert.zip
    ");
    insta::assert_snapshot!(check(&stranger, &theirs.root()), @r"
    error: TLS with `localhost` failed
      certificate: dw.example.com, 10.0.0.5; signed by rcgen self signed cert; ECDSA P-256; until 4096-01-01 (N days)
      caused by: the server's certificate is for another name
        hint: connect by a name of the certificate, or set sslmode=verify-ca, which checks who signed it and not the name
    ");
    insta::assert_snapshot!(check(&expired, &data("root.crt")), @r"
    error: TLS with `localhost` failed
      certificate: localhost; signed by root.example.com; ECDSA P-256; expired on 2021-01-01
      caused by: the server's certificate has expired
        hint: it has to be renewed where the server runs, or the clock of this machine is wrong
    ");
}

/// `(123 days)` as `(N days)`.
fn without_days(text: &str) -> String {
    let Some((before, rest)) = text.split_once(" (") else {
        return text.into();
    };
    match rest.split_once(" days)") {
        Some((days, after)) if days.parse::<u64>().is_ok() => {
            format!("{before} (N days){after}")
        }
        _ => text.into(),
    }
}

#[test]
fn keys_and_issuers_have_their_names() {
    for (name, expected) in [
        ("version-1.crt", "ECDSA P-256"),
        ("self-signed.crt", "ECDSA P-256"),
    ] {
        let der = CertificateDer::from_pem_file(data(name)).unwrap();
        let peer = Peer::read(&der).unwrap();
        assert_eq!(peer.key, expected, "{name}");
        assert_eq!(peer.self_signed, name == "self-signed.crt");
        assert!(peer.names.contains(&"localhost".to_owned()), "{peer}");
    }
    assert_eq!(Peer::read(b"\x30\x00"), None);
}
