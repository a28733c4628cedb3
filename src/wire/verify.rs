//! Whether a server's certificate is one we trust, by OpenSSL's and so libpq's measure.
//!
//! webpki checks what modern certificates look like. Warehouses often have others, made by the
//! recipes of their manuals, and psql connects to them:
//! - version 1 certificates, which `openssl x509 -req` of OpenSSL 3.0 and older makes,
//! - a self-signed certificate that is its own root,
//! - a name in the subject (CN) instead of a subject alternative name.
//!
//! So what webpki refuses for such a reason is looked at again here.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::ObjectIdentifier;

/// The attribute of a subject that holds a name (RFC 4519, `cn`).
pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whom we trust: the certificates of a file, or the system's.
#[derive(Debug)]
pub(super) struct Trust {
    /// As webpki sees them.
    pub(super) anchors: Arc<RootCertStore>,
    /// As they are, for what webpki cannot do.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Checks a server's certificate as far as `sslmode` asks.
#[derive(Debug)]
pub(super) struct ServerCheck {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// `None`: encrypted, whoever answers.
    pub(super) trust: Option<Trust>,
    /// The certificate must be for the name we asked for.
    pub(super) name: bool,
    /// The certificate that was checked first, for people.
    pub(super) seen: OnceLock<CertificateDer<'static>>,
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self.seen.set(end_entity.clone().into_owned());
        if let Some(trust) = &self.trust {
            trust.check(end_entity, intermediates, now, &self.algorithms)?;
            if self.name {
                check_name(end_entity, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(old) = version_1(cert) else {
            return verify_tls12_signature(message, cert, signed, &self.algorithms);
        };
        let fits = |(scheme, _): &&(SignatureScheme, _)| *scheme == signed.scheme;
        let algorithms = self.algorithms.mapping.iter().find(fits);
        let algorithms = algorithms.map_or(&[][..], |(_, algorithms)| *algorithms);
        if signature_holds(&old, algorithms, None, message, signed.signature()) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(old) = version_1(cert) else {
            return verify_tls13_signature(message, cert, signed, &self.algorithms);
        };
        let key = old.tbs_certificate.subject_public_key_info.to_der();
        let key = key.map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Trust {
    /// Whether a chain leads from `end_entity` to someone we trust.
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let modern = ParsedCertificate::try_from(end_entity).and_then(|parsed| {
            let anchors = &self.anchors;
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                anchors,
                intermediates,
                now,
                algorithms.all,
            )
        });
        let Err(refusal) = modern else {
            return Ok(());
        };
        let Ok(certificate) = Certificate::from_der(end_entity) else {
            return Err(refusal);
        };
        let content = &certificate.tbs_certificate;
        let is_old = content.version == Version::V1;
        // As OpenSSL, a certificate in the file stands for itself only where it is a root.
        let is_root = content.subject == content.issuer;
        let trusted = is_root && self.certificates.contains(end_entity)
            || is_old && self.signed(&certificate, algorithms);
        if trusted {
            return check_time(&certificate, now);
        }
        Err(if is_old {
            CertificateError::UnknownIssuer.into()
        } else {
            refusal
        })
    }

    /// Whether one of ours signed `certificate` itself. Version 1 knows no chains.
    fn signed(&self, certificate: &Certificate, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let (Ok(message), Some(signature), Some(how)) = (
            certificate.tbs_certificate.to_der(),
            certificate.signature.as_bytes(),
            contents(&certificate.signature_algorithm),
        ) else {
            return false;
        };
        self.certificates
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .filter(|root| root.tbs_certificate.subject == certificate.tbs_certificate.issuer)
            .any(|root| signature_holds(&root, algorithms.all, Some(&how), &message, signature))
    }
}

/// The certificate, if it is of version 1, which webpki does not read.
fn version_1(cert: &CertificateDer<'_>) -> Option<Certificate> {
    let certificate = Certificate::from_der(cert).ok()?;
    (certificate.tbs_certificate.version == Version::V1).then_some(certificate)
}

/// Whether `signature` is one of `message` by the key in `signer`, by one of `algorithms`; where
/// `how` names the algorithm, by that one.
fn signature_holds(
    signer: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    how: Option<&[u8]>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let info = &signer.tbs_certificate.subject_public_key_info;
    let (Some(kind), Some(key)) = (
        contents(&info.algorithm),
        info.subject_public_key.as_bytes(),
    ) else {
        return false;
    };
    algorithms
        .iter()
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == kind.as_slice())
        .filter(|algorithm| how.is_none_or(|how| algorithm.signature_alg_id().as_ref() == how))
        .any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

/// An algorithm identifier in DER without its own tag and length, as rustls writes them.
fn contents(algorithm: &impl Encode) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    // The length is one byte: no identifier in use is longer than 127 bytes.
    let (&[_, length], rest) = der.split_first_chunk()?;
    (usize::from(length) == rest.len()).then(|| rest.to_vec())
}

fn check_time(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether the certificate is for `name`. The subject's common name counts only where there is no
/// other name (RFC 6125, 6.4.4), as in libpq.
fn check_name(end_entity: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let modern = ParsedCertificate::try_from(end_entity)
        .and_then(|parsed| verify_server_name(&parsed, name));
    let Err(refusal) = modern else {
        return Ok(());
    };
    let Ok(certificate) = Certificate::from_der(end_entity) else {
        return Err(refusal);
    };
    let common_name = common_name(&certificate).filter(|_| !has_alternative_name(&certificate));
    match common_name {
        Some(pattern) if fits(pattern, &name.to_str()) => Ok(()),
        _ if certificate.tbs_certificate.version == Version::V1 => {
            Err(CertificateError::NotValidForName.into())
        }
        _ => Err(refusal),
    }
}

/// Whether there is a host name or an address among the alternative names, or they cannot be read.
fn has_alternative_name(certificate: &Certificate) -> bool {
    match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(None) => false,
        Ok(Some((_, names))) => names
            .0
            .iter()
            .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))),
        Err(_) => true,
    }
}

/// The first common name of the subject.
fn common_name(certificate: &Certificate) -> Option<&str> {
    let mut attributes = certificate
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|name| name.0.iter());
    let attribute = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
    std::str::from_utf8(attribute.value.value()).ok()
}

/// Whether a common name is for `host`; `*.` in front stands for one label, never of an address.
fn fits(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(parent), Some((label, rest))) = (pattern.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    let is_name = host.parse::<IpAddr>().is_err();
    is_name && !label.is_empty() && !parent.is_empty() && rest.eq_ignore_ascii_case(parent)
}
