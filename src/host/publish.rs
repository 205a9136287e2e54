//! Which ingress port is published on which port of this machine.

use super::error::Error;
use super::plan::Ingress;

/// `-p HOSTPORT:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The port here; 0 is any free one.
    pub host: u16,
    /// The ingress port, never 0.
    pub port: u16,
}

impl Choice {
    /// Reads `HOSTPORT:PORT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.split_once(':')?;
        let choice = Self { host: number(host)?, port: number(port)? };
        (choice.port != 0).then_some(choice)
    }
}

/// Digits only: `parse` alone would take a plus sign too.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// One ingress port and where it is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The port here; 0 is any free one.
    pub host: u16,
    /// The ingress port.
    pub ingress: Ingress,
}

/// Gives every ingress port its place: the one chosen for it, else its own number plus `offset`.
///
/// # Errors
/// [`Error::NotIngress`] for a choice of a port the manifest lacks, [`Error::ChosenTwice`], [`Error::NoDefaultPort`]
/// where the default would be above 65535, [`Error::SamePlace`] when two ports would be published in one place.
pub fn arrange(ingress: &[Ingress], choices: &[Choice], offset: u16) -> Result<Vec<Published>, Error> {
    for (index, choice) in choices.iter().enumerate() {
        if !ingress.iter().any(|known| known.port == choice.port) {
            return Err(Error::NotIngress(choice.port, ingress.iter().map(|known| known.port).collect()));
        }
        if choices[..index].iter().any(|earlier| earlier.port == choice.port) {
            return Err(Error::ChosenTwice(choice.port));
        }
    }
    let mut published: Vec<Published> = Vec::with_capacity(ingress.len());
    for ingress in ingress {
        let host = match choices.iter().find(|choice| choice.port == ingress.port) {
            Some(choice) => choice.host,
            None => ingress.port.checked_add(offset).ok_or(Error::NoDefaultPort(ingress.port, offset))?,
        };
        if let Some(earlier) = published.iter().find(|earlier| earlier.host == host && host != 0) {
            return Err(Error::SamePlace(host, earlier.ingress.port, ingress.port));
        }
        published.push(Published { host, ingress: *ingress });
    }
    Ok(published)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: [Ingress; 3] =
        [Ingress { port: 80, tls: false }, Ingress { port: 443, tls: true }, Ingress { port: 60_000, tls: false }];

    fn places(choices: &[&str], offset: u16) -> Result<Vec<u16>, String> {
        let choices: Vec<Choice> = choices.iter().map(|text| Choice::parse(text).unwrap()).collect();
        let published = arrange(&PORTS, &choices, offset).map_err(|e| e.to_string())?;
        Ok(published.iter().map(|place| place.host).collect())
    }

    #[test]
    fn a_port_goes_where_it_was_chosen_to_and_else_to_its_default() {
        assert_eq!(places(&[], 0).unwrap(), [80, 443, 60_000]);
        assert_eq!(places(&["8443:443", "0:60000"], 0).unwrap(), [80, 8443, 0]);
        assert_eq!(places(&["1:60000"], 10_000).unwrap(), [10_080, 10_443, 1]);
        assert_eq!(places(&["0:80", "0:443"], 0).unwrap(), [0, 0, 60_000]);
    }

    #[test]
    fn what_cannot_be_published_is_an_error_that_says_what_to_write_instead() {
        assert_eq!(
            places(&["1:81"], 0).unwrap_err(),
            "-p for port 81: the manifest has no such ingress port, only 80, 443, 60000"
        );
        assert_eq!(places(&["1:80", "2:80"], 0).unwrap_err(), "-p given twice for port 80");
        assert_eq!(
            places(&[], 10_000).unwrap_err(),
            "ingress port 60000 has no default here, 60000+10000 is above 65535: choose one with -p HOSTPORT:60000"
        );
        assert_eq!(
            places(&["80:443"], 0).unwrap_err(),
            "ingress ports 80 and 443 would both be published on port 80: choose another with -p HOSTPORT:443"
        );
        let none = arrange(&[], &[Choice { host: 1, port: 2 }], 0).unwrap_err().to_string();
        assert_eq!(none, "-p for port 2: the manifest has no ingress port");
    }

    #[test]
    fn a_choice_is_two_numbers_and_nothing_else() {
        assert_eq!(Choice::parse("65535:1"), Some(Choice { host: 65535, port: 1 }));
        for bad in ["", ":", "1", "1:", ":1", "1:0", "65536:1", "1:65536", "+1:1", "1:2:3", " 1:2", "127.0.0.1:1:2"] {
            assert_eq!(Choice::parse(bad), None, "{bad:?}");
        }
    }
}
