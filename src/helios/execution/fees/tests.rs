use std::sync::Arc;

use alloy_primitives::U256;
use serde_json::json;

use super::*;
use crate::helios::execution::error::Check;
use crate::helios::execution::receipts::proven_receipts;
use crate::helios::execution::sample::{Liar, failed, head, node, recorded, sample, usual, view};
use crate::helios::network::Spec;

fn spec() -> Arc<Spec> {
    node(&Liar::default()).spec
}

#[test]
fn the_next_base_fee_is_the_one_the_next_recorded_block_has() {
    let Some((block, _)) = recorded::block() else { return };
    let Some(child) = recorded::result("eth_getBlockByNumber_0x1564967_false.json") else { return };
    assert_eq!(hex(next_base_fee(&block.sealed.header).unwrap()), child["baseFeePerGas"]);
    assert_eq!(blob::next_price(&spec(), &block.sealed.header), Some(U256::from(1)));
}

#[test]
fn the_base_fee_moves_by_an_eighth_at_most_and_by_one_at_least() {
    let next = |base, gas_used, gas_limit| {
        next_base_fee(&Header { base_fee_per_gas: Some(base), gas_used, gas_limit, ..Header::default() }).unwrap()
    };
    // EIP-1559's cases: at the target, full, empty, and so small that an eighth is nothing.
    assert_eq!(next(1_000_000_000, 10_000_000, 20_000_000), 1_000_000_000);
    assert_eq!(next(1_000_000_000, 20_000_000, 20_000_000), 1_125_000_000);
    assert_eq!(next(1_000_000_000, 0, 20_000_000), 875_000_000);
    assert_eq!(next(1_000_000_000, 9_000_000, 20_000_000), 987_500_000);
    assert_eq!(next(7, 10_000_001, 20_000_000), 8);
    assert_eq!(next(7, 0, 20_000_000), 7);
    assert_eq!(next(5, 5, 0), 6);
    assert_eq!(next(u64::MAX, u64::MAX, u64::MAX), u128::from(u64::MAX) + u128::from(u64::MAX) / 8 + 1);
    assert_eq!(next_base_fee(&Header::default()), None);
}

#[test]
fn the_tip_is_the_fortieth_percentile_of_what_was_paid() {
    let usual = usual();
    let (_, node, head) = usual.node();
    let view = view(&node, &head);
    // Tips, in Gwei: 2, 2, 2, 1, 1.5, 1.5, 1, 3. Of eight the fourth: 1, 1, 1.5, 1.5.
    assert_eq!(max_priority_fee(&view, &[]).unwrap(), hex(1_500_000_000_u64));
    let next = next_base_fee(&usual.sealed.header).unwrap();
    assert_eq!(gas_price(&view, &[]).unwrap(), hex(next + 1_500_000_000));
}

#[test]
fn an_empty_block_suggests_the_smallest_tip_and_no_block_more_than_the_largest() {
    let (_, node, head) = sample(vec![], vec![], None).node();
    assert_eq!(max_priority_fee(&view(&node, &head), &[]).unwrap(), json!("0x1"));
    let greedy = alloy_consensus::TxLegacy { gas_price: u128::MAX, ..alloy_consensus::TxLegacy::default() };
    let transactions = vec![alloy_consensus::EthereumTxEnvelope::Legacy(super::super::sample::sign(greedy))];
    let receipts = super::super::sample::receipts_of(&transactions, 0);
    let (_, node, head) = sample(transactions, receipts, None).node();
    assert_eq!(max_priority_fee(&view(&node, &head), &[]).unwrap(), hex(limits::TIP));
}

#[test]
fn a_lie_about_transactions_makes_no_price() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let mut block = sample.block.clone();
    block["transactions"][7]["maxPriorityFeePerGas"] = json!("0xffffffffff");
    liar.say("eth_getBlockByHash", json!([sample.sealed.hash, true]), block);
    let view = view(&node, &head);
    for result in [
        gas_price(&view, &[]),
        max_priority_fee(&view, &[]),
        history(&view, &[json!("0x1"), json!("latest"), json!([50])]),
    ] {
        assert_eq!(failed(result), Check::TransactionsRoot);
    }
}

#[test]
fn the_price_of_blobs_follows_the_schedule() {
    // EIP-4844's and geth's cases.
    for (numerator, denominator, result) in [
        (0, 1000, 1),
        (2, 1, 6),
        (4, 2, 6),
        (3, 1, 16),
        (6, 2, 18),
        (4, 1, 49),
        (8, 2, 50),
        (5, 1, 136),
        (5, 2, 11),
        (50_000_000, 2_225_652, 5_709_098_764_u64),
    ] {
        assert_eq!(blob::exponential(numerator, denominator), Some(U256::from(result)), "{numerator} {denominator}");
    }
    assert_eq!(blob::exponential(u64::MAX, 1), None);
    assert_eq!(blob::exponential(u64::MAX, 3_338_477), None);
    let price = |timestamp| {
        let header = Header { timestamp, excess_blob_gas: Some(80_000_000), ..Header::default() };
        blob::price(&spec(), &header)
    };
    // Shapella, Cancun, Prague (epoch 364032), the first and the second blob-parameter-only fork: e to the 80000000 over
    // the fraction.
    let (deneb, prague) = (spec().epoch_time(269_568), spec().epoch_time(364_032));
    let expected = |fraction: f64| Some(U256::from((80_000_000.0 / fraction).exp() as u64));
    assert_eq!(price(deneb - 1), None);
    assert!(price(deneb).unwrap().abs_diff(expected(3_338_477.0).unwrap()) < U256::from(1_000_000_000));
    assert_eq!(price(deneb), price(prague - 1));
    assert_ne!(price(prague - 1), price(prague));
    assert!(price(prague).unwrap().abs_diff(expected(5_007_716.0).unwrap()) < U256::from(10));
    assert_eq!(price(1_765_290_070), price(prague));
    assert!(price(1_765_290_071).unwrap().abs_diff(expected(8_346_193.0).unwrap()) < U256::from(4));
    assert!(price(1_767_747_671).unwrap().abs_diff(expected(11_684_671.0).unwrap()) < U256::from(4));
}

#[test]
fn the_next_price_of_blobs_has_osakas_reserve() {
    let blobs = |count: u64| Some(count << 17);
    let next = |timestamp, excess, used, base| {
        let header = Header {
            timestamp,
            excess_blob_gas: blobs(excess),
            blob_gas_used: blobs(used),
            base_fee_per_gas: Some(base),
            ..Header::default()
        };
        blob::next_price(&spec(), &header)
    };
    let at = |blobs: u64, fraction| blob::exponential(blobs << 17, fraction);
    let (prague, osaka, second) = (1_750_000_000, spec().epoch_time(411_392), 1_767_747_671);
    assert_eq!(next(prague, 500, 9, 1_000_000_000), at(503, 5_007_716));
    assert_eq!(next(prague, 2, 3, 1_000_000_000), at(0, 5_007_716));
    // 8192 gas at 1 Gwei are worth more than 131072 blob gas at 490 thousand wei: the excess grows by a third of the used.
    assert_eq!(next(osaka, 500, 9, 1_000_000_000), at(503, 5_007_716));
    assert_eq!(next(osaka, 500, 6, 1_000_000_000), at(502, 5_007_716));
    assert_eq!(next(prague, 500, 6, 1_000_000_000), at(500, 5_007_716));
    // And not, where the execution gas is cheap.
    assert_eq!(next(osaka, 500, 6, 1), at(500, 5_007_716));
    assert_eq!(next(second, 500, 21, 1), at(507, 11_684_671));
    // The last slot before a fork has the fork's next price.
    assert_eq!(next(second - 12, 500, 21, 1), at(507, 11_684_671));
}

#[test]
fn the_history_of_the_head_is_in_its_header() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let view = view(&node, &head);
    let answer = history(&view, &[json!("0x1"), json!("latest"), json!([0, 25.5, 50, 99, 100])]).unwrap();
    let next = next_base_fee(&sample.sealed.header).unwrap();
    assert_eq!(answer["oldestBlock"], hex(sample.sealed.header.number));
    assert_eq!(answer["baseFeePerGas"], json!([hex(7_000_000_000_u64), hex(next)]));
    assert_eq!(answer["gasUsedRatio"], json!([168_000.0 / 36_000_000.0]));
    assert_eq!(answer["blobGasUsedRatio"], json!([2.0 / 9.0]));
    assert_eq!(answer["baseFeePerBlobGas"], json!(["0xd", "0xc"]));
    // Each of the eight used as much gas; by tip: 1, 1, 1.5, 1.5, 2, 2, 2, 3 Gwei.
    let gwei = |tenths: u64| hex(tenths * 100_000_000);
    assert_eq!(answer["reward"], json!([[gwei(10), gwei(15), gwei(15), gwei(30), gwei(30)]]));
    assert_eq!(history(&view, &[json!("0x1"), json!("latest")]).unwrap().get("reward"), None);
    assert_eq!(history(&view, &[json!("0x1"), json!("latest"), json!([])]).unwrap().get("reward"), None);
}

#[test]
fn a_history_of_several_blocks_has_one_base_fee_more() {
    let first = usual();
    let second = sample(vec![], vec![], Some(&first.sealed));
    let liar = Liar::default();
    first.tell(&liar);
    second.tell(&liar);
    let (node, head) = (node(&liar), head(&second.sealed));
    let headers = [Arc::clone(&first.sealed), Arc::clone(&second.sealed)];
    let answer = history::answer(&view(&node, &head), &headers, Some(&[50.0])).unwrap();
    let lengths = |name: &str| answer[name].as_array().unwrap().len();
    assert_eq!(
        ["baseFeePerGas", "baseFeePerBlobGas", "gasUsedRatio", "blobGasUsedRatio", "reward"].map(lengths),
        [3, 3, 2, 2, 2]
    );
    assert_eq!(answer["reward"][1], json!(["0x0"]));
    assert_eq!(answer["oldestBlock"], hex(first.sealed.header.number));
}

#[test]
fn rewards_of_a_recorded_block_rise_and_are_of_its_transactions() {
    let Some((block, _)) = recorded::block() else { return };
    let Some(said) = recorded::result("eth_getBlockReceipts_0x1564966.json") else { return };
    let liar = Liar::default();
    liar.say("eth_getBlockReceipts", json!([block.sealed.hash]), said.clone());
    let (node, head) = (node(&liar), head(&block.sealed));
    let receipts = proven_receipts(&view(&node, &head), &block).unwrap();
    let number = |value: &Value| u128::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    let base = u128::from(block.sealed.header.base_fee_per_gas.unwrap());
    // By hand, from what was recorded: the smallest tip such that those up to it used the share of the gas.
    let mut paid: Vec<(u128, u128)> = said
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (number(&r["effectiveGasPrice"]) - base, number(&r["gasUsed"])))
        .collect();
    paid.sort_unstable();
    for percentile in [0_u32, 1, 10, 50, 90, 99, 100] {
        let share = u128::from(block.sealed.header.gas_used) * u128::from(percentile);
        let up_to = |place: usize| paid[..=place].iter().map(|(_, gas)| gas * 100).sum::<u128>();
        let expected = (0..paid.len()).find(|place| up_to(*place) >= share).map(|place| paid[place].0).unwrap();
        assert_eq!(history::rewards_of(&receipts, &[f64::from(percentile)]), [expected], "{percentile}");
    }
}

#[test]
fn what_is_no_history_is_refused() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let view = view(&node, &head);
    for percentiles in [json!([50, 49]), json!([-1]), json!([100.1]), json!(["50"]), json!(50), json!({})] {
        let result = history(&view, &[json!("0x1"), json!("latest"), percentiles.clone()]);
        assert!(matches!(result, Err(CallError::Params(_))), "{percentiles}");
    }
    let many = json!(vec![1; limits::FEE_PERCENTILES + 1]);
    assert!(matches!(history(&view, &[json!("0x1"), json!("latest"), many]), Err(CallError::Limit(..))));
    assert!(matches!(history(&view, &[json!("0x0"), json!("latest")]), Err(CallError::Params(_))));
    let above = hex(sample.sealed.header.number + 1);
    assert!(matches!(history(&view, &[json!("0x1"), above]), Err(CallError::OutOfReach(_))));
}
