//! What a handshake that failed teaches: the reason in words, and what to do.

use std::io;

use rustls::{CertificateError, Error as TlsError};

use crate::error::{Error, ErrorKind};
use crate::wire::target::{RootCerts, TlsSettings};

/// The error of a handshake that failed.
pub(super) fn explain(cause: &io::Error, settings: &TlsSettings) -> Error {
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref());
    let error = |what: String| Error::new(ErrorKind::Connect, what);
    match inner {
        Some(TlsError::InvalidCertificate(reason)) => match certificate(reason, settings) {
            Some((what, hint)) => error(what).hint(hint),
            None => error(cause.to_string()).hint("check sslrootcert and the server's certificate"),
        },
        Some(TlsError::AlertReceived(_)) => error(cause.to_string()).hint(
            "the server says so: does it want a client certificate (sslcert, sslkey), and does it speak TLS 1.2 or 1.3?",
        ),
        _ => error(cause.to_string())
            .hint("is it a PostgreSQL server, and does it speak TLS 1.2 or 1.3?"),
    }
}

/// What is wrong with a certificate, and what to do.
fn certificate(reason: &CertificateError, settings: &TlsSettings) -> Option<(String, String)> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let (what, hint) = match reason {
        // A signature is bad where a root has the signer's name and another key.
        UnknownIssuer | BadSignature => (
            "nobody whom we trust has signed the server's certificate".into(),
            format!(
                "{} must hold the certificate of who signed it; a DWS has it in the console, as cacert.pem of dws_ssl_cert.zip",
                roots(&settings.root)
            ),
        ),
        Expired | ExpiredContext { .. } => (
            "the server's certificate has expired".into(),
            "it has to be renewed where the server runs, or the clock of this machine is wrong"
                .into(),
        ),
        NotValidYet | NotValidYetContext { .. } => (
            "the server's certificate is not valid yet".into(),
            "is the clock of this machine right?".into(),
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            "the server's certificate is for another name".into(),
            "connect by a name of the certificate, or set sslmode=verify-ca, which checks who signed it and not the name".into(),
        ),
        _ => return None,
    };
    Some((what, hint))
}

fn roots(root: &RootCerts) -> String {
    match root {
        RootCerts::File(path) => format!("sslrootcert `{}`", path.display()),
        RootCerts::System => "the system's list of roots (sslrootcert=system)".into(),
        RootCerts::None => "sslrootcert".into(),
    }
}
