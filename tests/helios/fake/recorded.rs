//! Servers that repeat what mainnet's said, from the recordings.
