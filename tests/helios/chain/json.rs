//! The execution chain's JSON, as geth writes it.

use alloy_consensus::private::alloy_eips::eip4895::Withdrawals;
use alloy_consensus::{BlockBody, Transaction};
use alloy_rlp::Encodable;
use serde_json::{Value, json};

use super::execution::Block;

fn quantity(number: impl std::fmt::LowerHex) -> String {
    format!("{number:#x}")
}

impl Block {
    /// `eth_getBlockByHash`'s result.
    pub fn json(&self, full: bool) -> Value {
        let mut block = serde_json::to_value(&self.header).unwrap();
        let transactions: Vec<Value> =
            (0..self.transactions.len())
                .map(|index| {
                    if full { self.transaction_json(index) } else { json!(self.transactions[index].envelope.tx_hash()) }
                })
                .collect();
        let fields = block.as_object_mut().unwrap();
        fields.insert("hash".into(), json!(self.hash));
        fields.insert("size".into(), json!(quantity(self.size())));
        fields.insert("uncles".into(), json!([]));
        fields.insert("transactions".into(), transactions.into());
        fields.insert("withdrawals".into(), json!(self.withdrawals));
        block
    }

    /// The bytes of its RLP, body included.
    fn size(&self) -> usize {
        let transactions = self.transactions.iter().map(|sent| sent.envelope.clone()).collect();
        let withdrawals = Some(Withdrawals::new(self.withdrawals.clone()));
        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
        self.header.clone().into_block(body).length()
    }

    /// `eth_getTransactionByHash`'s result.
    pub fn transaction_json(&self, index: usize) -> Value {
        let sent = &self.transactions[index];
        let mut transaction = serde_json::to_value(&sent.envelope).unwrap();
        let fields = transaction.as_object_mut().unwrap();
        let price = sent.envelope.effective_gas_price(self.header.base_fee_per_gas);
        fields.insert("blockHash".into(), json!(self.hash));
        fields.insert("blockNumber".into(), json!(quantity(self.header.number)));
        fields.insert("blockTimestamp".into(), json!(quantity(self.header.timestamp)));
        fields.insert("transactionIndex".into(), json!(quantity(index)));
        fields.insert("from".into(), json!(sent.from));
        fields.insert("hash".into(), json!(sent.envelope.tx_hash()));
        fields.insert("gasPrice".into(), json!(quantity(price)));
        fields.insert("to".into(), json!(sent.envelope.to()));
        let signature = sent.envelope.signature();
        if !sent.envelope.is_legacy() {
            fields.insert("v".into(), json!(quantity(u8::from(signature.v()))));
            fields.insert("yParity".into(), json!(quantity(u8::from(signature.v()))));
        }
        transaction
    }

    /// `eth_getTransactionReceipt`'s result.
    pub fn receipt_json(&self, index: usize) -> Value {
        let (sent, receipt) = (&self.transactions[index], &self.receipts[index]);
        let first_log: usize = self.receipts[..index].iter().map(|earlier| earlier.logs().len()).sum();
        let logs: Vec<Value> =
            (0..receipt.logs().len()).map(|log| self.log_json(index, log, first_log + log)).collect();
        let mut answer = json!({
            "blockHash": self.hash,
            "blockNumber": quantity(self.header.number),
            "contractAddress": sent.created,
            "cumulativeGasUsed": quantity(receipt.cumulative_gas_used()),
            "effectiveGasPrice": quantity(sent.envelope.effective_gas_price(self.header.base_fee_per_gas)),
            "from": sent.from,
            "gasUsed": quantity(sent.gas_used),
            "logs": logs,
            "logsBloom": receipt.logs_bloom(),
            "status": quantity(u8::from(sent.succeeded)),
            "to": sent.envelope.to(),
            "transactionHash": sent.envelope.tx_hash(),
            "transactionIndex": quantity(index),
            "type": quantity(u8::from(sent.envelope.tx_type())),
        });
        if let Some(gas) = sent.envelope.blob_gas_used() {
            answer["blobGasUsed"] = json!(quantity(gas));
            answer["blobGasPrice"] = json!(quantity(self.blob_price));
        }
        answer
    }

    fn log_json(&self, index: usize, log: usize, log_index: usize) -> Value {
        let sent = &self.transactions[index];
        let log = &sent.logs[log];
        json!({
            "address": log.address,
            "topics": log.topics(),
            "data": log.data.data,
            "blockNumber": quantity(self.header.number),
            "transactionHash": sent.envelope.tx_hash(),
            "transactionIndex": quantity(index),
            "blockHash": self.hash,
            "blockTimestamp": quantity(self.header.timestamp),
            "logIndex": quantity(log_index),
            "removed": false,
        })
    }

    /// `eth_getBlockReceipts`'s result.
    pub fn receipts_json(&self) -> Value {
        (0..self.receipts.len()).map(|index| self.receipt_json(index)).collect()
    }

    /// All its logs, as `eth_getLogs` has them.
    pub fn logs_json(&self) -> Vec<Value> {
        let receipts = (0..self.receipts.len()).map(|index| self.receipt_json(index));
        receipts.flat_map(|receipt| receipt["logs"].as_array().unwrap().clone()).collect()
    }
}
