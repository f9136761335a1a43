//! Who it was, without saying who: the visitor's hash under the day's salt, and the partition.
//!
//! A caller may name a user, a session, or neither. Whatever is named is the person, and the person is the visitor, so
//! that one partition sees all of it: only then are a visitor's first event of the day and a session's events each
//! known to one loader, and both counts exact.
//!
//! * a user id: the same visitor on every day; a session id beside it is not looked at,
//! * a session id alone: the visitor of that id, for the day, whatever the address and the agent are,
//! * neither: address and agent, for the day.

use std::net::IpAddr;
use std::sync::Arc;

use service::MasterKey;
use service::secrets::{UserIds, first_64_bits, keyed_hash};
use zeroize::Zeroizing;

use super::salts::{Salt, SaltError, Salts};
use crate::hit::Hit;

/// What is kept of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym {
    /// The visitor.
    pub visitor: u64,
    /// True when the caller named the user.
    pub identified: bool,
    /// The same person's key on the day before, when a session may reach over midnight.
    pub previous: Option<u64>,
    /// Where the person's events go.
    pub partition: u32,
}

/// The secrets behind pseudonyms. Each has one purpose.
pub struct Pseudonymiser {
    salts: Arc<Salts>,
    users: UserIds,
    placement: Zeroizing<[u8; 32]>,
    partitions: u32,
}

impl Pseudonymiser {
    /// A pseudonymiser over the shared salts, for a stream of so many partitions.
    pub fn new(salts: Arc<Salts>, master: &MasterKey, partitions: u32) -> Self {
        Self {
            salts,
            users: UserIds::new(master),
            placement: master.derive("partitions"),
            partitions: partitions.max(1),
        }
    }

    /// The salts that a hit's pseudonym needs on a site-local day. `previous`: the day before, if a session of it may reach to
    /// the hit.
    pub async fn salts(&self, hit: &Hit, day: i32, previous: Option<i32>) -> Result<DaySalts, SaltError> {
        if user_of(hit).is_some() {
            return Ok(DaySalts { day: None, previous: None, has_previous: previous.is_some() });
        }
        let of_day = Some(self.salts.of(day).await?);
        let of_previous = match previous {
            Some(day) => Some(self.salts.of(day).await?),
            None => None,
        };
        Ok(DaySalts { day: of_day, previous: of_previous, has_previous: previous.is_some() })
    }

    /// The pseudonym of a hit's person under the salts that it needs.
    pub fn pseudonym(&self, hit: &Hit, salts: &DaySalts) -> Pseudonym {
        let website = hit.website.id.as_bytes().as_slice();
        if let Some(user) = user_of(hit) {
            let parts = [website, user.as_bytes()];
            let visitor = self.users.visitor(website, user);
            return Pseudonym {
                visitor,
                identified: true,
                previous: salts.has_previous.then_some(visitor),
                partition: self.partition(&parts),
            };
        }
        let address = address_bytes(hit.address);
        let parts = match hit.session_id.as_deref().filter(|session| !session.is_empty()) {
            // Seven bytes are no address, so the two kinds never meet.
            Some(session) => [b"session".as_slice(), session.as_bytes(), website],
            None => [address.as_slice(), hit.user_agent.as_bytes(), website],
        };
        let under = |salt: &Arc<Salt>| identifier(salt.bytes(), &parts);
        Pseudonym {
            visitor: salts.day.as_ref().map(under).unwrap_or_default(),
            identified: false,
            previous: salts.previous.as_ref().map(under),
            partition: self.partition(&parts),
        }
    }

    /// The partition of a person: a keyed hash under a secret that is used for nothing else, and that outlives the
    /// day's salt, so that a person stays in one partition. The hash itself is not stored.
    fn partition(&self, parts: &[&[u8]]) -> u32 {
        (first_64_bits(&keyed_hash(self.placement.as_slice(), parts)) % u64::from(self.partitions)) as u32
    }
}

/// The salts of a day, and of the day before where a session of it may reach to the hit. A named user needs none.
pub struct DaySalts {
    day: Option<Arc<Salt>>,
    previous: Option<Arc<Salt>>,
    has_previous: bool,
}

/// The user that the caller named.
fn user_of(hit: &Hit) -> Option<&str> {
    hit.user_id.as_deref().filter(|user| !user.is_empty())
}

/// 64 bits that are never 0, which means nobody.
fn identifier(key: &[u8], parts: &[&[u8]]) -> u64 {
    first_64_bits(&keyed_hash(key, parts)).max(1)
}

/// An address in its shortest form, so that an IPv4 client is the same one over either kind of socket.
fn address_bytes(address: Option<IpAddr>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets().to_vec(),
        None => Vec::new(),
    })
}
