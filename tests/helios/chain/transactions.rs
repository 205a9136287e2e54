//! Transactions of every type, signed, and the receipts they have.
//!
//! Nothing is run: what a transaction does is written down with it.

use std::sync::LazyLock;

use alloy_consensus::private::alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_consensus::private::alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, Signature, TxKind, U256, hex, keccak256};
use k256::ecdsa::SigningKey;

use super::{contracts, state};

/// A transaction as blocks have it.
pub type Envelope = EthereumTxEnvelope<TxEip4844>;

/// One transaction, and what came of it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub envelope: Envelope,
    pub from: Address,
    pub succeeded: bool,
    pub gas_used: u64,
    pub logs: Vec<Log>,
    /// The contract it made.
    pub created: Option<Address>,
    /// Tokens it moved: contract, receiver, amount.
    pub tokens: Option<(Address, Address, U256)>,
}

/// What a transaction is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Legacy, without a chain id: v is 27 or 28.
    Old,
    /// Legacy, with one (EIP-155).
    Transfer,
    /// Type 1: moves tokens, has an access list.
    Listed,
    /// Type 2: moves tokens, one log.
    Tokens,
    /// Type 2: logs of two kinds from two contracts, and one without topics.
    Noted,
    /// Type 2: makes a contract.
    Create,
    /// Type 2: takes 15 million gas.
    Large,
    /// Type 2: failed.
    Failed,
    /// Type 3, two blobs.
    Blobs,
    /// Type 4, one authorization.
    Delegated,
}

/// What the transactions of a block have in common.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    pub chain_id: u64,
    pub base_fee: u64,
    pub blob_price: u128,
}

/// The keys of those who send: four.
pub static SENDERS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    (0..4).map(|index| SigningKey::from_slice(keccak256(format!("sender {index}")).as_slice()).unwrap()).collect()
});

/// A key's address.
pub fn address(key: &SigningKey) -> Address {
    Address::from_slice(&keccak256(&key.verifying_key().to_sec1_point(false).as_bytes()[1..])[12..])
}

/// A key's signature over a hash.
pub fn sign(key: &SigningKey, hash: B256) -> Signature {
    let (signature, recovery) = key.sign_prehash_recoverable(hash.as_slice());
    let (r, s) = signature.split_bytes();
    Signature::new(U256::from_be_slice(&r), U256::from_be_slice(&s), recovery.is_y_odd())
}

/// The transaction signed, with its hash.
fn signed<T: SignableTransaction<Signature>>(key: &SigningKey, tx: T) -> Envelope
where
    Envelope: From<alloy_consensus::Signed<T>>,
{
    let signature = sign(key, tx.signature_hash());
    tx.into_signed(signature).into()
}

/// The call data of `transfer(to, amount)`.
fn transfer(to: Address, amount: U256) -> Bytes {
    [&hex!("a9059cbb")[..], &[0; 12], to.as_slice(), &amount.to_be_bytes::<32>()].concat().into()
}

fn transferred(contract: Address, from: Address, to: Address, amount: U256) -> Log {
    let topics = vec![contracts::transfer_topic(), from.into_word(), to.into_word()];
    Log { address: contract, data: LogData::new_unchecked(topics, amount.to_be_bytes_vec().into()) }
}

/// A transaction of that kind: the `seed` chooses who gets what.
pub fn make(kind: Kind, key: &SigningKey, nonce: u64, seed: u64, market: Market) -> Sent {
    let from = address(key);
    let Market { chain_id, base_fee, blob_price } = market;
    let (tip, cap) = (1_000_000_000 + u128::from(seed), 2 * u128::from(base_fee) + 3_000_000_000);
    let price = u128::from(base_fee) + tip;
    let (to, amount) = (state::person(seed % state::PEOPLE), U256::from(1000 + seed));
    let token = if seed.is_multiple_of(3) { contracts::proxy() } else { contracts::token() };
    let access_list = AccessList(vec![AccessListItem {
        address: token,
        storage_keys: vec![contracts::balance_slot(to).into(), contracts::balance_slot(from).into()],
    }]);
    let dynamic = |to: TxKind, value: U256, gas_limit: u64, input: Bytes| TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: cap,
        max_priority_fee_per_gas: tip,
        to,
        value,
        access_list: AccessList::default(),
        input,
    };
    let legacy = |chain_id| TxLegacy {
        chain_id,
        nonce,
        gas_price: price,
        gas_limit: 21_000,
        to: to.into(),
        value: amount,
        input: Bytes::new(),
    };
    let moved = transferred(token, from, to, amount);
    let sent = |envelope, gas_used| Sent {
        envelope,
        from,
        succeeded: true,
        gas_used,
        logs: Vec::new(),
        created: None,
        tokens: None,
    };
    let tokens = Some((token, to, amount));
    match kind {
        Kind::Old => sent(signed(key, legacy(None)), 21_000),
        Kind::Transfer => sent(signed(key, legacy(Some(chain_id))), 21_000),
        Kind::Listed => {
            let tx = TxEip2930 {
                chain_id,
                nonce,
                gas_price: price,
                gas_limit: 90_000,
                to: token.into(),
                value: U256::ZERO,
                access_list,
                input: transfer(to, amount),
            };
            Sent { logs: vec![moved], tokens, ..sent(signed(key, tx), 38_412 + seed) }
        }
        Kind::Tokens => {
            let tx = dynamic(token.into(), U256::ZERO, 90_000, transfer(to, amount));
            Sent { logs: vec![moved], tokens, ..sent(signed(key, tx), 51_307 + seed) }
        }
        Kind::Noted => {
            let tx = dynamic(contracts::noter().into(), amount, 200_000, hex!("c0ffee00").into());
            let topics = vec![contracts::noted_topic(), U256::from(seed).into(), B256::ZERO, to.into_word()];
            let noted = LogData::new_unchecked(topics, keccak256(seed.to_be_bytes()).to_vec().into());
            let bare = LogData::new_unchecked(Vec::new(), hex!("00").into());
            let at = |address, data| Log { address, data };
            let logs = vec![at(contracts::noter(), noted), moved, at(contracts::noter(), bare)];
            Sent { logs, tokens, ..sent(signed(key, tx), 77_001 + seed) }
        }
        Kind::Create => {
            let tx = dynamic(TxKind::Create, U256::ZERO, 300_000, hex!("60008060093d393df3").into());
            Sent { created: Some(from.create(nonce)), ..sent(signed(key, tx), 54_321) }
        }
        Kind::Large => {
            let tx = dynamic(contracts::looper().into(), U256::ZERO, 15_000_000, Bytes::new());
            Sent { succeeded: false, ..sent(signed(key, tx), 15_000_000) }
        }
        Kind::Failed => {
            let tx = dynamic(contracts::reverter().into(), amount, 60_000, hex!("01020304").into());
            Sent { succeeded: false, ..sent(signed(key, tx), 21_400) }
        }
        Kind::Blobs => {
            let blob = |index: u8| {
                let mut hash = keccak256([&seed.to_be_bytes()[..], &[index]].concat());
                hash[0] = 1;
                hash
            };
            let tx = TxEip4844 {
                chain_id,
                nonce,
                gas_limit: 30_000,
                max_fee_per_gas: cap,
                max_priority_fee_per_gas: tip,
                to,
                value: amount,
                access_list: AccessList::default(),
                blob_versioned_hashes: vec![blob(0), blob(1)],
                max_fee_per_blob_gas: blob_price * 2,
                input: Bytes::new(),
            };
            sent(signed(key, tx), 21_000)
        }
        Kind::Delegated => {
            let authority = SigningKey::from_slice(keccak256(format!("authority {seed}")).as_slice()).unwrap();
            let chain = U256::from(chain_id);
            let authorization = Authorization { chain_id: chain, address: contracts::token(), nonce: 0 };
            let signature = sign(&authority, authorization.signature_hash());
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit: 150_000,
                max_fee_per_gas: cap,
                max_priority_fee_per_gas: tip,
                to: token,
                value: U256::ZERO,
                access_list,
                authorization_list: vec![signed_authorization(authorization, signature)],
                input: transfer(to, amount),
            };
            Sent { logs: vec![moved], tokens, ..sent(signed(key, tx), 88_123 + seed) }
        }
    }
}

fn signed_authorization(authorization: Authorization, signature: Signature) -> SignedAuthorization {
    authorization.into_signed(signature)
}

/// Which transactions the block of that index has.
pub fn kinds(index: usize) -> &'static [Kind] {
    match index % 6 {
        0 => &[Kind::Transfer, Kind::Listed, Kind::Noted, Kind::Blobs, Kind::Delegated],
        1 => &[Kind::Old, Kind::Tokens],
        2 => &[Kind::Noted, Kind::Create, Kind::Failed, Kind::Tokens],
        3 => &[],
        4 => &[Kind::Blobs, Kind::Tokens, Kind::Blobs],
        _ => &[Kind::Large, Kind::Large, Kind::Tokens],
    }
}
