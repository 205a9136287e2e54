//! `src/report`: log and status, whoever reads them and however badly.

mod log;
mod readers;
mod stall;
mod status;
