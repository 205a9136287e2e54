//! `eth_createAccessList`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use alloy_primitives::{Address, B256};
use revm::context_interface::transaction::{AccessList, AccessListItem};
use revm::state::EvmState;
use serde_json::{Value, json};

use super::prepare;
use crate::helios::execution::error::CallError;
use crate::helios::execution::view::View;
use crate::helios::limits;

/// Runs until a list changes nothing any more: what is warm changes only the gas left, which few contracts look at.
const ROUNDS: usize = 4;

/// `eth_createAccessList`: the accounts and slots that the call reads, on top of the block's proven state, and the gas it
/// uses with that list. Without those that are warm anyway: sender, recipient, block's beneficiary and precompiles are
/// listed only if slots of them are read. A call that fails has its list too, and says why in `error`.
///
/// # Errors
/// See [`CallError`].
pub fn create_access_list(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    let (mut machine, mut call) = prepare(view, params)?;
    let gas = machine.affordable(&call, limits::CALL_GAS)?;
    let mut warm: HashSet<Address> = machine.precompiles().collect();
    warm.extend([call.from, machine.block.beneficiary]);
    warm.extend(call.to);
    let mut rounds = 0;
    loop {
        let ran = machine.run(call.transaction(view.node.spec.chain_id, gas))?;
        let list = listed(&ran.state, &warm);
        rounds += 1;
        if ran.gas.total_gas_spent() == 0 {
            // It did not even begin.
            ran.result?;
            return Ok(json!({ "accessList": [], "gasUsed": "0x0" }));
        }
        if list != call.access_list && rounds < ROUNDS {
            call.access_list = list;
            continue;
        }
        let items: Vec<_> =
            list.0.iter().map(|i| json!({ "address": i.address, "storageKeys": i.storage_keys })).collect();
        let mut answer = json!({ "accessList": items, "gasUsed": format!("{:#x}", ran.gas.tx_gas_used()) });
        if let (Err(e), Some(fields)) = (ran.result, answer.as_object_mut()) {
            fields.insert("error".to_owned(), json!(e.to_string()));
        }
        return Ok(answer);
    }
}

/// The accounts and slots of a run, in order. A contract that the call made itself needs no list.
fn listed(state: &EvmState, warm: &HashSet<Address>) -> AccessList {
    let mut accounts: BTreeMap<Address, BTreeSet<B256>> = BTreeMap::new();
    for (address, account) in state.iter().filter(|(_, account)| !account.is_created()) {
        if !warm.contains(address) || !account.storage.is_empty() {
            accounts.entry(*address).or_default().extend(account.storage.keys().map(|slot| B256::from(*slot)));
        }
    }
    let item = |(address, slots): (Address, BTreeSet<B256>)| AccessListItem {
        address,
        storage_keys: slots.into_iter().collect(),
    };
    AccessList(accounts.into_iter().map(item).collect())
}
