//! Recorded mainnet beacon blocks of Electra, read and hashed: what a beacon node makes light-client headers of, and an
//! execution node its blocks.

use alloy_consensus::private::alloy_eips::eip2718::Decodable2718;
use alloy_consensus::private::alloy_eips::eip4895::Withdrawal;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Header, Transaction, proofs};
use alloy_primitives::{Address, B256, Bloom};

use super::execution::Block;
use super::light::{BeaconHeader, LightHeader, Payload};
use super::ssz::{self, Root, sha256};
use super::state::State;
use super::transactions::{Envelope, Sent};

/// One block.
pub struct Mainnet {
    pub header: LightHeader,
    pub root: Root,
    /// Of the block before, in whose slot's name the committee signed: its members' bits, and the signature.
    pub bits: Vec<bool>,
    pub signature: [u8; 96],
    /// Without receipts and state.
    pub block: Block,
}

/// Bytes at fixed places.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().unwrap()
    }

    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    fn offset(&self, at: usize) -> usize {
        u32::from_le_bytes(self.array(at)) as usize
    }

    /// The variable part whose offset is at a place; it ends where the next one, whose offset is at `next`, begins.
    fn part(&self, at: usize, next: Option<usize>) -> &'a [u8] {
        &self.0[self.offset(at)..next.map_or(self.0.len(), |next| self.offset(next))]
    }

    /// A list of elements of variable size.
    fn elements(&self) -> Vec<&'a [u8]> {
        let count = if self.0.is_empty() { 0 } else { self.offset(0) / 4 };
        (0..count).map(|index| self.part(4 * index, (index + 1 < count).then(|| 4 * (index + 1)))).collect()
    }
}

fn container(leaves: &[Root]) -> Root {
    ssz::merkle(leaves, leaves.len().next_power_of_two().ilog2() as usize)
}

/// The root of a list of at most 2^depth elements of a fixed size.
fn fixed_list(bytes: &[u8], size: usize, depth: usize, root: impl Fn(&Bytes<'_>) -> Root) -> Root {
    let roots: Vec<Root> = bytes.chunks(size).map(|element| root(&Bytes(element))).collect();
    ssz::list(&roots, depth, roots.len())
}

fn attestation(bytes: &[u8]) -> Root {
    let fields = Bytes(bytes);
    let mut bits = fields.part(0, None).to_vec();
    let last = bits.len() - 1;
    let length = last * 8 + bits[last].ilog2() as usize;
    bits[last] ^= 1 << bits[last].ilog2();
    if bits[last] == 0 && length.is_multiple_of(8) {
        bits.pop();
    }
    let checkpoint = |at: usize| container(&[ssz::number(fields.number(at)), fields.array(at + 8)]);
    let data = [
        ssz::number(fields.number(4)),
        ssz::number(fields.number(12)),
        fields.array(20),
        checkpoint(52),
        checkpoint(92),
    ];
    container(&[
        ssz::list(&ssz::chunks(&bits), 9, length),
        container(&data),
        ssz::bytes(&fields.0[132..228], 2),
        ssz::padded(&fields.0[228..236]),
    ])
}

fn requests_root(bytes: &[u8]) -> Root {
    let lists = Bytes(bytes);
    let deposit = |r: &Bytes<'_>| {
        let amounts = (ssz::padded(&r.0[80..88]), ssz::padded(&r.0[184..192]));
        container(&[ssz::bytes(&r.0[..48], 1), r.array(48), amounts.0, ssz::bytes(&r.0[88..184], 2), amounts.1])
    };
    let withdrawal =
        |r: &Bytes<'_>| container(&[ssz::padded(&r.0[..20]), ssz::bytes(&r.0[20..68], 1), ssz::padded(&r.0[68..76])]);
    let consolidation =
        |r: &Bytes<'_>| container(&[ssz::padded(&r.0[..20]), ssz::bytes(&r.0[20..68], 1), ssz::bytes(&r.0[68..], 1)]);
    container(&[
        fixed_list(lists.part(0, Some(4)), 192, 13, deposit),
        fixed_list(lists.part(4, Some(8)), 76, 4, withdrawal),
        fixed_list(lists.part(8, None), 116, 1, consolidation),
    ])
}

/// EIP-7685's hash of the same requests.
fn requests_hash(bytes: &[u8]) -> B256 {
    let lists = Bytes(bytes);
    let parts = [lists.part(0, Some(4)), lists.part(4, Some(8)), lists.part(8, None)];
    let hashes = (0_u8..).zip(parts).filter(|(_, part)| !part.is_empty()).map(|(kind, part)| sha256(&[&[kind], part]));
    sha256(&[&hashes.collect::<Vec<_>>().concat()]).into()
}

fn withdrawal_root(w: &Withdrawal) -> Root {
    let numbers = [w.index, w.validator_index, w.amount].map(ssz::number);
    container(&[numbers[0], numbers[1], ssz::padded(w.address.as_slice()), numbers[2]])
}

impl Mainnet {
    /// Reads a `SignedBeaconBlock` in SSZ. Slashings and deposits there must be none.
    pub fn read(bytes: &[u8]) -> Self {
        let message = Bytes(&bytes[100..]);
        let mut beacon = BeaconHeader {
            slot: message.number(0),
            proposer_index: message.number(8),
            parent_root: message.array(16),
            state_root: message.array(48),
            body_root: Root::default(),
        };
        let body = Bytes(message.part(80, None));
        let empty = body.part(200, Some(208)).is_empty() && body.part(212, Some(216)).is_empty();
        assert!(empty, "slashings or deposits, which are not read");
        let requests = body.part(392, None);
        let (payload, block) = execution(body.part(380, Some(384)), requests, beacon.parent_root);
        let attestations: Vec<Root> =
            Bytes(body.part(208, Some(212))).elements().into_iter().map(attestation).collect();
        let signed = |message: Root, signature: &[u8]| container(&[message, ssz::bytes(signature, 2)]);
        let exit = |e: &Bytes<'_>| signed(container(&[ssz::padded(&e.0[..8]), ssz::padded(&e.0[8..16])]), &e.0[16..]);
        let change = |c: &Bytes<'_>| {
            let message = [ssz::padded(&c.0[..8]), ssz::bytes(&c.0[8..56], 1), ssz::padded(&c.0[56..76])];
            signed(container(&message), &c.0[76..])
        };
        let leaves = [
            ssz::bytes(&body.0[..96], 2),
            container(&[body.array(96), ssz::padded(&body.0[128..136]), body.array(136)]),
            body.array(168),
            ssz::list(&[], 4, 0),
            ssz::list(&[], 0, 0),
            ssz::list(&attestations, 3, attestations.len()),
            ssz::list(&[], 4, 0),
            fixed_list(body.part(216, Some(380)), 112, 4, exit),
            container(&[ssz::bytes(&body.0[220..284], 1), ssz::bytes(&body.0[284..380], 2)]),
            payload.root(),
            fixed_list(body.part(384, Some(388)), 172, 4, change),
            fixed_list(body.part(388, Some(392)), 48, 12, |key| ssz::bytes(key.0, 1)),
            requests_root(requests),
        ];
        beacon.body_root = container(&leaves);
        let bits = body.0[220..284].iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
        let header = LightHeader { beacon, execution: payload, execution_branch: ssz::branch(&leaves, 4, 9) };
        Self { header, root: beacon.root(), bits, signature: body.array(284), block }
    }
}

fn execution(bytes: &[u8], requests: &[u8], parent_beacon_root: Root) -> (Payload, Block) {
    let fields = Bytes(bytes);
    let raw = Bytes(fields.part(504, Some(508))).elements();
    let withdrawals: Vec<Withdrawal> = fields
        .part(508, None)
        .chunks(44)
        .map(|w| Withdrawal {
            index: Bytes(w).number(0),
            validator_index: Bytes(w).number(8),
            address: Address::from_slice(&w[16..36]),
            amount: Bytes(w).number(36),
        })
        .collect();
    let tx_roots: Vec<Root> = raw.iter().map(|tx| ssz::list(&ssz::chunks(tx), 25, tx.len())).collect();
    let withdrawal_roots: Vec<Root> = withdrawals.iter().map(withdrawal_root).collect();
    let payload = Payload {
        parent_hash: fields.array(0),
        fee_recipient: fields.array(32),
        state_root: fields.array(52),
        receipts_root: fields.array(84),
        logs_bloom: bytes[116..372].to_vec(),
        prev_randao: fields.array(372),
        block_number: fields.number(404),
        gas_limit: fields.number(412),
        gas_used: fields.number(420),
        timestamp: fields.number(428),
        extra_data: fields.part(436, Some(504)).to_vec(),
        base_fee_per_gas: fields.number(440),
        block_hash: fields.array(472),
        transactions_root: ssz::list(&tx_roots, 20, tx_roots.len()),
        withdrawals_root: ssz::list(&withdrawal_roots, 4, withdrawal_roots.len()),
        blob_gas_used: fields.number(512),
        excess_blob_gas: fields.number(520),
    };
    let envelopes: Vec<Envelope> = raw.iter().map(|tx| Envelope::decode_2718(&mut &tx[..]).unwrap()).collect();
    let header = Header {
        parent_hash: payload.parent_hash.into(),
        beneficiary: payload.fee_recipient.into(),
        state_root: payload.state_root.into(),
        transactions_root: proofs::calculate_transaction_root(&envelopes),
        receipts_root: payload.receipts_root.into(),
        logs_bloom: Bloom::from_slice(&payload.logs_bloom),
        number: payload.block_number,
        gas_limit: payload.gas_limit,
        gas_used: payload.gas_used,
        timestamp: payload.timestamp,
        extra_data: payload.extra_data.clone().into(),
        mix_hash: payload.prev_randao.into(),
        base_fee_per_gas: Some(payload.base_fee_per_gas),
        withdrawals_root: Some(proofs::calculate_withdrawals_root(&withdrawals)),
        blob_gas_used: Some(payload.blob_gas_used),
        excess_blob_gas: Some(payload.excess_blob_gas),
        parent_beacon_block_root: Some(parent_beacon_root.into()),
        requests_hash: Some(requests_hash(requests)),
        ..Header::default()
    };
    let sent = |envelope: Envelope| Sent {
        from: envelope.recover_signer().unwrap(),
        succeeded: true,
        gas_used: envelope.gas_limit(),
        logs: Vec::new(),
        created: None,
        tokens: None,
        envelope,
    };
    let block = Block {
        hash: header.hash_slow(),
        header,
        transactions: envelopes.into_iter().map(sent).collect(),
        receipts: Vec::new(),
        withdrawals,
        blob_price: 0,
        state: State::default(),
    };
    (payload, block)
}
