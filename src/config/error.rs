//! Why a manifest is refused: one sentence that names the file and, where there is one, the line and the field.

use super::limits;
use super::locate::FieldPath;
use super::structure::Flaw;
use std::fmt;
use std::io;

/// Why there is no [`super::manifest::Manifest`]. All but [`ManifestError::Unreadable`] are the writer's to mend.
#[derive(Debug)]
pub enum ManifestError {
    /// The file cannot be read.
    Unreadable {
        /// The file's path as it was given.
        file: String,
        /// What the system said.
        error: io::Error,
    },
    /// The file is larger than [`limits::MANIFEST_FILE`].
    TooLarge {
        /// The file's path as it was given.
        file: String,
    },
    /// The file is not UTF-8.
    NotUtf8 {
        /// The file's path as it was given.
        file: String,
        /// The line of the first byte that is wrong, from 1.
        line: usize,
    },
    /// The file starts with a byte-order mark, which some editors add and no reader shows.
    ByteOrderMark {
        /// The file's path as it was given.
        file: String,
    },
    /// The file has no content but comments.
    Empty {
        /// The file's path as it was given.
        file: String,
    },
    /// The file holds more than one YAML document.
    Documents {
        /// The file's path as it was given.
        file: String,
    },
    /// The YAML, a field's name or a field's kind is wrong.
    Shape {
        /// The file's path as it was given.
        file: String,
        /// The line, from 1, when the YAML reader knows it.
        line: Option<usize>,
        /// The field's path and the fault.
        message: String,
    },
    /// The fields are well-formed and do not fit together.
    Field {
        /// The file's path as it was given.
        file: String,
        /// The line, from 1; `None` when nothing around the field is in the file.
        line: Option<usize>,
        /// The field at fault.
        field: FieldPath,
        /// The fault, and what to write instead where that is known.
        message: String,
    },
}

impl ManifestError {
    /// An error serde_yaml found: its line goes to where all our lines go.
    pub(super) fn shape(file: &str, error: &serde_yaml::Error) -> ManifestError {
        let message = error.to_string();
        let (line, message) = match error.location() {
            Some(location) => {
                // The one place among others in a longer message, or its end.
                let place = format!(" at line {} column {}", location.line(), location.column());
                (Some(location.line()), message.replacen(&place, "", 1))
            }
            None => (None, message),
        };
        ManifestError::Shape { file: file.to_owned(), line, message }
    }

    pub(super) fn flaw(file: &str, flaw: &Flaw) -> ManifestError {
        match flaw {
            Flaw::Empty => ManifestError::Empty { file: file.to_owned() },
            Flaw::Documents => ManifestError::Documents { file: file.to_owned() },
            Flaw::Yaml(error) => ManifestError::shape(file, error),
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::Unreadable { file, error } => write!(f, "cannot read {file}: {error}"),
            ManifestError::TooLarge { file } => {
                write!(f, "{file}: a manifest has at most {} bytes", limits::MANIFEST_FILE)
            }
            ManifestError::NotUtf8 { file, line } => write!(f, "{file}:{line}: the text is not UTF-8"),
            ManifestError::ByteOrderMark { file } => {
                write!(f, "{file}:1: the file starts with a byte-order mark: save it as UTF-8 without one")
            }
            ManifestError::Empty { file } => write!(f, "{file}: the manifest is empty"),
            ManifestError::Documents { file } => {
                write!(f, "{file}: the manifest is one YAML document, and \"---\" starts another here")
            }
            ManifestError::Shape { file, line, message } => {
                write!(f, "{file}:{}{message}", Place(*line))
            }
            ManifestError::Field { file, line, field, message } => {
                write!(f, "{file}:{}{field}: {message}", Place(*line))
            }
        }
    }
}

impl std::error::Error for ManifestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ManifestError::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// `12: `, or the blank alone.
struct Place(Option<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, "{line}: "),
            None => f.write_str(" "),
        }
    }
}
