//! What these tests share with the others.

#[path = "../support/basics.rs"]
mod basics;
#[path = "../support/proc.rs"]
pub mod proc;
#[path = "../support/tools.rs"]
pub mod tools;

pub use basics::{PATIENCE, PREAMBLE, Port, TempDir, eventually};
pub use proc::{is_root, signal};
