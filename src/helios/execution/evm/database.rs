//! The state a call reads, fetched and proven as it is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::{Address, B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, TrieAccount};
use revm::database_interface::DBErrorMarker;
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::helios::execution::error::CallError;
use crate::helios::execution::header::Sealed;
use crate::helios::execution::view::View;
use crate::helios::limits;

/// The state after a block. Keeps what it fetched; what is not proven is an error to whoever reads it.
pub struct Database<'a> {
    view: View<'a>,
    block: Arc<Sealed>,
    accounts: HashMap<Address, Option<TrieAccount>>,
    slots: HashMap<(Address, U256), U256>,
    /// Who has the code with a hash.
    codes: HashMap<B256, Address>,
    /// What was read, which is what is limited; more may have been fetched.
    read_accounts: HashSet<Address>,
    read_slots: HashSet<(Address, U256)>,
    fetches: usize,
    /// The call, until it was used for a hint.
    call: Option<Value>,
}

/// What the execution RPC thinks a call will read. Believed in nothing: what it names is proven like anything else, and
/// what it names without need is never read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hint {
    access_list: Vec<HintItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HintItem {
    address: Address,
    storage_keys: Vec<B256>,
}

impl DBErrorMarker for CallError {}

impl<'a> Database<'a> {
    /// The state after `block`, for the call object `call`.
    #[must_use]
    pub fn new(view: View<'a>, block: Arc<Sealed>, call: Value) -> Self {
        Self {
            view,
            block,
            accounts: HashMap::new(),
            slots: HashMap::new(),
            codes: HashMap::new(),
            read_accounts: HashSet::new(),
            read_slots: HashSet::new(),
            fetches: 0,
            call: Some(call),
        }
    }

    /// An account and slots of it, proven and kept.
    fn fetch(&mut self, view: &View<'_>, address: Address, slots: &[U256]) -> Result<(), CallError> {
        let proven = view.proof(&self.block, address, slots)?;
        let caches = &view.node.caches;
        caches.keep_account(self.block.header.state_root, address, proven.account);
        if let Some(account) = proven.account {
            for (slot, value) in slots.iter().zip(&proven.values) {
                caches.keep_slot(account.storage_root, *slot, *value);
            }
        }
        self.know(address, proven.account);
        self.slots.extend(slots.iter().zip(proven.values).map(|(slot, value)| ((address, *slot), value)));
        Ok(())
    }

    /// Keeps an account that is proven.
    fn know(&mut self, address: Address, account: Option<TrieAccount>) {
        if let Some(account) = account {
            self.codes.insert(account.code_hash, address);
        }
        self.accounts.insert(address, account);
    }

    /// Looks an account up in what other calls proved.
    fn recall_account(&mut self, address: Address) {
        if let Some(account) = self.view.node.caches.account(self.block.header.state_root, address) {
            self.know(address, account);
        }
    }

    /// Looks a slot of a known account up in what other calls proved.
    fn recall_slot(&mut self, address: Address, slot: U256) {
        if let Some(Some(account)) = self.accounts.get(&address)
            && let Some(value) = self.view.node.caches.slot(account.storage_root, slot)
        {
            self.slots.insert((address, slot), value);
        }
    }

    /// A hint after a few fetches: most calls read little.
    fn prefetch(&mut self) {
        self.fetches = self.fetches.saturating_add(1);
        if self.fetches < limits::HINT_AFTER {
            return;
        }
        let Some(call) = self.call.take() else { return };
        let deadline = self.view.deadline.min(Instant::now() + limits::HINT);
        let view = View { deadline, ..self.view };
        let params = json!([call, format!("{:#x}", self.block.header.number)]);
        let Ok(Some(hint)) = view.ask::<Hint>("eth_createAccessList", params, limits::HINT_ANSWER) else { return };
        let mut left = limits::CALL_SLOTS;
        for item in hint.access_list.into_iter().take(limits::CALL_ACCOUNTS) {
            let slots: HashSet<U256> = item.storage_keys.into_iter().map(|key| U256::from_be_bytes(key.0)).collect();
            let slots = slots.into_iter().filter(|slot| !self.slots.contains_key(&(item.address, *slot)));
            let slots: Vec<U256> = slots.take(left.min(limits::PROOF_SLOTS)).collect();
            left = left.saturating_sub(slots.len());
            if slots.is_empty() && self.accounts.contains_key(&item.address) {
                continue;
            }
            if self.fetch(&view, item.address, &slots).is_err() {
                return;
            }
        }
    }
}

impl revm::Database for Database<'_> {
    type Error = CallError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, CallError> {
        self.read_accounts.insert(address);
        if self.read_accounts.len() > limits::CALL_ACCOUNTS {
            return Err(CallError::Limit("accounts in one call", limits::CALL_ACCOUNTS as u64));
        }
        if !self.accounts.contains_key(&address) {
            self.recall_account(address);
        }
        if !self.accounts.contains_key(&address) {
            self.prefetch();
        }
        if !self.accounts.contains_key(&address) {
            let view = self.view;
            self.fetch(&view, address, &[])?;
        }
        let account = self.accounts.get(&address).copied().flatten();
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, CallError> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        // Asked for only after an account had it.
        let address = self.codes.get(&hash).copied().unwrap_or_default();
        let code = self.view.code(&self.block, address, hash)?;
        Bytecode::new_raw_checked(code).map_err(|_| CallError::Halted(format!("the code of {address} is not code")))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, CallError> {
        self.read_slots.insert((address, slot));
        if self.read_slots.len() > limits::CALL_SLOTS {
            return Err(CallError::Limit("slots in one call", limits::CALL_SLOTS as u64));
        }
        match self.accounts.get(&address) {
            Some(None) => return Ok(U256::ZERO),
            Some(Some(account)) if account.storage_root == EMPTY_ROOT_HASH => return Ok(U256::ZERO),
            _ => {}
        }
        if !self.slots.contains_key(&(address, slot)) {
            self.recall_slot(address, slot);
        }
        if !self.slots.contains_key(&(address, slot)) {
            self.prefetch();
        }
        if !self.slots.contains_key(&(address, slot)) {
            let view = self.view;
            self.fetch(&view, address, &[slot])?;
        }
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, CallError> {
        self.view.hash_below(&self.block, number)
    }
}
