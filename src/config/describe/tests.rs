use super::*;

/// Every section, as the product description's complete example has them, and the rest.
const EVERYTHING: &str = "\
version: v1
name: \"my-secure-app\"
target: \"my-secure-app:latest\"
sources: {app: \"my-app:latest\", odyn: odyn, sleeve: sleeve}
signature: {certificate: cert.pem, key: key.pem}
defaults: {cpu_count: 2, memory_mb: 4096}
ingress:
  - listen_port: 8080
  - listen_port: 8443
    tls: {cert_file: cert.pem, key_file: key.pem}
egress:
  proxy_port: 10000
  allow:
    - \"api.openai.com\"
    - \"169.254.169.254\"        # Required for KMS
    - \"**.amazonaws.com:443\"
    - \"*.example.com\"
  deny:
    - \"*.internal.com\"
api:
  listen_port: 18000
aux_api:
  listen_port: 18001
kms_proxy:
  listen_port: 9000
  endpoints:
    us-east-1: kms.us-east-1.amazonaws.com
storage:
  s3:
    enabled: true
    bucket: \"my-app-data\"
    prefix: \"apps/my-service\"
    region: us-east-1
helios_rpc:
  enabled: true
  network: mainnet
  execution_rpc: https://rpc.example.com/v3/SECRET
  consensus_rpc: https://consensus.example.com
  checkpoint: unsafe-latest
nsm: {expose: true}
vsock_ports: {status_port: 1, app_log_port: 2, http_egress_port: 3}
";

#[test]
fn the_table_shows_what_would_run_and_no_secret() {
    let manifest = Manifest::parse("enclaver.yaml", EVERYTHING).unwrap();
    let expected = "\
enclave        my-secure-app, image my-secure-app:latest
ingress        vsock 8080 to the application on 127.0.0.1:8080
ingress        vsock 8443 to the application on 127.0.0.1:8443, TLS ends here
egress         proxy on 127.0.0.1:10000
  allow        api.openai.com, 169.254.169.254, **.amazonaws.com:443, *.example.com
  deny         *.internal.com
internal API   127.0.0.1:18000
auxiliary API  127.0.0.1:18001
KMS proxy      127.0.0.1:9000
  endpoint     us-east-1 at https://kms.us-east-1.amazonaws.com:443
S3 storage     s3://my-app-data/apps/my-service/, us-east-1
light client   127.0.0.1:8545, mainnet, execution https://rpc.example.com:443, consensus https://consensus.example.com:443, checkpoint unsafe-latest
NSM device     open to the application
vsock          status 1, log 2, host egress 3
environment    http_proxy=http://127.0.0.1:10000
               https_proxy=http://127.0.0.1:10000
               HTTP_PROXY=http://127.0.0.1:10000
               HTTPS_PROXY=http://127.0.0.1:10000
               no_proxy=localhost,127.0.0.1
               NO_PROXY=localhost,127.0.0.1
               AWS_KMS_ENDPOINT=http://127.0.0.1:9000
               AWS_ENDPOINT_URL_KMS=http://127.0.0.1:9000
               ODYN_API_URL=http://127.0.0.1:18000
";
    assert_eq!(manifest.describe(), expected);
    assert!(!format!("{manifest:?}").contains("SECRET"));
    assert_eq!(manifest.services().len(), 2 + 2 + 5 + 3);
}

#[test]
fn a_manifest_without_services_says_so() {
    let text = "version: v1\nname: a\ntarget: b\nsources: {app: c}\n";
    let expected = "\
enclave        a, image b
ingress        none
egress         none
internal API   off
auxiliary API  off
KMS proxy      off
S3 storage     off
light client   off
NSM device     closed to the application
vsock          status 17000, log 17001, host egress 17002
";
    assert_eq!(Manifest::parse("enclaver.yaml", text).unwrap().describe(), expected);
}
