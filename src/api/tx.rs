//! EIP-1559 transactions: from named fields or raw RLP, back to the one encoding there is.
//!
//! Promises: what is signed is canonical RLP, and for a raw payload byte for byte what came: numbers without leading
//! zeroes, nothing behind the list. A transaction of another type, or one that is signed already, is refused.

use rlp::{PayloadInfo, Rlp, RlpStream};
use serde_json::Value;

use super::error::{ApiError, Problem, TransactionType};
use super::json::{Object, decode_hex};
use crate::keys::{Signature, keccak256};

/// The type byte (EIP-2718) of EIP-1559.
const TYPE: u8 = 2;

/// Fields of an unsigned transaction, and how many a signature adds.
const FIELDS: usize = 9;
const SIGNATURE_FIELDS: usize = 3;

/// An unsigned transaction, its fields in EIP-1559's order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    numbers: [Quantity; 5],
    /// Empty for the creation of a contract.
    to: Vec<u8>,
    value: Quantity,
    data: Vec<u8>,
    access_list: Vec<Access>,
}

/// Name and greatest size of the numbers that come first.
const NUMBERS: [(&str, usize); 5] =
    [("chain_id", 8), ("nonce", 8), ("max_priority_fee_per_gas", 32), ("max_fee_per_gas", 32), ("gas_limit", 8)];

/// The size of an amount of wei.
const AMOUNT: usize = 32;

/// A number as big-endian bytes without leading zeroes: empty is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Quantity(Vec<u8>);

/// One entry of an access list (EIP-2930).
#[derive(Debug, PartialEq, Eq)]
struct Access {
    address: Vec<u8>,
    storage_keys: Vec<Vec<u8>>,
}

impl Quantity {
    fn from_bytes(bytes: &[u8], most: usize) -> Result<Self, Problem> {
        match bytes {
            [0, ..] => Err(Problem::LeadingZeros),
            _ if bytes.len() > most => Err(Problem::TooLarge(most)),
            _ => Ok(Self(bytes.to_vec())),
        }
    }

    /// As JSON-RPC writes a quantity, `0x` in front or not: no leading zeroes, and `0` for zero.
    fn from_text(text: &str, most: usize) -> Result<Self, Problem> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        match digits.as_bytes() {
            [] => Err(Problem::Quantity),
            b"0" => Ok(Self::default()),
            all if !all.iter().all(u8::is_ascii_hexdigit) => Err(Problem::Quantity),
            [b'0', ..] => Err(Problem::LeadingZeros),
            all => {
                let even = if all.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
                Self::from_bytes(&decode_hex(&even)?, most)
            }
        }
    }
}

impl Transaction {
    /// The `payload` of a request.
    pub(super) fn from_payload(mut payload: Object) -> Result<Self, ApiError> {
        match payload.text("kind")?.as_str() {
            "structured" => Self::from_fields(payload),
            "raw_rlp" => {
                let raw = payload.hex("raw_payload")?;
                payload.finish()?;
                Self::from_raw(&raw)
            }
            _ => Err(payload.wrong("kind", Problem::Choice("\"structured\" or \"raw_rlp\""))),
        }
    }

    fn from_fields(mut payload: Object) -> Result<Self, ApiError> {
        let mut numbers: [Quantity; 5] = Default::default();
        for (slot, (name, most)) in numbers.iter_mut().zip(NUMBERS) {
            let text = payload.text(name)?;
            *slot = Quantity::from_text(&text, most).map_err(|problem| payload.wrong(name, problem))?;
        }
        let to = payload.optional_hex("to")?;
        if to.as_ref().is_some_and(|to| to.len() != 20) {
            return Err(payload.wrong("to", Problem::Length(20)));
        }
        let value = payload.optional_text("value")?.map(|text| Quantity::from_text(&text, AMOUNT)).transpose();
        let value = value.map_err(|problem| payload.wrong("value", problem))?.unwrap_or_default();
        let data = payload.optional_hex("data")?.unwrap_or_default();
        let access_list = match payload.take("access_list") {
            None => Vec::new(),
            Some(Value::Array(entries)) => {
                let place = payload.path("access_list");
                let entry = |(at, entry)| Access::from_json(Object::nested(format!("{place}[{at}]"), entry)?);
                entries.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(payload.wrong("access_list", Problem::Type("a list"))),
        };
        payload.finish()?;
        Ok(Self { numbers, to: to.unwrap_or_default(), value, data, access_list })
    }

    fn from_raw(raw: &[u8]) -> Result<Self, ApiError> {
        const PLACE: &str = "payload.raw_payload";
        let list = match raw {
            [] => return Err(ApiError::field(PLACE, Problem::Empty)),
            [TYPE, list @ ..] => list,
            // The start of an RLP list, which no type byte can be (EIP-2718).
            [first, ..] if *first >= 0xc0 => return Err(ApiError::TransactionType(TransactionType::Legacy)),
            [other, ..] => return Err(ApiError::TransactionType(TransactionType::Other(*other))),
        };
        let wrong = |problem| ApiError::field(PLACE, problem);
        let items = list_items(&Rlp::new(list), FIELDS + SIGNATURE_FIELDS).map_err(wrong)?;
        if items.len() == FIELDS + SIGNATURE_FIELDS {
            return Err(wrong(Problem::Signed));
        }
        let [chain_id, nonce, priority, fee, gas, to, value, data, access] = &items[..] else {
            return Err(wrong(Problem::Items(FIELDS)));
        };
        let named = |name: &str, problem| ApiError::Field(format!("{PLACE}: {name}"), problem);
        let mut numbers: [Quantity; 5] = Default::default();
        for ((slot, item), (name, most)) in numbers.iter_mut().zip([chain_id, nonce, priority, fee, gas]).zip(NUMBERS) {
            let number = bytes(item).and_then(|bytes| Quantity::from_bytes(bytes, most));
            *slot = number.map_err(|problem| named(name, problem))?;
        }
        let to = bytes(to).map_err(|problem| named("to", problem))?;
        if !matches!(to.len(), 0 | 20) {
            return Err(named("to", Problem::Length(20)));
        }
        let value = bytes(value).and_then(|bytes| Quantity::from_bytes(bytes, AMOUNT));
        let value = value.map_err(|problem| named("value", problem))?;
        let data = bytes(data).map_err(|problem| named("data", problem))?;
        let most = access.as_raw().len() / Access::SHORTEST;
        let access_list = list_items(access, most).and_then(|entries| entries.iter().map(Access::from_rlp).collect());
        let access_list = access_list.map_err(|problem| named("access_list", problem))?;
        let transaction = Self { numbers, to: to.to_vec(), value, data: data.to_vec(), access_list };
        // Whatever else the payload was, long forms and trailing bytes included, it was not the canonical encoding.
        if transaction.encode(None) == raw { Ok(transaction) } else { Err(wrong(Problem::Rlp)) }
    }

    /// What is signed.
    pub(super) fn signing_hash(&self) -> [u8; 32] {
        keccak256(&self.encode(None))
    }

    /// What is sent to the network.
    pub(super) fn signed(&self, signature: &Signature) -> Vec<u8> {
        self.encode(Some(signature))
    }

    fn encode(&self, signature: Option<&Signature>) -> Vec<u8> {
        let mut list = RlpStream::new_list(FIELDS + signature.map_or(0, |_| SIGNATURE_FIELDS));
        for Quantity(number) in &self.numbers {
            list.append(number);
        }
        list.append(&self.to).append(&self.value.0).append(&self.data).begin_list(self.access_list.len());
        for access in &self.access_list {
            list.begin_list(2).append(&access.address).begin_list(access.storage_keys.len());
            for key in &access.storage_keys {
                list.append(key);
            }
        }
        if let Some(signature) = signature {
            for number in [&[signature.y_parity][..], &signature.r, &signature.s] {
                let zeroes = number.iter().take_while(|byte| **byte == 0).count();
                list.append(&number.get(zeroes..).unwrap_or_default());
            }
        }
        let mut out = vec![TYPE];
        out.extend_from_slice(&list.out());
        out
    }
}

impl Access {
    /// Bytes of an entry without keys: its header, the address with its own, an empty list.
    const SHORTEST: usize = 1 + 21 + 1;

    /// Bytes of a storage key, with its header.
    const KEY: usize = 1 + 32;

    fn from_json(mut entry: Object) -> Result<Self, ApiError> {
        let address = entry.hex("address")?;
        if address.len() != 20 {
            return Err(entry.wrong("address", Problem::Length(20)));
        }
        // JSON-RPC writes it the second way, and libraries hand it on.
        let keys = match (entry.take("storage_keys"), entry.take("storageKeys")) {
            (Some(keys), None) | (None, Some(keys)) => keys,
            (None, None) => return Err(entry.wrong("storage_keys", Problem::Missing)),
            (Some(_), Some(_)) => return Err(entry.wrong("storage_keys", Problem::Twice)),
        };
        let Value::Array(keys) = keys else {
            return Err(entry.wrong("storage_keys", Problem::Type("a list")));
        };
        let key = |(at, key): (usize, &Value)| {
            let bytes = key.as_str().ok_or(Problem::Type("text")).and_then(decode_hex);
            let bytes = bytes.and_then(|bytes| if bytes.len() == 32 { Ok(bytes) } else { Err(Problem::Length(32)) });
            bytes.map_err(|problem| entry.wrong(&format!("storage_keys[{at}]"), problem))
        };
        let storage_keys = keys.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        entry.finish()?;
        Ok(Self { address, storage_keys })
    }

    fn from_rlp(entry: &Rlp<'_>) -> Result<Self, Problem> {
        let items = list_items(entry, 2)?;
        let [address, keys] = &items[..] else {
            return Err(Problem::Items(2));
        };
        let exactly = |item: &Rlp<'_>, size| match bytes(item)? {
            bytes if bytes.len() == size => Ok(bytes.to_vec()),
            _ => Err(Problem::Length(size)),
        };
        let storage_keys = list_items(keys, keys.as_raw().len() / Self::KEY)?
            .iter()
            .map(|key| exactly(key, 32))
            .collect::<Result<_, _>>()?;
        Ok(Self { address: exactly(address, 20)?, storage_keys })
    }
}

/// The bytes of an item that is not a list.
fn bytes<'a>(item: &Rlp<'a>) -> Result<&'a [u8], Problem> {
    if item.is_data() { item.data().map_err(|_| Problem::Rlp) } else { Err(Problem::Rlp) }
}

/// The items of a list that is all there, with nothing behind it: the iterator would end without a word where the bytes
/// do, and take what follows for further items. Of more than `most` only one more is there: each takes 50 times the memory
/// that a byte of the payload does, and too many are too small, the first of them among those that are there.
fn list_items<'a>(list: &Rlp<'a>, most: usize) -> Result<Vec<Rlp<'a>>, Problem> {
    let exact = |info: PayloadInfo| list.as_raw().len().checked_sub(info.header_len) == Some(info.value_len);
    let exact = list.is_list() && list.payload_info().is_ok_and(exact);
    if exact { Ok(list.iter().take(most + 1).collect()) } else { Err(Problem::Rlp) }
}

#[cfg(test)]
mod tests;
