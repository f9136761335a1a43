//! What every server of the house shares, and nothing that knows ClickHouse or Kafka.
//!
//! * [`problem`]: what can go wrong for a caller; each surface writes it in its own dialect,
//! * [`dialect`]: the dialects that more than one binary speaks,
//! * [`extract`]: bodies with bounds,
//! * [`client_address`]: who really called, behind proxies that are trusted,
//! * [`failpoint`]: where a test ends the process,
//! * [`health`]: whether the store is there,
//! * [`limits`]: rates as settings, limiters as values,
//! * [`config`]: settings from the environment; a failure names the variable,
//! * [`secrets`]: the master key and the keys made from it,
//! * [`clock`] and [`stop`]: time and the end, passed in and never global,
//! * [`serve`]: one server, until it is told to stop; slow clients are closed,
//! * [`telemetry`] is for logs, [`metrics`] for counts, [`operator`] the port that shows them.

pub mod client_address;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod extract;
pub mod failpoint;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod operator;
pub mod problem;
pub mod secrets;
pub mod serve;
pub mod stop;
pub mod telemetry;

pub use clock::Clock;
pub use problem::{Dialect, Problem};
pub use secrets::MasterKey;
pub use stop::Stop;
