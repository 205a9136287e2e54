//! `src/app`: the application's life and what odyn owes it as its parent.

pub mod child;
mod exits;
mod orphans;
mod privilege;
mod signals;
mod user;
