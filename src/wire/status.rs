//! Status lines: one JSON object a line, at most [`limits::STATUS_LINE`] bytes with its newline.

use serde::{Deserialize, Serialize};

use crate::config::limits;
use crate::sys::process::Exit;

/// What the enclave is doing, as the host is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// The application runs.
    Running,
    /// The application ended by itself.
    Exited {
        /// Its exit code, 0 to 255.
        code: i32,
    },
    /// The application was ended by a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// The signal's name, such as `SIGTERM`.
        name: String,
    },
    /// The application was never started, or odyn itself failed.
    Fatal {
        /// Why, for people.
        error: String,
    },
}

impl Status {
    /// True when nothing will come after it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Running)
    }

    /// The line sent, newline included. Error text that would make it too long is cut between two characters: the
    /// existing host reads no longer lines.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut status = self.clone();
        loop {
            let line = encode(&status);
            let excess = line.len().saturating_sub(limits::STATUS_LINE);
            match &mut status {
                Self::Fatal { error } if excess > 0 && !error.is_empty() => {
                    // A byte of JSON comes from at least a sixth of a byte of text (`\u0000`), so this cuts no more
                    // than it must, in a few rounds.
                    let keep = error.len() - excess.div_ceil(6).min(error.len());
                    error.truncate(error.floor_char_boundary(keep));
                }
                _ => return line,
            }
        }
    }

    /// Reads a line back. `None` when it is not a status line of this version.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

impl From<Exit> for Status {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Exited { code: code.into() },
            Exit::Signal(signal) => Self::Signaled { signal: signal.number(), name: signal.to_string() },
        }
    }
}

fn encode(status: &Status) -> String {
    // Strings and integers always serialise; an empty object would still be a line the host skips.
    let mut line = serde_json::to_string(status).unwrap_or_else(|_| "{}".to_owned());
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::Signal;

    #[test]
    fn lines_are_those_of_the_contract() {
        assert_eq!(Status::Running.to_line(), "{\"status\":\"running\"}\n");
        assert_eq!(Status::from(Exit::Code(0)).to_line(), "{\"status\":\"exited\",\"code\":0}\n");
        assert_eq!(
            Status::from(Exit::Signal(Signal::TERM)).to_line(),
            "{\"status\":\"signaled\",\"signal\":15,\"name\":\"SIGTERM\"}\n"
        );
    }

    #[test]
    fn an_error_text_can_hold_anything_and_still_be_one_line() {
        let error = "quote \" backslash \\ newline \n nul \0 ü".to_owned();
        let line = Status::Fatal { error: error.clone() }.to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(Status::from_line(&line), Some(Status::Fatal { error }));
    }

    #[test]
    fn a_long_error_is_cut_between_characters_and_fills_the_line() {
        for text in ["x", "ü", "\0", "\"", "漢"] {
            let line = Status::Fatal { error: text.repeat(5000) }.to_line();
            assert!(line.len() <= limits::STATUS_LINE, "{} bytes", line.len());
            assert!(line.len() > limits::STATUS_LINE - 12, "{} bytes of {text:?}", line.len());
            let Some(Status::Fatal { error }) = Status::from_line(&line) else { panic!("{line}") };
            assert!(text.repeat(5000).starts_with(&error));
        }
    }
}
