//! One address of a server: how it is found, reached and encrypted.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rand::seq::SliceRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::condition::Condition;
use super::milestone::{Milestone, Watch};
use super::refusal;
use super::socket::Socket;
use super::target::{Address, Host, HostOrder, SslMode, Target, TlsSettings};
use super::tls;
use crate::error::{Error, ErrorKind, Result};

/// One server address, and how to reach it, again and again.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) place: Place,
    pub(super) tls: TlsSettings,
    pub(super) keepalive: Option<Duration>,
}

/// Where a server listens. `Display` is the address, or the path of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP address.
    Tcp {
        /// The name that led to it, which the server's certificate must be for.
        name: String,
        /// The address and the port.
        addr: SocketAddr,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "socket {}", path.display()),
            Self::Tcp { addr, .. } => write!(f, "{addr}"),
        }
    }
}

impl Endpoint {
    /// A place, reached as `target` says.
    pub(super) fn new(target: &Target, place: Place) -> Self {
        Self {
            place,
            tls: target.tls.clone(),
            keepalive: target.keepalive,
        }
    }
}

/// The addresses of a host, in the order in which they are tried.
pub(super) async fn places(host: &Host, order: HostOrder) -> Result<Vec<Place>> {
    match &host.address {
        Address::Unix(dir) => Ok(vec![Place::Unix(
            dir.join(format!(".s.PGSQL.{}", host.port)),
        )]),
        Address::Tcp {
            name,
            addr: Some(addr),
        } => Ok(vec![Place::Tcp {
            name: name.clone(),
            addr: SocketAddr::new(*addr, host.port),
        }]),
        Address::Tcp { name, addr: None } => {
            let found = lookup_host((name.as_str(), host.port))
                .await
                .map_err(|cause| {
                    Error::new(
                        ErrorKind::Connect,
                        format!("the name `{name}` has no address"),
                    )
                    .under(Condition::Connection)
                    .because(cause)
                    .hint("check the host's name")
                })?;
            Ok(spread(found.collect(), order)
                .into_iter()
                .map(|addr| Place::Tcp {
                    name: name.clone(),
                    addr,
                })
                .collect())
        }
    }
}

/// The addresses of one name, in the order in which they are tried. At random, but for the kind of
/// address: the system puts the kind first that is more likely to get through (RFC 6724).
fn spread(mut addresses: Vec<SocketAddr>, order: HostOrder) -> Vec<SocketAddr> {
    if order == HostOrder::Random {
        for kind in addresses.chunk_by_mut(|a, b| a.is_ipv4() == b.is_ipv4()) {
            kind.shuffle(&mut rand::rng());
        }
    }
    addresses
}

/// Opens a stream to `endpoint`, encrypted as its settings ask.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Socket> {
    encrypt(reach(endpoint).await?, endpoint, &mut |_| {}).await
}

/// Opens a stream to `endpoint`, in plain text.
pub(super) async fn reach(endpoint: &Endpoint) -> Result<Socket> {
    match &endpoint.place {
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Socket::Unix(stream)),
            Err(cause) => Err(unreachable_at(&endpoint.place.to_string(), cause)
                .hint("is the server running, and is this its socket? Set PGHOST or `connection: {host: ...}`")),
        },
        Place::Tcp { addr, .. } => {
            let failed = |cause| {
                unreachable_at(&addr.to_string(), cause)
                    .hint("is the server running, and are its host and port right?")
            };
            let stream = TcpStream::connect(addr).await.map_err(failed)?;
            tune(&stream, endpoint.keepalive).map_err(failed)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

fn unreachable_at(place: &str, cause: io::Error) -> Error {
    Error::new(ErrorKind::Connect, format!("nobody answers at {place}"))
        .under(Condition::Connection)
        .because(cause)
}

fn tune(stream: &TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(idle) = keepalive {
        let settings = socket2::TcpKeepalive::new()
            .with_time(idle)
            .with_interval(Duration::from_secs(10));
        socket2::SockRef::from(stream).set_tcp_keepalive(&settings)?;
    }
    Ok(())
}

/// TLS, where the settings ask for it and the stream is TCP; a Unix socket is left as it is.
pub(super) async fn encrypt(
    socket: Socket,
    endpoint: &Endpoint,
    watch: Watch<'_>,
) -> Result<Socket> {
    let began = Instant::now();
    let settings = &endpoint.tls;
    let (mut stream, name) = match (socket, &endpoint.place) {
        (Socket::Tcp(stream), Place::Tcp { name, .. }) if settings.mode != SslMode::Disable => {
            (stream, name)
        }
        (socket, _) => return Ok(socket),
    };
    let broke = |cause| unreachable_at(name, cause);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(broke)?;
    // One byte and no more: whatever came behind it in plain text would pass for encrypted.
    match stream.read_u8().await.map_err(broke)? {
        b'S' => {
            let stream = tls::handshake(stream, name, settings).await?;
            watch(Milestone::Encrypted(tls::session(&stream, began.elapsed())));
            Ok(Socket::Tls(Box::new(stream)))
        }
        b'N' if settings.mode == SslMode::Prefer => {
            watch(Milestone::NoTls);
            Ok(Socket::Tcp(stream))
        }
        b'N' => Err(Error::new(
            ErrorKind::Connect,
            "the server does not offer TLS, and sslmode asks for it",
        )
        .hint("switch TLS on where the server runs; `sslmode=prefer` does without, and then everybody on the way can read along")),
        b'E' => Err(tls::plain_error(&mut stream).await.map_or_else(
            || Error::new(ErrorKind::Connect, "the server refused to talk about TLS"),
            |said| refusal::refused(said, None),
        )),
        _ => Err(Error::new(
            ErrorKind::Connect,
            "what answers is not a PostgreSQL server",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_name_are_spread_and_their_kinds_stay_in_order() {
        let addresses: Vec<SocketAddr> = ["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1"]
            .map(|text| text.parse().unwrap())
            .into();
        let given = spread(addresses.clone(), HostOrder::Given);
        assert_eq!(given, addresses);
        let mut seen = std::collections::BTreeSet::new();
        // One order of the four fails to come up once in 10^12 times.
        for _ in 0..100 {
            let found = spread(addresses.clone(), HostOrder::Random);
            assert!(found[1].is_ipv6() && found[2].is_ipv4(), "{found:?}");
            seen.insert(found);
        }
        assert_eq!(seen.len(), 4);
    }
}
