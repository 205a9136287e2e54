//! C programs of the tests' own: what is preloaded into odyn to lie to it, and an application that echoes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{TempDir, tools};

/// Compiles `tests/faults/NAME.c` into the folder; `None`, with a note, without a C compiler.
pub fn build(dir: &TempDir, name: &str, flags: &[&str]) -> Option<PathBuf> {
    let source = format!("{}/tests/faults/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let built = dir.path().join(name);
    let compiler = tools::program("cc")?;
    let status =
        Command::new(compiler).args(["-O1", "-Wall", "-Werror", "-o"]).arg(&built).arg(source).args(flags).status();
    assert!(status.unwrap().success(), "cc cannot compile {name}.c");
    Some(built)
}

/// `liar.c`, and the words by which it and its test talk: see there.
pub struct Liar {
    library: PathBuf,
    words: File,
    path: PathBuf,
}

impl Liar {
    pub fn new(dir: &TempDir) -> Option<Self> {
        let library = build(dir, "liar", &["-shared", "-fPIC", "-ldl"])?;
        let path = dir.write("words", &"\0".repeat(4096));
        let words = File::options().read(true).write(true).open(&path).unwrap();
        Some(Self { library, words, path })
    }

    /// Has a command's program lied to.
    pub fn preload(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("ODYN_TEST_WORDS", &self.path);
    }

    /// Shifts the wall clock by so many seconds.
    pub fn shift_clock(&self, seconds: i64) {
        self.words.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// Interrupts every so-manieth call; 0: none.
    pub fn interrupt_every(&self, nth: u64) {
        self.words.write_all_at(&nth.to_ne_bytes(), 8).unwrap();
    }

    /// How many calls were interrupted.
    pub fn interrupted(&self) -> u64 {
        self.word(24)
    }

    /// How often somebody asked what time it is.
    pub fn asked_for_time(&self) -> u64 {
        self.word(32)
    }

    fn word(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.words.read_exact_at(&mut word, at).unwrap();
        u64::from_ne_bytes(word)
    }
}
