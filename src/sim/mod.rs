//! Running without Nitro hardware: feature `sim`, never in the release build of `odyn`.

#![forbid(unsafe_code)]

pub mod chain;
pub mod nsm;
