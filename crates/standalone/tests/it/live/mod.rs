//! Rollups are made again and changed while events come in, and whoever does it is killed: no reader ever sees a number
//! that is not true.

mod change;
mod conformance;
mod maintainer;
mod poll;
