//! How many connections there may be: of the server, and of one address.

use super::{ServerConfig, Shared, watching::Line};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Bits of an IPv6 address that one customer of a provider cannot choose.
const V6_PREFIX: u32 = 64;

/// The places of connections.
pub(super) struct Seats {
    max: usize,
    per_address: Option<usize>,
    /// Only addresses that have one, so at most as many as there are connections.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// How many are taken; drains wait for zero.
    count: watch::Sender<usize>,
}

/// The place of one connection, from its acceptance until its goodbye is over.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    address: Option<IpAddr>,
    /// What is counted of its transport.
    pub(super) line: Line,
}

/// Why there is no place for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// All are taken.
    Server,
    /// The address has as many as it may have.
    Address,
}

impl Seats {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            max: config.max_connections,
            per_address: config.max_connections_per_address,
            by_address: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        *self.count.borrow()
    }

    /// Resolves when none is taken.
    pub(super) async fn are_free(&self) {
        // The sender lives here: waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn add(&self, address: Option<IpAddr>) -> Result<(), NoSeat> {
        let Some(address) = address else { return self.add_one() };
        // Held until both are counted: what is refused must not take a place for a moment.
        let mut by_address = self.by_address();
        let own = by_address.get(&address).copied().unwrap_or_default();
        if self.per_address.is_some_and(|most| own >= most) {
            return Err(NoSeat::Address);
        }
        self.add_one()?;
        by_address.insert(address, own + 1);
        Ok(())
    }

    fn add_one(&self) -> Result<(), NoSeat> {
        let is_taken = self.count.send_if_modified(|count| {
            let is_free = *count < self.max;
            *count += usize::from(is_free);
            is_free
        });
        if is_taken { Ok(()) } else { Err(NoSeat::Server) }
    }

    fn remove(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            let mut by_address = self.by_address();
            let left = by_address.get(&address).map_or(0, |own| own - 1);
            if left == 0 {
                by_address.remove(&address);
            } else {
                by_address.insert(address, left);
            }
        }
        self.count.send_modify(|count| *count -= 1);
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A place beyond the bounds, for a connection that the application made.
    pub(super) fn take(shared: &Arc<Shared>) -> Self {
        shared.seats.count.send_modify(|count| *count += 1);
        Self { shared: Arc::clone(shared), address: None, line: Line::default() }
    }

    /// A place for a connection of this address, where it is known.
    pub(super) fn try_take(shared: &Arc<Shared>, address: Option<IpAddr>) -> Result<Self, NoSeat> {
        let is_counted = shared.config.max_connections_per_address.is_some();
        let address = address.filter(|_| is_counted).map(whose);
        shared.seats.add(address)?;
        Ok(Self { shared: Arc::clone(shared), address, line: Line::default() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.seats.remove(self.address);
    }
}

/// What stands for all addresses of one customer.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let suffix = u128::MAX.checked_shr(V6_PREFIX).unwrap_or_default();
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !suffix))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_has_one_v4_address_or_one_v6_network() {
        let same = |a: &str, b: &str| whose(a.parse().unwrap()) == whose(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }

    #[test]
    fn what_is_refused_takes_no_place_and_what_ends_gives_it_back() {
        let config = ServerConfig {
            max_connections: 3,
            max_connections_per_address: Some(2),
            ..ServerConfig::default()
        };
        let seats = Seats::new(&config);
        let (ann, bert) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        assert_eq!([seats.add(ann), seats.add(ann)], [Ok(()), Ok(())]);
        assert_eq!((seats.add(ann), seats.taken()), (Err(NoSeat::Address), 2));
        assert_eq!(seats.add(bert), Ok(()));
        assert_eq!((seats.add(bert), seats.taken()), (Err(NoSeat::Server), 3));
        seats.remove(ann);
        assert_eq!(seats.add(bert), Ok(()));
        seats.remove(ann);
        seats.remove(bert);
        seats.remove(bert);
        assert_eq!(seats.taken(), 0);
        assert!(seats.by_address().is_empty(), "an address without a connection is forgotten");
    }
}
