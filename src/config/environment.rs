//! What the application finds in its environment because of the manifest (contract section 3).

use super::manifest::Manifest;

impl Manifest {
    /// The variables to add to the application's own environment, in the order the contract lists them. None of them is
    /// secret.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        if let Some(egress) = &self.egress {
            // Both spellings: curl reads http_proxy in lower case only, others read upper case only.
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
                variables.push((name, format!("http://127.0.0.1:{}", egress.proxy_port)));
            }
            for name in ["no_proxy", "NO_PROXY"] {
                variables.push((name, "localhost,127.0.0.1".to_owned()));
            }
        }
        if let Some(kms) = &self.kms_proxy {
            for name in ["AWS_KMS_ENDPOINT", "AWS_ENDPOINT_URL_KMS"] {
                variables.push((name, format!("http://127.0.0.1:{}", kms.port)));
            }
        }
        if let Some(port) = self.api {
            variables.push(("ODYN_API_URL", format!("http://127.0.0.1:{port}")));
        }
        variables
    }
}
