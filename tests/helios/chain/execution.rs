//! The generated chain's execution blocks: what is in them fits together as the network's rules want it.

use alloy_consensus::private::alloy_eips::eip4895::Withdrawal;
use alloy_consensus::{Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction, TxReceipt, proofs};
use alloy_primitives::{Address, B256, Bloom, U256, keccak256};

use super::state::State;
use super::transactions::{self, Market, SENDERS, Sent};
use super::{contracts, state};

/// One block, with the state after it.
#[derive(Clone, Debug)]
pub struct Block {
    pub header: Header,
    pub hash: B256,
    pub transactions: Vec<Sent>,
    pub receipts: Vec<ReceiptEnvelope>,
    pub withdrawals: Vec<Withdrawal>,
    /// What blobs cost in it, wei for each unit of blob gas.
    pub blob_price: u128,
    pub state: State,
}

/// All blocks, without a gap.
#[derive(Clone, Debug)]
pub struct Execution {
    pub chain_id: u64,
    /// When blobs got a new price after Prague's: timestamp, update fraction.
    pub blob_schedule: Vec<(u64, u64)>,
    pub blocks: Vec<Block>,
}

/// The first block's number: soon after it, the history contract's slots start over.
pub const FIRST: u64 = 8180;

/// How many hashes of blocks before [`FIRST`] the history contract has. Nobody has those blocks.
pub const FORGOTTEN: u64 = 40;

/// A block's gas limit.
pub const GAS_LIMIT: u64 = 36_000_000;

/// What the first block's fee is, in wei.
const FIRST_FEE: u64 = 20_000_000_000;

/// Gas of one blob.
const BLOB: u64 = 1 << 17;

/// The excess blob gas of the first block: a price well above the lowest.
const FIRST_EXCESS: u64 = 90_000_000;

/// Prague's update fraction.
const PRAGUE: u64 = 5_007_716;

impl Execution {
    /// A chain without blocks.
    pub fn new(chain_id: u64, blob_schedule: Vec<(u64, u64)>) -> Self {
        Self { chain_id, blob_schedule, blocks: Vec::new() }
    }

    /// The block of that number.
    pub fn number(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number.checked_sub(FIRST)?).ok()?)
    }

    /// The block of that hash.
    pub fn hash(&self, hash: B256) -> Option<&Block> {
        self.blocks.iter().find(|block| block.hash == hash)
    }

    /// The block and the index of a transaction.
    pub fn transaction(&self, hash: B256) -> Option<(&Block, usize)> {
        self.blocks.iter().find_map(|block| {
            let index = block.transactions.iter().position(|sent| *sent.envelope.tx_hash() == hash)?;
            Some((block, index))
        })
    }

    /// The update fraction of the blob price at a time.
    fn fraction(&self, timestamp: u64) -> u64 {
        self.blob_schedule.iter().rev().find(|(from, _)| *from <= timestamp).map_or(PRAGUE, |(_, fraction)| *fraction)
    }

    /// Adds a block at that time, above the beacon block with that root.
    pub fn push(&mut self, timestamp: u64, parent_beacon_root: B256) -> &Block {
        let index = self.blocks.len();
        let number = FIRST + index as u64;
        let parent = self.blocks.last();
        let parent_hash = parent.map_or_else(|| keccak256((number - 1).to_be_bytes()), |parent| parent.hash);
        let base_fee = parent.map_or(FIRST_FEE, |parent| next_fee(&parent.header));
        let excess = parent.map_or(FIRST_EXCESS, |parent| self.next_excess(parent));
        let blob_price = exponential(excess, self.fraction(timestamp));
        let market = Market { chain_id: self.chain_id, base_fee, blob_price };
        let coinbase = contracts::named(&format!("proposer {}", index % 5));

        let mut state = parent.map_or_else(first_state, |parent| parent.state.clone());
        remember(&mut state, number - 1, parent_hash);
        let mut transactions = Vec::new();
        for (place, kind) in transactions::kinds(index).iter().enumerate() {
            let key = &SENDERS[(index + place) % SENDERS.len()];
            let nonce = state.at(transactions::address(key)).nonce;
            let sent = transactions::make(*kind, key, nonce, (index * 10 + place) as u64, market);
            apply(&mut state, &sent, market, coinbase);
            transactions.push(sent);
        }
        let withdrawals: Vec<Withdrawal> = (0..2)
            .map(|place| Withdrawal {
                index: number * 2 + place,
                validator_index: 1000 + number % 7 + place,
                address: state::person((number + place * 11) % state::PEOPLE),
                amount: 17_000_000 + number,
            })
            .collect();
        for withdrawal in &withdrawals {
            state.at(withdrawal.address).balance += withdrawal.amount_wei();
        }

        let receipts = receipts(&transactions);
        let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.logs_bloom());
        let envelopes: Vec<_> = transactions.iter().map(|sent| sent.envelope.clone()).collect();
        let blobs = envelopes.iter().filter_map(Transaction::blob_count).sum::<u64>();
        let header = Header {
            parent_hash,
            beneficiary: coinbase,
            state_root: state.root(),
            transactions_root: proofs::calculate_transaction_root(&envelopes),
            receipts_root: proofs::calculate_receipt_root(&receipts),
            logs_bloom: bloom,
            number,
            gas_limit: GAS_LIMIT,
            gas_used: transactions.iter().map(|sent| sent.gas_used).sum(),
            timestamp,
            extra_data: format!("generated {index}").into_bytes().into(),
            mix_hash: keccak256(format!("randao {index}")),
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: Some(proofs::calculate_withdrawals_root(&withdrawals)),
            blob_gas_used: Some(blobs * BLOB),
            excess_blob_gas: Some(excess),
            parent_beacon_block_root: Some(parent_beacon_root),
            requests_hash: Some(super::ssz::sha256(&[]).into()),
            ..Header::default()
        };
        let hash = header.hash_slow();
        self.blocks.push(Block { header, hash, transactions, receipts, withdrawals, blob_price, state });
        &self.blocks[index]
    }

    /// EIP-4844's excess with the reserve price of EIP-7918; targets and limits are Prague's throughout.
    fn next_excess(&self, parent: &Block) -> u64 {
        let (target, most) = (6 * BLOB, 9);
        let (excess, used) = (parent.header.excess_blob_gas.unwrap(), parent.header.blob_gas_used.unwrap());
        let base_fee = u128::from(parent.header.base_fee_per_gas.unwrap());
        if excess + used < target {
            0
        } else if (1 << 13) * base_fee > u128::from(BLOB) * parent.blob_price {
            excess + used * (most - 6) / most
        } else {
            excess + used - target
        }
    }
}

/// The state below the first block, with hashes of blocks that nobody has.
fn first_state() -> State {
    let mut state = State::genesis();
    for number in FIRST - 1 - FORGOTTEN..FIRST - 1 {
        remember(&mut state, number, keccak256(number.to_be_bytes()));
    }
    for key in SENDERS.iter() {
        state.at(transactions::address(key)).balance = U256::from(10).pow(U256::from(24));
        for contract in [contracts::token(), contracts::proxy()] {
            let slot = contracts::balance_slot(transactions::address(key));
            state.at(contract).set(slot, U256::from(10).pow(U256::from(18)));
        }
    }
    state
}

/// EIP-2935.
fn remember(state: &mut State, number: u64, hash: B256) {
    state.at(contracts::HISTORY).set(U256::from(number % contracts::HISTORY_SLOTS), hash.into());
}

/// Does to the state what a transaction did.
fn apply(state: &mut State, sent: &Sent, market: Market, coinbase: Address) {
    let price = sent.envelope.effective_gas_price(Some(market.base_fee));
    let fee = U256::from(price) * U256::from(sent.gas_used);
    let blob_fee = U256::from(sent.envelope.blob_gas_used().unwrap_or_default()) * U256::from(market.blob_price);
    let tip = U256::from(price - u128::from(market.base_fee)) * U256::from(sent.gas_used);
    let sender = state.at(sent.from);
    sender.nonce += 1;
    sender.balance -= fee + blob_fee;
    state.at(coinbase).balance += tip;
    if !sent.succeeded {
        return;
    }
    if let (Some(to), value) = (sent.envelope.to(), sent.envelope.value()) {
        state.at(sent.from).balance -= value;
        if !value.is_zero() {
            state.at(to).balance += value;
        }
    }
    if let Some(created) = sent.created {
        let account = state.at(created);
        account.nonce = 1;
        account.code = contracts::looper_code();
    }
    for authorization in sent.envelope.authorization_list().unwrap_or_default() {
        let authority = state.at(authorization.recover_authority().unwrap());
        authority.nonce += 1;
        authority.code = [&[0xef, 0x01, 0x00], authorization.address.as_slice()].concat();
    }
    if let Some((token, to, amount)) = sent.tokens {
        let (paid, got) = (state.tokens(token, sent.from) - amount, state.tokens(token, to) + amount);
        let account = state.at(token);
        account.set(contracts::balance_slot(sent.from), paid);
        account.set(contracts::balance_slot(to), got);
    }
}

fn receipts(transactions: &[Sent]) -> Vec<ReceiptEnvelope> {
    let mut cumulative_gas_used = 0;
    let receipt = |sent: &Sent| {
        cumulative_gas_used += sent.gas_used;
        let receipt = Receipt { status: sent.succeeded.into(), cumulative_gas_used, logs: sent.logs.clone() };
        let logs_bloom = receipt.bloom();
        ReceiptEnvelope::from_typed(sent.envelope.tx_type(), ReceiptWithBloom { receipt, logs_bloom })
    };
    transactions.iter().map(receipt).collect()
}

/// EIP-1559's fee of the block after this one.
pub fn next_fee(parent: &Header) -> u64 {
    let (fee, target) = (u128::from(parent.base_fee_per_gas.unwrap()), u128::from(parent.gas_limit / 2));
    let used = u128::from(parent.gas_used);
    let change = fee * used.abs_diff(target) / target / 8;
    let next = if used > target { fee + change.max(1) } else { fee - change };
    u64::try_from(next).unwrap()
}

/// EIP-4844's price: e to the power of excess / fraction.
fn exponential(excess: u64, fraction: u64) -> u128 {
    let (excess, fraction) = (u128::from(excess), u128::from(fraction));
    let (mut index, mut sum, mut term) = (1, 0, fraction);
    while term > 0 {
        sum += term;
        term = term * excess / (fraction * index);
        index += 1;
    }
    sum / fraction
}
