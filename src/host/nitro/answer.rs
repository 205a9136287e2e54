//! Reading what `nitro-cli` said. JSON on standard output when it succeeded; on standard error progress, and
//! explanations of the form `[ E27 ] Insufficient memory available. ...`.

use serde_json::Value;

use crate::config::limits;

/// What one run of `nitro-cli` said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// It exited with status 0.
    pub succeeded: bool,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Said {
    /// The ID and the CID that `run-enclave` answers with, each if it is there and one that can be.
    #[must_use]
    pub fn enclave(&self) -> (Option<String>, Option<u32>) {
        let answer = self.json(b'{').unwrap_or_default();
        let id = answer.get("EnclaveID").and_then(Value::as_str).filter(|id| is_id(id));
        let cid = answer.get("EnclaveCID").and_then(Value::as_u64).and_then(|cid| u32::try_from(cid).ok());
        // Those below are the hypervisor's and the parent's own, the largest is any.
        (id.map(str::to_owned), cid.filter(|cid| (4..u32::MAX).contains(cid)))
    }

    /// Whether `describe-enclaves` lists the enclave; `None` when this is no such list.
    #[must_use]
    pub fn lists(&self, id: &str) -> Option<bool> {
        let answer = self.json(b'[')?;
        Some(answer.as_array()?.iter().any(|enclave| enclave.get("EnclaveID").and_then(Value::as_str) == Some(id)))
    }

    /// The first JSON value on standard output that begins with `opening`, whatever stands behind it.
    fn json(&self, opening: u8) -> Option<Value> {
        let at = self.stdout.iter().position(|byte| *byte == opening)?;
        serde_json::Deserializer::from_slice(&self.stdout[at..]).into_iter().next()?.ok()
    }

    /// Why it failed, in one line: its explanations with their codes and its log file if there are any, else the end of
    /// what it wrote; and what usually helps.
    #[must_use]
    pub fn reason(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let coded: Vec<&str> = text.lines().map(str::trim).filter(|line| code(line).is_some()).collect();
        let mut reason = match coded.as_slice() {
            [] => last_lines(&text),
            [first, ..] => cut(first),
        };
        // What follows the first is usually its consequence: the code is enough.
        let others: Vec<&str> = coded.iter().skip(1).filter_map(|line| code(line)).collect();
        if !others.is_empty() {
            reason.push_str(&format!(" (then {})", others.join(", ")));
        }
        if let Some(log) = text.split("error log found at \"").nth(1).and_then(|rest| rest.split('"').next()) {
            reason.push_str(&format!(" (nitro-cli's log: {})", cut(log)));
        }
        if reason.is_empty() {
            reason.push_str("it did not say why");
        }
        if let Some(hint) = hint(coded.first().and_then(|line| code(line)), &text) {
            reason.push_str("; ");
            reason.push_str(hint);
        }
        reason
    }

    /// The beginning of its standard output.
    #[must_use]
    pub fn excerpt(&self) -> String {
        cut(String::from_utf8_lossy(&self.stdout).trim())
    }
}

/// IDs become arguments of commands: letters, digits and dashes, and never a flag.
fn is_id(id: &str) -> bool {
    let fits = (1..=limits::NITRO_ID).contains(&id.len()) && !id.starts_with('-');
    fits && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `E27` of a line that begins with `[ E27 ]`.
fn code(line: &str) -> Option<&str> {
    let code = line.strip_prefix("[ ")?.split_once(" ]")?.0;
    (code.len() == 3 && code.starts_with('E') && code[1..].bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let end = lines[lines.len().saturating_sub(3)..].join(" / ");
    cut(&end)
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(limits::NITRO_REASON)].to_owned()
}

/// What usually helps. Codes are those of `nitro-cli explain`.
fn hint(code: Option<&str>, text: &str) -> Option<&'static str> {
    let device = "is this an instance with enclaves enabled, and may this user open /dev/nitro_enclaves (group ne; in \
                  Kubernetes the device plugin's resource)?";
    let memory = "reserve more in memory_mib of /etc/nitro_enclaves/allocator.yaml and restart \
                  nitro-enclaves-allocator.service; in Kubernetes the pod's hugepages limit counts too";
    match code {
        Some("E21" | "E22" | "E23" | "E24" | "E32") => Some(
            "reserve more in cpu_count of /etc/nitro_enclaves/allocator.yaml and restart nitro-enclaves-allocator.service, \
             or ask for fewer with --cpu",
        ),
        Some("E26") => Some("give it more with --memory or defaults.memory_mb: about four times the image's size"),
        Some("E25" | "E27" | "E31" | "E35") => Some(memory),
        Some("E28" | "E29") => Some(device),
        Some("E07" | "E11" | "E18") if text.contains("ermission") => Some(device),
        Some("E36") => Some(
            "the enclave started and ended at once: try --debug-mode and nitro-cli console, and more memory (about four \
             times the image's size)",
        ),
        Some("E51" | "E52") => Some("reinstall the package aws-nitro-enclaves-cli"),
        _ if text.contains("/dev/nitro_enclaves") => Some(device),
        // Every explanation names the log in passing.
        None | Some("E18" | "E19" | "E56")
            if text.contains("/var/log/nitro_enclaves") || text.contains("/run/nitro_enclaves") =>
        {
            Some("may this user write to /var/log/nitro_enclaves and /run/nitro_enclaves (group ne)?")
        }
        _ if text.contains("hugepage") || text.contains("Cannot allocate memory") => Some(memory),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
