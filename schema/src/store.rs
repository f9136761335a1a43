//! How to reach ClickHouse: one URL names the server, the user and the database.

use std::net::{IpAddr, SocketAddr};

use clickhouse::{Client, Compression};
use thiserror::Error;

use crate::cluster::{self, Cluster, ClusterName};

/// The database that Footfall's tables live in, unless the URL names another.
pub const DATABASE: &str = "footfall";

/// Where the store is. Its `Debug` form shows neither user nor password.
#[derive(Clone)]
pub struct StoreUrl {
    base: String,
    user: Option<String>,
    password: Option<String>,
    database: String,
    cluster: Option<Cluster>,
}

/// A URL that does not name a ClickHouse server.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected http(s)://[user:password@]host:port[/database], {0}")]
pub struct StoreUrlError(&'static str);

impl StoreUrl {
    /// Reads `http(s)://[user:password@]host:port[/database]`; user and password may be percent-encoded.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(StoreUrlError("the scheme is missing"))?;
        if !matches!(scheme, "http" | "https") {
            return Err(StoreUrlError("the scheme must be http or https"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        if host.is_empty() || host.starts_with(':') {
            return Err(StoreUrlError("the host is missing"));
        }
        let database = path.trim_end_matches('/');
        if !database.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(StoreUrlError("a database's name has letters, digits and _"));
        }
        let (user, password) =
            match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
                Some((user, password)) => (Some(percent_decode(user)?), Some(percent_decode(password)?)),
                None => (None, None),
            };
        Ok(Self {
            base: format!("{scheme}://{host}"),
            user,
            password,
            database: if database.is_empty() { DATABASE } else { database }.to_owned(),
            cluster: None,
        })
    }

    /// The same server with another database.
    #[must_use]
    pub fn with_database(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        if let Some(cluster) = &mut self.cluster {
            *cluster = cluster.clone().of_database(database);
        }
        self
    }

    /// The same server as a node of a cluster (`FOOTFALL_CLUSTER`); `None`: it stands alone.
    #[must_use]
    pub fn in_cluster(self, name: Option<ClusterName>) -> Self {
        let cluster = name.map(|name| Cluster::new(name, &self.database));
        Self { cluster, ..self }
    }

    /// The same server as a node of a cluster without a Keeper: see [`Cluster::without_keeper`].
    #[must_use]
    pub fn in_cluster_without_keeper(self, name: ClusterName) -> Self {
        let cluster = Some(Cluster::new(name, &self.database).without_keeper());
        Self { cluster, ..self }
    }

    /// The cluster that the server is a node of.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether the server is on this machine.
    fn is_here(&self) -> bool {
        let (_, host) = self.base.split_once("://").unwrap_or_default();
        let address = host.parse().map(|address: SocketAddr| address.ip()).or_else(|_| host.parse());
        match address {
            Ok(address) => IpAddr::is_loopback(&address),
            Err(_) => host.split(':').next() == Some("localhost"),
        }
    }

    /// A client whose queries run in the database.
    pub fn client(&self) -> Client {
        self.server().with_database(&self.database)
    }

    /// A client of the server that names no database, for making it.
    pub fn server(&self) -> Client {
        // On the way to the same machine nothing is gained by fewer bytes.
        let compression = if self.is_here() { Compression::None } else { Compression::Lz4 };
        let mut client = Client::default()
            .with_url(&self.base)
            .with_compression(compression)
            .with_product_info("footfall", env!("CARGO_PKG_VERSION"))
            // Waits for data of asynchronous inserts are not wanted: every insert here is a block of its own.
            .with_setting("async_insert", "0")
            .with_setting("date_time_input_format", "best_effort");
        if self.cluster.is_some() {
            for (name, value) in cluster::SETTINGS {
                client = client.with_setting(name, value);
            }
        }
        if let Some(user) = &self.user {
            client = client.with_user(user);
        }
        if let Some(password) = &self.password {
            client = client.with_password(password);
        }
        client
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.database)
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Whether a store answers at all.
pub async fn answers(client: &Client) -> bool {
    matches!(client.query_raw("SELECT 1").fetch_one::<u8>().await, Ok(1))
}

fn percent_decode(text: &str) -> Result<String, StoreUrlError> {
    const BROKEN: StoreUrlError = StoreUrlError("the percent-encoding of user or password is broken");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| (byte as char).to_digit(16)).ok_or(BROKEN);
        bytes.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(bytes).map_err(|_| BROKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_server_user_and_database() {
        let url = StoreUrl::parse("https://me:p%40ss@db.example:8443/stats").unwrap();
        assert_eq!(url.base, "https://db.example:8443");
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("me"), Some("p@ss")));
        assert_eq!(url.database(), "stats");
        assert_eq!(StoreUrl::parse("http://localhost:8123").unwrap().database(), DATABASE);
    }

    #[test]
    fn a_server_on_this_machine_is_known_by_its_address() {
        let is_here = |text: &str| StoreUrl::parse(text).unwrap().is_here();
        for text in [
            "http://127.0.0.1:8123",
            "http://me:p@127.0.0.2:8123/db",
            "https://[::1]:8443",
            "http://localhost",
        ] {
            assert!(is_here(text), "{text}");
        }
        for text in [
            "http://10.0.0.1:8123",
            "http://db:8123",
            "http://localhost.example:8123",
            "http://[2001:db8::1]:8123",
        ] {
            assert!(!is_here(text), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = StoreUrl::parse("http://me:secret@db:8123").unwrap();
        assert_eq!(format!("{url:?}"), "http://db:8123/footfall");
    }

    #[test]
    fn what_is_no_url_is_refused_with_a_reason() {
        for text in
            ["", "db:8123", "tcp://db:9000", "http://", "http://:8123", "http://db/a-b", "http://a%zz@db"]
        {
            assert!(StoreUrl::parse(text).is_err(), "{text}");
        }
    }
}
