//! The call object of `eth_call` and its kin.

use alloy_primitives::{Address, Bytes, TxKind, U256};
use revm::context::TxEnv;
use revm::context_interface::transaction::{AccessList, AccessListItem};
use serde_json::{Map, Value};

use crate::helios::execution::error::CallError;
use crate::helios::execution::params::{address_of, bytes_of, hash_of, u64_of, u128_of, u256_of};
use crate::helios::limits;

/// A call that nobody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who calls: the zero address if it is not said.
    pub from: Address,
    /// Who is called; `None` makes a contract.
    pub to: Option<Address>,
    /// The gas it says it has.
    pub gas: Option<u64>,
    /// What goes along, in wei.
    pub value: U256,
    /// What is said.
    pub data: Bytes,
    /// What is warm from the start.
    pub access_list: AccessList,
    fees: Fees,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fees {
    /// `gasPrice`.
    Price(u128),
    /// `maxFeePerGas`, `maxPriorityFeePerGas`.
    Capped(u128, u128),
}

/// Fields of transactions that are not run here.
const NOT_SERVED: [&str; 6] =
    ["authorizationList", "blobVersionedHashes", "blobs", "commitments", "maxFeePerBlobGas", "proofs"];

/// Fields that are.
const SERVED: [&str; 14] = [
    "accessList",
    "chainId",
    "data",
    "from",
    "gas",
    "gasPrice",
    "input",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "nonce",
    "to",
    "type",
    "value",
    "gasLimit",
];

impl Call {
    /// Reads a call object, for a chain. A field that is `null` is not there.
    ///
    /// # Errors
    /// [`CallError::Params`] with the field.
    pub fn read(object: &Value, chain_id: u64) -> Result<Self, CallError> {
        let Value::Object(fields) = object else { return Err(wrong("no object")) };
        for (name, _) in fields.iter().filter(|(_, value)| !value.is_null()) {
            if NOT_SERVED.contains(&name.as_str()) {
                return Err(wrong(&format!("{name} is not served: blobs and authorizations are not run here")));
            }
            if !SERVED.contains(&name.as_str()) {
                return Err(wrong(&format!("unknown field {}", name.escape_default().take(64).collect::<String>())));
            }
        }
        if field(fields, "chainId", u64_of)?.is_some_and(|said| said != chain_id) {
            return Err(wrong(&format!("chainId is not {chain_id:#x}")));
        }
        // Read, so that it is known to be a number; no nonce is compared with an account's.
        field(fields, "nonce", u64_of)?;
        let fees = fees(fields)?;
        check_type(field(fields, "type", u64_of)?, fees, fields)?;
        let data = field(fields, "data", bytes_of)?;
        let input = field(fields, "input", bytes_of)?;
        if data.is_some() && input.is_some() && data != input {
            return Err(wrong("data and input differ"));
        }
        if field(fields, "gasLimit", u64_of)?.is_some() {
            return Err(wrong("gasLimit is called gas here"));
        }
        Ok(Self {
            from: field(fields, "from", address_of)?.unwrap_or_default(),
            to: field(fields, "to", address_of)?,
            gas: field(fields, "gas", u64_of)?,
            value: field(fields, "value", u256_of)?.unwrap_or_default(),
            data: input.or(data).unwrap_or_default(),
            access_list: access_list(fields)?,
            fees,
        })
    }

    /// The most it pays for a unit of gas.
    #[must_use]
    pub fn price(&self) -> u128 {
        match self.fees {
            Fees::Price(price) | Fees::Capped(price, _) => price,
        }
    }

    /// As a transaction with this much gas.
    #[must_use]
    pub fn transaction(&self, chain_id: u64, gas: u64) -> TxEnv {
        let (tx_type, gas_priority_fee) = match self.fees {
            Fees::Capped(_, tip) => (2, Some(tip)),
            Fees::Price(_) => (u8::from(!self.access_list.0.is_empty()), None),
        };
        TxEnv {
            tx_type,
            caller: self.from,
            gas_limit: gas,
            gas_price: self.price(),
            gas_priority_fee,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.data.clone(),
            nonce: 0,
            chain_id: Some(chain_id),
            access_list: self.access_list.clone(),
            ..TxEnv::default()
        }
    }
}

fn wrong(what: &str) -> CallError {
    CallError::Params(format!("parameter 1 (call): {what}"))
}

/// A field, if it is there.
fn field<T>(
    fields: &Map<String, Value>,
    name: &str,
    read: fn(&Value) -> Result<T, &'static str>,
) -> Result<Option<T>, CallError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).map_err(|what| wrong(&format!("{name}: {what}"))),
    }
}

fn fees(fields: &Map<String, Value>) -> Result<Fees, CallError> {
    let price = field(fields, "gasPrice", u128_of)?;
    let most = field(fields, "maxFeePerGas", u128_of)?;
    let tip = field(fields, "maxPriorityFeePerGas", u128_of)?;
    match (price, most, tip) {
        (price, None, None) => Ok(Fees::Price(price.unwrap_or_default())),
        (None, most, tip) => {
            let (most, tip) = (most.unwrap_or_default(), tip.unwrap_or_default());
            if tip > most {
                return Err(wrong("maxPriorityFeePerGas is more than maxFeePerGas"));
            }
            Ok(Fees::Capped(most, tip))
        }
        _ => Err(wrong("gasPrice beside maxFeePerGas or maxPriorityFeePerGas")),
    }
}

/// A type that is said must be one that is run here and that has the fields there are.
fn check_type(said: Option<u64>, fees: Fees, fields: &Map<String, Value>) -> Result<(), CallError> {
    let list = fields.get("accessList").is_some_and(|list| !list.is_null());
    match said {
        None | Some(2) if said.is_none() || fields.get("gasPrice").is_none_or(Value::is_null) => Ok(()),
        Some(0) if !list && matches!(fees, Fees::Price(_)) => Ok(()),
        Some(1) if matches!(fees, Fees::Price(_)) => Ok(()),
        Some(0..=2) => Err(wrong("type does not have the fields that are there")),
        _ => Err(wrong("type is not served: 0, 1 and 2 are")),
    }
}

fn access_list(fields: &Map<String, Value>) -> Result<AccessList, CallError> {
    let items = match fields.get("accessList") {
        None | Some(Value::Null) => return Ok(AccessList::default()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong("accessList: no list")),
    };
    if items.len() > limits::CALL_ACCOUNTS {
        return Err(CallError::Limit("accounts in one call", limits::CALL_ACCOUNTS as u64));
    }
    let item = |item: &Value| {
        let fields = item.as_object()?;
        let address = address_of(fields.get("address")?).ok()?;
        let storage_keys = fields.get("storageKeys")?.as_array()?.iter().map(hash_of).collect::<Result<_, _>>().ok()?;
        (fields.len() == 2).then_some(AccessListItem { address, storage_keys })
    };
    let items: Option<Vec<_>> = items.iter().map(item).collect();
    Ok(AccessList(items.ok_or_else(|| wrong("accessList: not address and storageKeys"))?))
}
