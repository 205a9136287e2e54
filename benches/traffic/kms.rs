//! What the KMS proxy adds to a call: the rest of the time is KMS's, here a fake in Python that checks what it is sent.

use std::time::Instant;

use serde_json::json;

use crate::Run;
use crate::support::connection::Connection;
use crate::support::cpu_ticks;
use crate::support::fake_aws::KmsOdyn;

/// Of the processor's clock.
const TICK_US: f64 = 10_000.0;

/// How a client's SDK says where its call goes; nobody looks at the signature.
const SCOPE: &str =
    "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0";

pub fn run(run: &Run) {
    println!();
    let Some(kms) = KmsOdyn::start(&["/bin/sh", "-c", "exec sleep 100000"]) else {
        println!("KMS proxy: not measured: scripts/test.sh installs what the fake KMS needs");
        return;
    };
    kms.odyn.wait_running();
    for (operation, what) in [("ListKeys", "signed anew"), ("GenerateRandom", "attested, and its result opened")] {
        let body = if operation == "ListKeys" { json!({}) } else { json!({ "NumberOfBytes": 32 }) }.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {SCOPE}\r\nX-Amz-Target: TrentService.{operation}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = Connection::to(kms.port.0);
        let mut call = || {
            connection.send(request.as_bytes());
            let answer = connection.answer("POST");
            assert_eq!(answer.status, 200, "{operation}: {answer:?}");
        };
        // The first waits for credentials and for the RSA key.
        call();
        let (begun, ticks, mut calls) = (Instant::now(), cpu_ticks(kms.odyn.pid()), 0_u32);
        while begun.elapsed() < run.time * u32::try_from(run.rounds).unwrap() {
            call();
            calls += 1;
        }
        let each = begun.elapsed().as_micros() / u128::from(calls);
        let own = (cpu_ticks(kms.odyn.pid()) - ticks) as f64 * TICK_US / f64::from(calls);
        println!("KMS proxy, {operation} ({what}): {each} us a call, {own:.0} us of them odyn's own on the processor");
    }
}
