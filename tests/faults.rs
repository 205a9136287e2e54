//! odyn while something around it fails: descriptors, threads, memory, disk, the clock, the host, the application, the
//! clients. What each fault costs, that nothing else is lost, and that service is back within a second of its end.
//!
//! `ODYN_TEST_FAULTS=long` repeats each fault more often than every change can wait for.

mod clock;
mod cycles;
mod descriptors;
mod disk;
mod field;
mod interrupts;
mod memory;
mod offsets;
mod shim;
mod silence;
mod slow;
mod stopped;
mod threads;
